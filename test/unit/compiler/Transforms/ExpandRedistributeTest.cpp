// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Random layouts on random meshes: the collectives are run on all ranks, and what they leave must be, by the definition
// of the layouts, the same logical tensor.
#include "compiler/Reference/Interpreter.h"
#include "compiler/Transforms/Passes.h"
#include "compiler/Transforms/RedistributedDims.h"
#include "dialects/NN/IR/NNDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "gtest/gtest.h"

#include <numeric>
#include <random>

using namespace mlir;
using namespace muster;
using namespace muster::reference;

namespace {

/// A layout in the making: the axes of each dim, and the partial ones.
struct RandomLayout {
  std::vector<std::vector<int>> dims;
  std::vector<int> partial;

  std::string getText(llvm::StringRef kind, const std::vector<std::string> &names) const {
    std::string text = "[";
    for (auto [dim, axes] : llvm::enumerate(dims)) {
      text += (dim ? ", d" : "d") + std::to_string(dim);
      for (auto [index, axis] : llvm::enumerate(axes))
        text += (index ? "," : axes.size() > 1 ? "/(" : "/") + names[axis];
      text += axes.size() > 1 ? ")" : "";
    }
    text += "]";
    for (int axis : partial)
      text += ", partial(" + kind.str() + ": " + names[axis] + ")";
    return text;
  }
};

struct Case {
  std::vector<int64_t> axisSizes;
  RandomLayout from, to;
  std::vector<int64_t> logical;
  std::string text;
};

Case makeCase(std::mt19937 &random) {
  Case result;
  size_t axes = 1 + random() % 3, rank = 1 + random() % 3;
  for (size_t axis = 0; axis < axes; ++axis)
    result.axisSizes.push_back(std::vector<int64_t>{1, 2, 2, 3, 3, 4}[random() % 6]);
  llvm::StringRef kind = std::vector<llvm::StringRef>{"sum", "sum", "max", "min"}[random() % 4];
  std::vector<int> order(axes);
  std::iota(order.begin(), order.end(), 0);
  auto place = [&](RandomLayout &layout, bool isEnd) {
    layout.dims.resize(rank);
    std::shuffle(order.begin(), order.end(), random);
    for (int axis : order) {
      size_t where = random() % (rank + 2);
      bool mayBePartial = !isEnd || llvm::is_contained(result.from.partial, axis);
      if (where < rank)
        layout.dims[where].push_back(axis);
      else if (where == rank && mayBePartial)
        layout.partial.push_back(axis);
    }
    llvm::sort(layout.partial);
  };
  place(result.from, false);
  place(result.to, true);

  auto rankCount = [&](const std::vector<int> &divided) {
    int64_t count = 1;
    for (int axis : divided)
      count *= result.axisSizes[axis];
    return count;
  };
  std::string input, output;
  for (size_t dim = 0; dim < rank; ++dim) {
    int64_t before = rankCount(result.from.dims[dim]), after = rankCount(result.to.dims[dim]);
    int64_t size = std::lcm(before, after) * std::vector<int64_t>{1, 2, 3, 5}[random() % 4];
    result.logical.push_back(size);
    input += (random() % 4 ? std::to_string(size / before) : "?") + "x";
    output += (random() % 4 ? std::to_string(size / after) : "?") + "x";
  }
  // Axes of their own, or all of them parts of one, outer first: the ranks are the same.
  std::string mesh;
  std::vector<std::string> names;
  int64_t weight = std::accumulate(result.axisSizes.begin(), result.axisSizes.end(), int64_t(1), std::multiplies<>());
  bool isOneAxis = random() % 2 && !llvm::is_contained(result.axisSizes, 1);
  if (isOneAxis)
    mesh = "\"m\" = " + std::to_string(weight);
  for (auto [axis, size] : llvm::enumerate(result.axisSizes)) {
    weight /= size;
    std::string own(1, static_cast<char>('a' + axis));
    names.push_back(isOneAxis ? "m[" + std::to_string(weight) + ":" + std::to_string(size) + "]" : own);
    if (!isOneAxis)
      mesh += (axis ? ", \"" : "\"") + own + "\" = " + std::to_string(size);
  }
  std::string from = result.from.getText(kind, names), to = result.to.getText(kind, names);
  result.text = "muster.mesh @mesh <[" + mesh + "]>\nfunc.func @move(%x: tensor<" + input + "f32>) -> tensor<" +
                output + "f32> {\n  %y = muster.redistribute %x from <" + from + "> to <" + to + "> : tensor<" + input +
                "f32> -> tensor<" + output + "f32>\n  return %y : tensor<" + output + "f32>\n}\n";
  return result;
}

/// Small integers, so that sums are exact: equal on ranks that hold the same, different where a partial axis has
/// another coordinate.
RankValues makeParts(LayoutAttr layout, ArrayRef<int64_t> logical, MeshAttr mesh, Type type) {
  RankValues parts;
  for (int64_t rank = 0; rank < mesh.getRankCount(); ++rank) {
    auto held = getHeldPositions(layout, logical, mesh, rank, {});
    EXPECT_TRUE(!!held) << llvm::toString(held.takeError());
    SmallVector<int64_t> shape;
    for (const std::vector<int64_t> &positions : *held)
      shape.push_back(static_cast<int64_t>(positions.size()));
    uint64_t salt = 0;
    for (PartialAttr partial : layout.getPartials())
      salt = salt * 31 + getGroupPosition(mesh, rank, partial.getAxes()) + 1;
    Tensor part(shape, type);
    forEachIndex(shape, [&](ArrayRef<int64_t> index) {
      uint64_t value = salt;
      for (auto [positions, i] : llvm::zip_equal(*held, index))
        value = value * 1000003 + positions[i] + 1;
      part.at(index) = Number::ofReal(static_cast<double>((value * 0x9E3779B97F4A7C15ull) >> 50));
    });
    parts.push_back(share(std::move(part)));
  }
  return parts;
}

/// Bytes that a rank receives, in elements, as the table of RedistributionPlan.h counts them.
double costOf(ModuleOp module, const RankValues &input) {
  // Local element counts follow from the logical ones: every move states how it changes them.
  double elements = static_cast<double>(input.front()->getElementCount()), cost = 0.0;
  module.walk([&](Operation *op) {
    if (auto redistribute = dyn_cast<RedistributeOp>(op)) {
      auto dims = readDims(redistribute);
      ASSERT_TRUE(succeeded(dims));
      layout::Redistribution redistribution = redistributionOf(getMesh(op), *dims);
      layout::Coordinates anyRank(redistribution.from.mesh.size(), 0);
      elements *= static_cast<double>(redistribution.to.elementsAt(anyRank)) /
                  static_cast<double>(redistribution.from.elementsAt(anyRank));
      cost += elements * layout::receivedShare(redistribution);
      return;
    }
    auto axes = op->getAttrOfType<ArrayAttr>("axes");
    if (!axes)
      return;
    double size = static_cast<double>(getGroupSize(getMesh(op), axes));
    if (isa<SliceOp>(op))
      elements /= size;
    if (isa<AllGatherOp>(op)) {
      cost += elements * (size - 1);
      elements *= size;
    }
    if (isa<ReduceScatterOp>(op)) {
      cost += elements * (size - 1) / size;
      elements /= size;
    }
    if (isa<AllReduceOp>(op))
      cost += 2 * elements * (size - 1) / size;
    if (isa<AllToAllOp>(op))
      cost += elements * (size - 1) / size;
  });
  return cost;
}

/// What the plainest way costs: reduce all, gather all, slice.
double plainCost(const Case &test, const RankValues &input) {
  double elements = static_cast<double>(input.front()->getElementCount()), cost = 0.0;
  for (int axis : test.from.partial)
    if (!llvm::is_contained(test.to.partial, axis))
      cost += 2 * elements * static_cast<double>(test.axisSizes[axis] - 1) / static_cast<double>(test.axisSizes[axis]);
  double whole = elements;
  for (const std::vector<int> &axes : test.from.dims)
    for (int axis : axes)
      whole *= static_cast<double>(test.axisSizes[axis]);
  return cost + whole - elements;
}

} // namespace

