// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A plan file and its weights file, mapped, checked and ready to be run.
//
//   MUSTER_ASSIGN_OR_RETURN(auto plan, muster::plan::loadPlan("model.plan", {}));
//   for (const auto &entry : plan->root().entries) ...
//
// Loading checks everything once, so that nothing needs to be checked while a plan runs: the container (magic, version,
// lengths, digest), the flatbuffer, every index, every span (inside the arena, aligned), that every byte that is read
// was written before, that steps which touch the same bytes are ordered by their waits, also across ranks, that every
// transfer's box lies inside its spans for all ranks and all sizes, that no count can overflow, that the machine has
// what the plan's target needs, that every kernel's symbol exists, and that the weights belong to the plan.
// CheckPlan.h and CheckVariant.h list the rules. The kernels themselves are trusted code, like a shared library.

#ifndef MUSTER_RUNTIME_PLAN_LOADEDPLAN_H
#define MUSTER_RUNTIME_PLAN_LOADEDPLAN_H

#include "muster/kernel_abi.h"
#include "runtime/count/CountProgram.h"
#include "runtime/plan/MappedFile.h"
#include "runtime/plan/WeightsFile.h"
#include "runtime/schema/Container.h"
#include "runtime/schema/plan_generated.h"
#include "runtime/status/Status.h"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace muster::plan {

class HostObject;

struct LoadOptions {
  /// The weights file; empty: the plan's path with its extension replaced by `.weights` ("model.plan" ->
  /// "model.weights", "model" -> "model.weights").
  std::string weightsPath;
  /// Load what can be inspected only: no check of the machine, no kernels, no weights. `kernel()` is null then, and an
  /// executor refuses the plan.
  bool inspectOnly = false;
};

/// What muster-inspect shows of the file around the flatbuffer.
struct FileFacts {
  std::string path;
  uint64_t fileBytes = 0;
  uint64_t planBytes = 0; // of the flatbuffer
  uint32_t version = 0;
};

/// Immutable; safe to share among threads. Everything returned by reference lives as long as the object.
class LoadedPlan {
public:
  ~LoadedPlan();
  LoadedPlan(const LoadedPlan &) = delete;
  LoadedPlan &operator=(const LoadedPlan &) = delete;

  /// The decoded flatbuffer. Every index in it was checked.
  const schema::PlanT &root() const { return plan; }
  /// Its count program.
  const count::Program &counts() const { return countProgram; }
  const FileFacts &file() const { return facts; }
  /// XXH3-128 of everything behind the file's header, as stored there; two plans are equal iff these are.
  std::span<const uint8_t, 16> digest() const { return std::span<const uint8_t, 16>(digestBytes); }

  /// The product of the mesh's axes.
  uint32_t ranks() const { return rankCount; }
  /// Coordinates of `rank` on the mesh's axes, in their order.
  std::vector<uint32_t> coordinates(uint32_t rank) const;
  /// Position of `rank` on some axes: row-major, the first outermost.
  uint32_t positionOn(std::span<const uint8_t> axes, uint32_t rank) const;
  /// Index of an entry or of an input of the step record by name.
  std::optional<uint32_t> findEntry(std::string_view name) const;
  std::optional<uint32_t> findRecordField(std::string_view name) const;

  /// The bytes of section `index` of `root().sections`.
  std::span<const std::byte> section(uint32_t index) const;
  /// The first section of a kind, e.g. the tokenizer's; empty where the plan has none.
  std::span<const std::byte> section(schema::SectionKind kind) const;

  /// Entry point of kernel `index` of `root().kernels`; null when loaded for inspection only.
  muster_kernel_fn kernel(uint32_t index) const { return index < kernels.size() ? kernels[index] : nullptr; }

  /// The first byte of weight `index` of `root().weights` on `rank`.
  const std::byte *weight(uint32_t rank, uint32_t index) const;
  /// The weights file; null where the plan has no weights or was loaded for inspection only.
  const WeightsFile *weightsFile() const { return weights ? &*weights : nullptr; }
  /// Hashes every section of the weights file and compares with its table (reads the whole file).
  Status verifyWeights() const;

  bool isInspectOnly() const { return inspectOnly; }

private:
  friend Result<std::shared_ptr<const LoadedPlan>> loadPlan(const std::string &path, const LoadOptions &options);
  LoadedPlan();
  Status linkKernels();

  FileFacts facts;
  MappedFile mapped;
  uint8_t digestBytes[16] = {};
  schema::PlanT plan;
  count::Program countProgram;
  uint32_t rankCount = 0;
  bool inspectOnly = false;
  std::optional<WeightsFile> weights;
  std::vector<uint32_t> firstSections; // of each group of weights
  std::vector<std::unique_ptr<HostObject>> objects;
  std::vector<muster_kernel_fn> kernels;
};

/// Maps, checks and links the plan at `path`. Errors: E20xx (container), E21xx (contents), E22xx (weights), E23xx
/// (machine).
Result<std::shared_ptr<const LoadedPlan>> loadPlan(const std::string &path, const LoadOptions &options);

/// Where loadPlan looks for the weights of the plan at `planPath` unless told.
std::string defaultWeightsPath(const std::string &planPath);

} // namespace muster::plan

#endif // MUSTER_RUNTIME_PLAN_LOADEDPLAN_H
