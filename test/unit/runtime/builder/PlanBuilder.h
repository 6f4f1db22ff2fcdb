// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Plans made by hand, so that tests of the runtime need no compiler.
//
//   PlanBuilder plan({{"tp", 3}});
//   uint32_t tokens = plan.input("tokens", 32);
//   plan.addEntry("step"); ... plan.launch("scale", {...});
//   std::string path = plan.write(folder, "test");       // test.plan and test.weights

#ifndef MUSTER_TEST_UNIT_RUNTIME_BUILDER_PLANBUILDER_H
#define MUSTER_TEST_UNIT_RUNTIME_BUILDER_PLANBUILDER_H

#include "runtime/schema/Container.h"
#include "runtime/schema/plan_generated.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace muster::test {

using AmountPtr = std::unique_ptr<schema::AmountT>;

/// A constant.
AmountPtr amount(int64_t constant);
/// constant + coefficient * slot.
AmountPtr amountOf(uint32_t slot, int64_t coefficient = 1, int64_t constant = 0);
/// coefficient * the own or the peer's element of the vector that begins at `slot`.
AmountPtr amountOfElement(schema::Element element, uint32_t slot, int64_t coefficient = 1);
/// coefficient * own or peer coordinate on an axis (* slot where >= 0).
AmountPtr amountAt(schema::Position position, uint8_t axis, int64_t coefficient, int32_t slot = -1);

struct Dim {
  AmountPtr extent, sourceStride, destinationStride;
};
/// A dimension with constant strides.
Dim dim(AmountPtr extent, int64_t sourceStride, int64_t destinationStride);

inline schema::Binding arena(uint64_t offset, uint64_t length) {
  return schema::Binding(offset, length, 0, schema::Memory::Arena);
}
inline schema::Binding weightBinding(uint32_t index) { return schema::Binding(0, 0, index, schema::Memory::Weight); }
inline schema::Binding stateBinding(uint32_t index) { return schema::Binding(0, 0, index, schema::Memory::State); }

/// [n, k] row-major to schema::Packing::BlockedN64K16.
std::vector<float> packBlocked(const std::vector<float> &matrix, uint64_t n, uint64_t k);

/// A fresh folder that is removed at the end of the test program.
std::string scratchFolder();

std::vector<std::byte> readFile(const std::string &path);
void writeFile(const std::string &path, const std::vector<std::byte> &bytes);

struct Operand {
  schema::Binding binding;
  bool isWritten = false;
};

class PlanBuilder {
public:
  explicit PlanBuilder(std::vector<std::pair<std::string, uint32_t>> axes);

  schema::PlanT plan;
  uint32_t ranks() const { return rankCount; }

  /// A field of the step record and the (first) slot that holds it; a vector over `axes` where given.
  uint32_t input(const std::string &name, int64_t bound, std::vector<uint8_t> axes = {});
  uint32_t constant(int64_t value);
  /// An instruction on slots and its (first) slot.
  uint32_t instruction(schema::CountOp op, int32_t a, int32_t b = 0, int32_t c = 0);

  /// A float weight [n, k], one matrix a rank (one in all where `shared`).
  uint32_t weight(const std::string &name, uint64_t n, uint64_t k, schema::Packing packing,
                  const std::vector<std::vector<float>> &values, bool shared = false);
  uint32_t pagedState(const std::string &name, const std::vector<int64_t> &pageShape);
  /// At most `bound` in `slot`, in every step.
  void check(uint32_t slot, int64_t bound, const std::string &name);
  /// A kernel of the object that test/unit/runtime/builder/kernels.c is compiled to.
  uint32_t kernel(const std::string &name, uint32_t bindings, uint32_t sizes);

  /// Any other section, such as a tokenizer. Kernels first.
  void addSection(schema::SectionKind kind, const std::string &name, std::span<const uint8_t> bytes);

  schema::EntryT &addEntry(const std::string &name);
  schema::VariantT &addVariant(schema::EntryT &entry, const std::string &name, uint64_t arenaBytes);
  /// `axes`: the mesh axes that divide each dimension.
  void addPort(std::vector<std::unique_ptr<schema::PortT>> &ports, const std::string &name, std::vector<AmountPtr> dims,
               std::vector<std::vector<uint8_t>> axes = {}, schema::ElementType element = schema::ElementType::F32);

  // Steps; each returns its index.
  uint32_t launch(schema::VariantT &variant, uint32_t kernel, std::vector<Operand> operands,
                  std::vector<uint32_t> sizes, AmountPtr grid, std::vector<uint32_t> waits = {},
                  std::vector<uint32_t> acknowledgements = {});
  uint32_t matmul(schema::VariantT &variant, AmountPtr rows, uint64_t n, uint64_t k, schema::Binding source,
                  uint32_t weight, schema::Binding result, std::vector<uint32_t> waits = {}, bool accumulate = false);
  struct TransferSpec {
    std::string name;
    std::vector<uint8_t> group;
    schema::Binding source, destination;
    AmountPtr sourceOffset, destinationOffset;
    std::vector<Dim> box;
    schema::Reduction reduction = schema::Reduction::None;
    schema::ElementType element = schema::ElementType::F32;
    std::vector<int32_t> sources = {};
  };
  uint32_t transfer(schema::VariantT &variant, TransferSpec spec, std::vector<uint32_t> waits = {},
                    std::vector<uint32_t> acknowledgements = {});

  /// Writes NAME.plan and, with weights, NAME.weights to `folder`; returns the plan's path.
  std::string write(const std::string &folder, const std::string &name);

  /// A plan file with `flatbuffer` as its plan and the sections of this builder; digest right.
  std::vector<std::byte> container(const std::vector<uint8_t> &flatbuffer) const;
  std::vector<uint8_t> flatbuffer();

private:
  uint32_t addInstruction(schema::CountInstruction instruction);
  uint32_t addStep(schema::VariantT &variant, std::unique_ptr<schema::StepT> step, std::vector<uint32_t> waits,
                   std::vector<uint32_t> acknowledgements);
  void writeWeights(const std::string &path);

  uint32_t rankCount = 1;
  std::vector<uint32_t> widths; // of what begins at each count slot; 0 for other elements of a vector
  std::vector<std::byte> object;
  std::vector<std::vector<std::byte>> otherSections; // of the plan, behind the object
  std::vector<std::vector<std::byte>> sections;      // of the weights file: shared, then one a rank
};

/// XXH3-128 digest of everything behind the header, put into it.
void sealPlan(std::vector<std::byte> &file);

} // namespace muster::test

#endif // MUSTER_TEST_UNIT_RUNTIME_BUILDER_PLANBUILDER_H
