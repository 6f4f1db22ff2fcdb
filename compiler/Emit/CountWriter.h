// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The count program of a plan file from the sizes of its entries: fields of the step record, arithmetic on indices, and
// the operations on counts of the muster dialect.
//
// Counts on axes are vectors, one slot a position. A size that is a rank's own element of one (`muster.own_count`), or
// arithmetic with such, stays a vector: the slot that is meant differs from rank to rank.
//
//   | operation                      | instructions, W positions                                                  |
//   | ------------------------------ | -------------------------------------------------------------------------- |
//   | plan.record                    | Input over the axes; Sum and Greatest, which bounds of variants name       |
//   | offsets, total, maximum        | ExclusiveScan, Sum, Greatest                                               |
//   | own_count, own_offset          | none: the vector, own element                                              |
//   | align to N, scale by K plus B  | Align by N; Multiply by K, Add B                                           |
//   | pad_counts, sum                | al = Align by N                                                            |
//   | pad_counts, max                | Select(1, Greatest(al), al)                                                |
//   | pad_counts, balanced           | Select(W * Greatest(al) > 2 * Sum(al) or 0 < Sum(unless), al, Greatest(al)) |
//   | split_counts                   | Maximum(parent - first, 0), and a check of Greatest(first - parent) <= 0   |
//   | check_count                    | a check of the slot; of own elements, of the greatest                      |
#pragma once

#include "dialects/Plan/IR/PlanDialect.h"
#include "runtime/schema/plan_generated.h"

#include "llvm/ADT/StringMap.h"

#include <map>
#include <optional>
#include <string>

namespace muster::emit {

/// What a size or counts are in the count program.
struct CountSlot {
  uint32_t first = 0;
  llvm::SmallVector<uint8_t, 2> axes;               ///< of a vector, outer first; none for a scalar
  schema::Element element = schema::Element::Fixed; ///< Own for a size that is an element of the vector
};

class CountWriter {
public:
  explicit CountWriter(MeshAttr mesh) : mesh(mesh) {}

  /// Appends what `op` is (plan::isSizeOp); nothing where it failed before.
  void write(mlir::Operation &op);
  CountSlot slotOf(mlir::Value size);

  /// The slot that a bound by this name limits: a field that all ranks agree on; the greatest of a field's positions;
  /// or with ".total" behind the name their sum. Nullopt for a name of none.
  std::optional<uint32_t> findBounded(llvm::StringRef name) const;
  /// Greatest value of a field that all ranks agree on.
  std::optional<int64_t> findBound(llvm::StringRef name) const;
  /// The slot of the sum of counts on axes.
  uint32_t sumOf(const CountSlot &counts);

  /// The first error (E4203); empty where there is none.
  const std::string &error() const { return failure; }
  /// The program. Nothing may be written behind this.
  std::unique_ptr<schema::CountProgramT> take();

private:
  /// A field of the step record; `sum` and `greatest` of one with axes.
  struct Field {
    uint32_t input = 0;
    CountSlot slot;
    uint32_t sum = 0, greatest = 0;
    std::optional<int64_t> total; ///< the greatest sum, where all entries limit it
  };

  void fail(const llvm::Twine &text) {
    if (failure.empty())
      failure = ("E4203 " + text).str();
  }
  uint32_t positionsOn(llvm::ArrayRef<uint8_t> axes) const;
  llvm::SmallVector<uint8_t, 2> axesOf(llvm::ArrayRef<mlir::StringAttr> names) const;
  CountSlot add(schema::CountOp op, llvm::ArrayRef<uint32_t> operands, llvm::ArrayRef<uint8_t> axes = {});
  uint32_t scalar(schema::CountOp op, llvm::ArrayRef<uint32_t> operands) { return add(op, operands).first; }
  uint32_t constant(int64_t value);
  uint32_t reduce(schema::CountOp op, const CountSlot &vector);
  CountSlot align(const CountSlot &counts, int64_t multiple);
  void check(uint32_t slot, int64_t bound, const std::string &noun);

  Field &field(llvm::StringRef name, int64_t bound, llvm::ArrayRef<uint8_t> axes);
  CountSlot binary(mlir::Operation &op, schema::CountOp code);
  CountSlot record(plan::RecordOp op);
  CountSlot pad(PadCountsOp op);
  void split(SplitCountsOp op);
  CountSlot make(mlir::Operation &op);

  MeshAttr mesh;
  std::unique_ptr<schema::CountProgramT> program = std::make_unique<schema::CountProgramT>();
  uint32_t nextSlot = 0;
  llvm::StringMap<Field> fields;
  std::map<int64_t, uint32_t> constants;
  std::map<std::pair<schema::CountOp, uint32_t>, uint32_t> reductions; ///< by first slot of the vector
  llvm::DenseMap<mlir::Value, CountSlot> slots;
  std::string failure;
};

} // namespace muster::emit
