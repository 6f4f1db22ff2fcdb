// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Random redistributions mean the same before and after they become collectives, and those before and after they become
// transfers, which are proved again from their boxes.
#include "compiler/Reference/Interpreter.h"
#include "compiler/Reference/RandomValues.h"
#include "compiler/Transforms/Passes.h"
#include "dialects/Muster/IR/MusterDialect.h"
#include "dialects/Plan/IR/PlanDialect.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "gtest/gtest.h"

#include <numeric>
#include <random>

using namespace mlir;
using namespace muster;
using namespace muster::reference;

namespace {

struct Axis {
  std::string name;
  int64_t size;
};

/// One redistribution: where each axis of the mesh stands before and after.
struct Case {
  std::vector<Axis> mesh;
  std::vector<int64_t> shape;                     ///< logical
  std::vector<std::vector<int>> fromAxes, toAxes; ///< of each dim, outer first
  std::vector<int> fromPartial, toPartial;
  std::string kind;
  bool dynamic;
  std::vector<std::string> fromOrder, toOrder; ///< of each dim, " zigzag" or " stripe"

  std::string layout(const std::vector<std::vector<int>> &axes, const std::vector<int> &partials,
                     const std::vector<std::string> &orders = {}) const {
    std::string text = "[";
    for (size_t dim = 0; dim < shape.size(); ++dim) {
      text += (dim ? ", " : "") + std::string(1, static_cast<char>('p' + dim));
      if (axes[dim].size() == 1)
        text += "/" + mesh[axes[dim][0]].name;
      else if (!axes[dim].empty())
        text += "/(" + join(axes[dim], ",") + ")";
      text += dim < orders.size() ? orders[dim] : "";
    }
    text += "]";
    if (!partials.empty())
      text += ", partial(" + kind + ": " + join(partials, ", ") + ")";
    return text;
  }

  std::string join(const std::vector<int> &axes, StringRef separator) const {
    std::string text;
    for (int axis : axes)
      text += (text.empty() ? "" : separator.str()) + mesh[axis].name;
    return text;
  }

  int64_t parts(const std::vector<int> &axes) const {
    return std::accumulate(axes.begin(), axes.end(), int64_t(1),
                           [&](int64_t product, int axis) { return product * mesh[axis].size; });
  }

  std::string type(const std::vector<std::vector<int>> &axes) const {
    std::string text = "tensor<";
    for (size_t dim = 0; dim < shape.size(); ++dim)
      text += (dynamic && dim == 0 ? "?" : std::to_string(shape[dim] / parts(axes[dim]))) + "x";
    return text + "f32>";
  }

  std::string from() const { return layout(fromAxes, fromPartial, fromOrder); }
  std::string to() const { return layout(toAxes, toPartial, toOrder); }

  std::string program() const {
    std::string axes;
    for (const Axis &axis : mesh)
      axes += (axes.empty() ? "\"" : ", \"") + axis.name + "\" = " + std::to_string(axis.size);
    return "muster.mesh @m <[" + axes + "]>\nfunc.func @f(%x: " + type(fromAxes) + " {muster.layout = #muster.layout<" +
           from() + ">}) -> (" + type(toAxes) + " {muster.layout = #muster.layout<" + to() +
           ">}) attributes {muster.bounds = {p = 1000 : i64}} {\n" + "  %y = muster.redistribute %x from <" + from() +
           "> to <" + to() + "> : " + type(fromAxes) + " -> " + type(toAxes) + "\n  return %y : " + type(toAxes) +
           "\n}\n";
  }
};

class CaseMaker {
public:
  CaseMaker(uint64_t seed, bool hasOrders) : random(seed), hasOrders(hasOrders) {}