TEST(ExpandRedistribute, RandomLayoutsKeepTheLogicalTensor) {
  MLIRContext context;
  context.loadDialect<MusterDialect, nn::NNDialect, func::FuncDialect, tensor::TensorDialect>();
  std::mt19937 random(5664);
  int64_t moved = 0;
  for (int repeat = 0; repeat < 3000; ++repeat) {
    Case test = makeCase(random);
    SCOPED_TRACE(test.text);
    auto module = parseSourceString<ModuleOp>(test.text, ParserConfig(&context));
    ASSERT_TRUE(module);
    LayoutAttr from, to;
    module->walk([&](RedistributeOp op) {
      from = op.getFrom();
      to = op.getTo();
    });
    MeshAttr mesh = (*module->getOps<MeshOp>().begin()).getMesh();
    RankValues input = makeParts(from, test.logical, mesh, Float32Type::get(&context));
    auto wanted = gather(input, from, mesh, {}, false);
    ASSERT_TRUE(!!wanted) << llvm::toString(wanted.takeError());

    PassManager passes(&context);
    passes.addPass(createSplitMeshAxesPass());
    passes.addPass(createExpandRedistributePass());
    ASSERT_TRUE(succeeded(passes.run(*module)));
    bool isLeft = false;
    module->walk([&](RedistributeOp op) { isLeft |= op.getFrom().getPartials() != op.getTo().getPartials(); });
    EXPECT_FALSE(isLeft) << "what is left moves only";

    Interpreter interpreter(*module);
    auto output = interpreter.run("move", {input});
    ASSERT_TRUE(!!output) << llvm::toString(output.takeError());
    auto got = gather(output->front(), to, mesh, {}, false);
    ASSERT_TRUE(!!got) << llvm::toString(got.takeError());
    ASSERT_TRUE(got->isIdentical(*wanted)) << "wanted " << wanted->getText() << "\ngot " << got->getText();
    double cost = costOf(*module, input);
    EXPECT_LE(cost, plainCost(test, input) + 1e-6);
    moved += cost > 0;
  }
  // Most cases move something, so that the test says something.
  EXPECT_GT(moved, 1500);
}
