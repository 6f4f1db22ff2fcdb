// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Random chains of collectives and transpositions leave the same bits on every rank before and after they become
// transfers, which absorb the transpositions.
#include "compiler/Reference/Interpreter.h"
#include "compiler/Reference/RandomValues.h"
#include "compiler/Transforms/Passes.h"
#include "dialects/Muster/IR/MusterDialect.h"
#include "dialects/Plan/IR/PlanDialect.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Tensor/IR/TensorInferTypeOpInterfaceImpl.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "gtest/gtest.h"

#include <numeric>
#include <random>

using namespace mlir;
using namespace muster;
using namespace muster::reference;

namespace {

/// Writes a program of random steps on one tensor. Dim 0 of the argument, `p`, may be dynamic; it stays what it was in
/// `dynamicDim`.
class ProgramMaker {
public:
  explicit ProgramMaker(uint64_t seed) : random(seed) {}

  std::string make() {
    static const std::vector<std::vector<int64_t>> meshes = {{2}, {3}, {2, 2}, {2, 3}, {3, 2}, {1, 2}};
    axes = meshes[pick(meshes.size())];
    int64_t ranks = std::accumulate(axes.begin(), axes.end(), int64_t(1), std::multiplies<>());
    shape = {2 * ranks, 3, 5 * (pick(2) ? ranks : 1)};
    std::shuffle(shape.begin() + 1, shape.end(), random);
    input = shape;
    dynamicDim = pick(2) ? 0 : -1;
    std::string argument = type();
    body.clear();
    value = 0;
    for (size_t step = 0, steps = 1 + pick(4); step < steps; ++step)
      pick(3) ? addCollective() : addTranspose();
    std::string mesh;
    for (size_t axis = 0; axis < axes.size(); ++axis)
      mesh += (axis ? ", " : "") + quoted(axis) + " = " + std::to_string(axes[axis]);
    return "muster.mesh @m <[" + mesh + "]>\nfunc.func @f(%v0: " + argument +
           " {muster.layout = #muster.layout<[p, q, r]>}) -> " + type() +
           " attributes {muster.bounds = {p = 1000 : i64}} {\n  %c0 = arith.constant 0 : index\n  %c1 = arith.constant "
           "1 : index\n"
           "  %c2 = arith.constant 2 : index\n" +
           body + "  return %v" + std::to_string(value) + " : " + type() + "\n}\n";
  }

  const std::vector<int64_t> &getInputShape() const { return input; }

private:
  size_t pick(size_t below) { return random() % below; }
  std::string quoted(size_t axis) { return "\"" + std::string(1, static_cast<char>('a' + axis)) + "\""; }

  std::string type() {
    std::string text = "tensor<";
    for (size_t dim = 0; dim < shape.size(); ++dim)
      text += (static_cast<int64_t>(dim) == dynamicDim ? "?" : std::to_string(shape[dim])) + "x";
    return text + "f32>";
  }

  void append(const std::string &operation, const std::string &before, bool keepsType) {
    body += "  %v" + std::to_string(value + 1) + " = muster." + operation + " : " + before +
            (keepsType ? "" : " -> " + type()) + "\n";
    ++value;
  }

  void addTranspose() {
    std::vector<int64_t> permutation = {0, 1, 2}, before = shape;
    std::shuffle(permutation.begin(), permutation.end(), random);
    std::string from = type(), list, number = std::to_string(value + 1), sizes;
    int64_t dynamicBefore = dynamicDim;
    for (size_t dim = 0; dim < 3; ++dim) {
      shape[dim] = before[permutation[dim]];
      list += (dim ? ", " : "") + std::to_string(permutation[dim]);
      if (permutation[dim] == dynamicBefore)
        dynamicDim = static_cast<int64_t>(dim);
    }
    if (dynamicBefore >= 0) {
      body += "  %d" + number + " = tensor.dim %v" + std::to_string(value) + ", %c" + std::to_string(dynamicBefore) +
              " : " + from + "\n";
      sizes = "%d" + number;
    }
    body += "  %e" + number + " = tensor.empty(" + sizes + ") : " + type() + "\n  %v" + number +
            " = linalg.transpose ins(%v" + std::to_string(value) + " : " + from + ") outs(%e" + number + " : " +
            type() + ") permutation = [" + list + "]\n";
    ++value;
  }

