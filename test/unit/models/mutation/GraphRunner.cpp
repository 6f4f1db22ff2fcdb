// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "test/unit/models/mutation/GraphRunner.h"

#include "compiler/Reference/RandomValues.h"

#include <cmath>

using namespace mlir;
using namespace muster;
using namespace muster::reference;
using namespace muster::test;

static constexpr uint64_t seed = 20261122;

SmallVector<int64_t> test::logicalSizes(RankedTensorType local, LayoutAttr layout, MeshAttr mesh) {
  SmallVector<int64_t> sizes(local.getShape());
  for (auto [size, dim] : llvm::zip_equal(sizes, layout.getDims()))
    for (LayoutTermAttr term : dim.getTerms())
      for (AxisRefAttr axis : term.getAxes())
        if (!ShapedType::isDynamic(size) && !dim.getSegmented())
          size *= mesh.getAxisSize(axis.getName());
  return sizes;
}

namespace {

/// Two sequences in two steps of 12 rows, which 2, 3, 4 and 6 ranks divide.
class Batch {
public:
  static constexpr int64_t rows = 12, sequences = 2, asked = 6;
  static constexpr int64_t past[2][sequences] = {{0, 0}, {7, 5}}, count[2][sequences] = {{7, 5}, {4, 8}};

  Batch(int64_t pageSlots, int64_t pages, int64_t step) : pageSlots(pageSlots), pages(pages), step(step) {}

  std::optional<std::vector<int64_t>> valuesOf(StringRef name) const {
    std::vector<int64_t> values;
    auto perRow = [&](auto of) {
      for (int64_t s = 0; s < sequences; ++s)
        for (int64_t i = 0; i < count[step][s]; ++i)
          values.push_back(of(s, past[step][s] + i));
    };
    if (name == "tokens")
      perRow([](int64_t s, int64_t position) { return (position * 5 + s * 7 + 3) % 12; });
    else if (name == "positions")
      perRow([](int64_t, int64_t position) { return position; });
    else if (name == "write_slots")
      perRow([&](int64_t s, int64_t position) {
        return page(s, position / pageSlots) * pageSlots + position % pageSlots;
      });
    else if (name == "query_starts")
      values = {0, count[step][0], count[step][0] + count[step][1]};
    else if (name == "block_table")
      for (int64_t s = 0; s < sequences; ++s)
        for (int64_t i = 0; i < pages; ++i)
          values.push_back(page(s, i));
    else if (name == "logit_rows")
      values = {11, 0, 7, 3, 8, 5};
    else
      return std::nullopt;
    return values;
  }

  static int64_t sizeOf(StringRef dim) {
    return dim == "t" ? rows : dim == "s" ? sequences : dim == "starts" ? sequences + 1 : asked;
  }

private:
  /// Pages of two sequences take turns, last ones first.
  int64_t page(int64_t sequence, int64_t number) const { return (pages - 1 - number) * sequences + sequence; }

  int64_t pageSlots, pages, step;
};

} // namespace

std::optional<std::vector<Tensor>> test::runSteps(func::FuncOp entry) {
  auto module = entry->getParentOfType<ModuleOp>();
  MeshAttr mesh = getMesh(entry);
  int64_t pageSlots = 1, pages = 1;
  for (auto state : module.getOps<StateOp>())
    pageSlots = state.getLogicalType().getDimSize(1);
  for (unsigned i = 0; i < entry.getNumArguments(); ++i)
    if (auto name = entry.getArgAttrOfType<StringAttr>(i, attribute::name); name && name.getValue() == "block_table")
      pages = cast<RankedTensorType>(entry.getArgument(i).getType()).getDimSize(1);

  Interpreter interpreter(module, {.float64 = true, .pages = Batch::sequences * pages});
  for (auto weight : module.getOps<WeightOp>()) {
    RankedTensorType type = weight.getLogicalType();
    if (auto error =
            interpreter.setWeight(weight.getSymName(), makeRandom(type.getShape(), type.getElementType(), seed,
                                                                  weight.getSymName(), RandomReals::Uniform, 2))) {
      llvm::consumeError(std::move(error));
      return std::nullopt;
    }
  }
  std::vector<Tensor> all;
  for (int64_t step = 0; step < 2; ++step) {
    Batch batch(pageSlots, pages, step);
    std::vector<Tensor> inputs;
    for (unsigned i = 0; i < entry.getNumArguments(); ++i) {
      auto type = cast<RankedTensorType>(entry.getArgument(i).getType());
      auto layout = entry.getArgAttrOfType<LayoutAttr>(i, attribute::layout);
      StringRef name = entry.getArgAttrOfType<StringAttr>(i, attribute::name).getValue();
      SmallVector<int64_t> shape = logicalSizes(type, layout, mesh);
      for (auto [size, dim] : llvm::zip_equal(shape, layout.getDims()))
        if (ShapedType::isDynamic(size))
          size = Batch::sizeOf(dim.getTerms().front().getName());
      if (std::optional<std::vector<int64_t>> values = batch.valuesOf(name))
        inputs.push_back(Tensor::ofIntegers(shape, type.getElementType(), *values));
      else
        inputs.push_back(makeRandom(shape, type.getElementType(), seed + static_cast<uint64_t>(step), name,
                                    RandomReals::Uniform, 2));
    }
    auto results = interpreter.runLogical(entry.getName(), inputs);
    if (!results) {
      llvm::consumeError(results.takeError());
      return std::nullopt;
    }
    for (Tensor &result : *results)
      all.push_back(std::move(result));
  }
  return all;
}

bool test::areEqual(ArrayRef<Tensor> a, ArrayRef<Tensor> b) {
  if (a.size() != b.size())
    return false;
  for (const auto &[x, y] : llvm::zip_equal(a, b)) {
    if (x.getShape() != y.getShape())
      return false;
    for (auto [p, q] : llvm::zip_equal(x.getElements(), y.getElements()))
      if (!(std::abs(p.real - q.real) <= 1e-9 * (1 + std::abs(q.real))))
        return false;
  }
  return true;
}