  Case make() {
    static const std::vector<std::vector<int64_t>> meshes = {{1},    {2},    {3}, {5}, {2, 2},    {2, 3},
                                                             {3, 2}, {1, 3}, {4}, {6}, {2, 1, 3}, {2, 2, 1}};
    static const int64_t primes[] = {2, 3, 5};
    Case made;
    const auto &sizes = meshes[pick(meshes.size())];
    for (size_t axis = 0; axis < sizes.size(); ++axis)
      made.mesh.push_back({std::string(1, static_cast<char>('a' + axis)), sizes[axis]});
    size_t dims = 1 + pick(3);
    made.fromAxes.resize(dims);
    made.toAxes.resize(dims);
    made.kind = pick(4) ? "sum" : pick(2) ? "max" : "min";
    made.dynamic = !hasOrders && pick(2);
    std::vector<int> axes(sizes.size());
    std::iota(axes.begin(), axes.end(), 0);
    // The order of axes in a dim is random, and not the same before and after.
    std::shuffle(axes.begin(), axes.end(), random);
    for (int axis : axes)
      place(axis, made.fromAxes, made.fromPartial, /*partialAllowed=*/true);
    std::shuffle(axes.begin(), axes.end(), random);
    for (int axis : axes)
      place(axis, made.toAxes, made.toPartial, llvm::is_contained(made.fromPartial, axis) && pick(3) == 0);
    for (size_t dim = 0; dim < dims; ++dim)
      made.shape.push_back(primes[(dim + made.mesh.size()) % 3] * (hasOrders ? 2 : 1) *
                           std::lcm(made.parts(made.fromAxes[dim]), made.parts(made.toAxes[dim])));
    if (hasOrders) {
      made.fromPartial.clear();
      made.toPartial.clear();
      for (size_t dim = 0; dim < dims; ++dim) {
        made.fromOrder.push_back(order(made.parts(made.fromAxes[dim])));
        made.toOrder.push_back(order(made.parts(made.toAxes[dim])));
      }
    }
    return made;
  }

private:
  size_t pick(size_t below) { return random() % below; }

  void place(int axis, std::vector<std::vector<int>> &dims, std::vector<int> &partials, bool partialAllowed) {
    size_t choice = pick(dims.size() + 2);
    if (choice < dims.size())
      dims[choice].push_back(axis);
    else if (choice == dims.size() && partialAllowed)
      partials.push_back(axis);
  }

  std::string order(int64_t parts) {
    return parts == 1 ? "" : std::vector<std::string>{"", " zigzag", " stripe"}[pick(3)];
  }

  std::mt19937_64 random;
  bool hasOrders;
};

/// How often each operation stood in the expanded programs, and how many transferred programs were not proved.
struct Seen {
  llvm::StringMap<int64_t> operations;
  int64_t unknown = 0;
};

struct RandomRedistributions : testing::Test {
  RandomRedistributions() {
    context
        .loadDialect<MusterDialect, func::FuncDialect, tensor::TensorDialect, arith::ArithDialect, plan::PlanDialect>();
    context.disableMultithreading();
  }

  /// Parts of a logical tensor; where the layout is partial, of another tensor on each position of the partial axes.
  RankValues makeInput(const Case &tested, MeshAttr mesh, uint64_t seed) {
    SmallVector<int64_t> shape = {tested.parts(tested.fromPartial)};
    llvm::append_range(shape, tested.shape);
    std::string text = tested.layout(tested.fromAxes, {}, tested.fromOrder);
    text = "[part" + (tested.fromPartial.empty() ? "" : "/(" + tested.join(tested.fromPartial, ",") + ")") + ", " +
           text.substr(1);
    Tensor terms = makeRandom(shape, Float32Type::get(&context), seed, "x", RandomReals::Integers, 2);
    auto parts = scatter(terms, LayoutAttr::parseText(&context, text), mesh, {});
    EXPECT_TRUE(bool(parts)) << text << ": " << toString(parts.takeError());
    for (TensorHandle &part : *parts)
      part = share(part->reshaped(part->getShape().drop_front()));
    return *parts;
  }

  void check(CaseMaker maker, int64_t cases, Seen &seen);

