// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The weights file beside a plan (runtime/schema/Container.h has its byte layout): mapped, not read, so that a process
// touches only the sections that its rank reads.

#ifndef MUSTER_RUNTIME_PLAN_WEIGHTSFILE_H
#define MUSTER_RUNTIME_PLAN_WEIGHTSFILE_H

#include "runtime/plan/MappedFile.h"
#include "runtime/schema/Container.h"
#include "runtime/schema/plan_generated.h"
#include "runtime/status/Status.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace muster::plan {

/// What a plan says of its weights.
struct ExpectedWeights {
  std::vector<uint64_t> sectionBytes; // of each section
  std::span<const uint8_t> id;        // 16 bytes
};

/// Number of parts of a group of weights.
uint32_t partCount(const schema::WeightGroupT &group);
/// Of a plan that was checked; refers to it.
ExpectedWeights expectedWeights(const schema::PlanT &plan);

/// Immutable; safe to share among threads.
class WeightsFile {
public:
  /// Maps `path` and compares its header with `expected`. Errors: E2201 (no such file, too short), E2202 (magic or
  /// version), E2203 (section outside the file), E2204 (does not belong to the plan: id, number or lengths of
  /// sections).
  static Result<WeightsFile> open(const std::string &path, const ExpectedWeights &expected);

  const std::string &path() const { return filePath; }
  uint64_t fileBytes() const { return file.bytes().size(); }
  uint32_t sectionCount() const { return static_cast<uint32_t>(sections.size()); }
  std::span<const std::byte> section(uint32_t index) const {
    return file.bytes().subspan(sections[index].offset, sections[index].length);
  }

  /// Hashes every section and the id. Errors: E2205 names the section.
  Status verify() const;

  /// A library that insists on zeroing padding which is zero already may write it between setWritable(true) and
  /// setWritable(false); the pages are private copies, the file is never written.
  Status setWritable(bool writable) const { return file.setWritable(writable); }

private:
  std::string filePath;
  MappedFile file;
  uint8_t id[16] = {};
  std::vector<schema::WeightsSection> sections;
};

} // namespace muster::plan

#endif // MUSTER_RUNTIME_PLAN_WEIGHTSFILE_H