  void addCollective() {
    // One axis, or all of them in some order.
    std::vector<size_t> chosen(axes.size());
    std::iota(chosen.begin(), chosen.end(), size_t(0));
    std::shuffle(chosen.begin(), chosen.end(), random);
    if (pick(2))
      chosen.resize(1);
    int64_t group = 1;
    std::string on;
    for (size_t axis : chosen) {
      group *= axes[axis];
      on += (on.empty() ? "" : ", ") + quoted(axis);
    }
    on = chosen.size() == 1 ? on : "[" + on + "]";
    size_t dim = pick(3), other = pick(3);
    bool divides = shape[dim] % group == 0;
    std::string x = " %v" + std::to_string(value), before = type(), d = std::to_string(dim),
                kind = pick(2) ? "sum" : "max";
    switch (pick(7)) {
    case 0:
      if (shape[0] * shape[1] * shape[2] > 2000)
        return;
      shape[dim] *= group;
      return append("all_gather" + x + " on " + on + " dim " + d, before, false);
    case 1:
      if (!divides)
        return;
      shape[dim] /= group;
      return append("reduce_scatter" + x + " " + kind + " on " + on + " dim " + d, before, false);
    case 2:
      return append("all_reduce" + x + " " + kind + " on " + on, before, true);
    case 3:
      if (!divides)
        return;
      shape[dim] /= group;
      shape[other] *= group;
      return append("all_to_all" + x + " on " + on + " split " + d + " concat " + std::to_string(other), before, false);
    case 4:
      return shape[0] % group == 0 ? append("exchange" + x + " on " + on, before, true) : void();
    case 5:
      return append("broadcast" + x + " from " + std::to_string(pick(group)) + " on " + on, before, true);
    default: {
      std::string sources;
      for (int64_t position = 0; position < group; ++position)
        sources += (position ? ", " : "") + std::to_string(static_cast<int64_t>(pick(group + 1)) - 1);
      return append("permute" + x + " sources [" + sources + "] on " + on, before, true);
    }
    }
  }

  std::mt19937_64 random;
  std::vector<int64_t> axes, shape, input;
  int64_t dynamicDim = -1;
  int64_t value = 0;
  std::string body;
};

TEST(RandomCollectives, leaveTheSameBitsAsTransfers) {
  DialectRegistry registry;
  tensor::registerInferTypeOpInterfaceExternalModels(registry);
  MLIRContext context(registry);
  context.disableMultithreading();
  context.loadDialect<MusterDialect, plan::PlanDialect, func::FuncDialect, linalg::LinalgDialect, tensor::TensorDialect,
                      arith::ArithDialect>();
  ProgramMaker maker(71);
  int64_t transposes = 0, left = 0;
  llvm::StringMap<int64_t> seen;
  for (int64_t number = 0; number < 600; ++number) {
    std::string text = maker.make();
    SCOPED_TRACE("case " + std::to_string(number) + "\n" + text);
    auto module = parseSourceString<ModuleOp>(text, &context);
    ASSERT_TRUE(module);
    module->walk([&](Operation *op) { ++seen[op->getName().getStringRef()]; });
    RankValues input;
    for (int64_t rank = 0; rank < (*module->getOps<MeshOp>().begin()).getMesh().getRankCount(); ++rank)
      input.push_back(share(makeRandom(maker.getInputShape(), Float32Type::get(&context),
                                       static_cast<uint64_t>(number * 8 + rank), "x", RandomReals::Uniform, 2)));
    auto before = Interpreter(*module).run("f", {input});
    ASSERT_TRUE(bool(before)) << toString(before.takeError());
    module->walk([&](linalg::TransposeOp) { ++transposes; });

    PassManager manager(&context);
    manager.addPass(createResolveSizesPass());
    manager.addPass(createLowerCollectivesPass());
    ASSERT_TRUE(succeeded(manager.run(*module)));
    auto after = Interpreter(*module).run("f", {input});
    ASSERT_TRUE(bool(after)) << toString(after.takeError());
    // An absorbed transposition whose other uses are gone stands there unused.
    module->walk([&](linalg::TransposeOp op) { left += !op->use_empty(); });
    for (auto [a, b] : llvm::zip_equal(before->front(), after->front()))
      ASSERT_TRUE(a->isIdentical(*b)) << a->getText() << "\n" << b->getText();
  }
  EXPECT_LT(left, transposes * 3 / 4) << "transpositions are absorbed";
  for (StringRef collective :
       {"all_gather", "reduce_scatter", "all_reduce", "all_to_all", "exchange", "broadcast", "permute"})
    EXPECT_GE(seen.lookup(("muster." + collective).str()), 30) << collective.str();
}

} // namespace