  LogicalResult transform(ModuleOp module, ArrayRef<std::unique_ptr<Pass> (*)()> passes) {
    PassManager manager(&context);
    for (auto create : passes)
      manager.addPass(create());
    return manager.run(module);
  }

  MLIRContext context;
};

void RandomRedistributions::check(CaseMaker maker, int64_t cases, Seen &seen) {
  for (int64_t number = 0; number < cases; ++number) {
    Case tested = maker.make();
    SCOPED_TRACE("case " + std::to_string(number) + "\n" + tested.program());
    auto module = parseSourceString<ModuleOp>(tested.program(), &context);
    ASSERT_TRUE(module);
    MeshAttr mesh = (*module->getOps<MeshOp>().begin()).getMesh();
    RankValues input = makeInput(tested, mesh, static_cast<uint64_t>(number));
    auto logical = gather(input, LayoutAttr::parseText(&context, tested.from()), mesh, {}, false);
    ASSERT_TRUE(bool(logical)) << toString(logical.takeError());

    // As it stands: the same logical tensor, by the layouts.
    auto run = [&]() -> llvm::Expected<std::pair<std::vector<RankValues>, std::vector<Tensor>>> {
      Interpreter interpreter(*module);
      auto results = interpreter.run("f", {input});
      if (!results)
        return results.takeError();
      auto gathered = interpreter.gatherResults("f", *results);
      if (!gathered)
        return gathered.takeError();
      return std::pair(std::move(*results), std::move(*gathered));
    };
    auto before = run();
    ASSERT_TRUE(bool(before)) << toString(before.takeError());
    ASSERT_TRUE(before->second.front().isIdentical(*logical));

    ASSERT_TRUE(succeeded(transform(*module, {createExpandRedistributePass})));
    module->walk([&](Operation *op) { ++seen.operations[op->getName().getStringRef()]; });
    auto collectives = run();
    ASSERT_TRUE(bool(collectives)) << toString(collectives.takeError());
    ASSERT_TRUE(collectives->second.front().isIdentical(*logical));

    ASSERT_TRUE(succeeded(transform(*module, {createResolveSizesPass, createLowerCollectivesPass})));
    auto transfers = run();
    ASSERT_TRUE(bool(transfers)) << toString(transfers.takeError());
    for (auto [a, b] : llvm::zip_equal(transfers->first.front(), collectives->first.front()))
      ASSERT_TRUE(a->isIdentical(*b));
    int64_t moves = 0;
    module->walk([&](plan::TransferOp) { ++moves; });
    if (tested.fromPartial == tested.toPartial) {
      ASSERT_LE(moves, 1) << "what only moves is one pass over the data";
    }
    std::string messages;
    ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) { messages += diagnostic.str() + "\n"; });
    if (failed(transform(*module, {[] { return createVerifyLayoutsPass(); }}))) {
      ASSERT_NE(messages.find("E1108"), std::string::npos) << messages;
      ASSERT_EQ(messages.find("E1104"), std::string::npos) << messages;
      ++seen.unknown;
      if (std::getenv("MUSTER_SHOW_UNKNOWN"))
        llvm::errs() << tested.program() << messages;
    }
  }
}

TEST_F(RandomRedistributions, meanTheSameAsCollectivesAndAsTransfers) {
  Seen seen;
  check(CaseMaker(20260722, false), 3000, seen);
  for (StringRef collective : {"all_gather", "all_reduce", "reduce_scatter", "slice", "all_to_all", "redistribute"})
    EXPECT_GE(seen.operations.lookup(("muster." + collective).str()), 50) << collective.str();
  EXPECT_EQ(seen.unknown, 7);
}

TEST_F(RandomRedistributions, ofChunkOrders) {
  Seen seen;
  check(CaseMaker(20261123, true), 2000, seen);
  EXPECT_GE(seen.operations.lookup("muster.redistribute"), 500);
  EXPECT_EQ(seen.unknown, 600) << "mostly stripes";
}

} // namespace
