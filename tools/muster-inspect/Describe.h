// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Parts of a plan in words.

#ifndef MUSTER_TOOLS_MUSTERINSPECT_DESCRIBE_H
#define MUSTER_TOOLS_MUSTERINSPECT_DESCRIBE_H

#include "runtime/count/Bounds.h"
#include "runtime/plan/LoadedPlan.h"
#include "runtime/schema/Elements.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster::inspect {

class Describe {
public:
  explicit Describe(const plan::LoadedPlan &loaded) : plan(loaded.root()), counts(loaded.counts()) {}

  /// "t", "ceil(t / 16)", "t[own]" of a vector, "#12" where the expression is long.
  std::string slot(uint32_t index) const;
  /// An instruction of the count program with its operands by slot: "min(#1, #4)", "scan(#0) on [dp]" of a vector.
  std::string instruction(uint32_t index) const;
  /// "512", "576 t", "64 own(tp) + 3".
  std::string amount(const schema::AmountT &amount) const;
  /// "f32 [r, 49152 / tp]".
  std::string port(const schema::PortT &port) const;
  /// "arena[64, +4096)", "weight layers.0.qkv", "state layers.0.keys".
  std::string binding(const schema::Binding &binding) const;
  /// "launch attention", "matmul 512 x 576 x 960", "all_reduce".
  std::string action(const schema::StepT &step) const;
  std::string location(const schema::StepT &step) const;

  /// The greatest bytes that one rank pulls in a transfer from itself and others; 0 for other steps.
  uint64_t transferBytes(const schema::StepT &step, const schema::VariantT &variant) const;

private:
  std::string slot(uint32_t index, int depth) const;

  const schema::PlanT &plan;
  const count::Program &counts;
};

std::string_view packingName(schema::Packing packing);
/// Bytes of the parts that a rank has for itself, and of those that others hold too.
std::pair<uint64_t, uint64_t> weightBytes(const plan::LoadedPlan &loaded);
/// ", shared" where all ranks hold the same, ", 3 parts" where some do, "" where none do.
std::string sharing(const schema::WeightT &weight, const plan::LoadedPlan &loaded);
std::string_view sectionKindName(schema::SectionKind kind);
/// "[960, 576]".
std::string shape(const std::vector<int64_t> &dims);
/// "1.5 MiB".
std::string bytes(uint64_t count);
/// "layers.12.qkv" -> "layers.*.qkv": numbers between dots.
std::string pattern(std::string_view name);
/// Lower-case hexadecimal digits.
std::string hex(std::span<const uint8_t> bytes);

} // namespace muster::inspect

#endif // MUSTER_TOOLS_MUSTERINSPECT_DESCRIBE_H
