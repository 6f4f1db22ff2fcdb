// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Parts of unequal length, from redistributions to transfers: what the program computes is the same before and after,
// for every vector of counts 0 to 3.
#include "compiler/Analysis/LayoutInference.h"
#include "compiler/Reference/Interpreter.h"
#include "compiler/Transforms/Passes.h"
#include "dialects/Plan/IR/PlanDialect.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/TensorInferTypeOpInterfaceImpl.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Support/ScopedPrinter.h"
#include "gtest/gtest.h"

#include <numeric>
#include <random>

using namespace mlir;
using namespace muster;
using namespace muster::reference;

namespace {

struct Case {
  const char *name;
  std::vector<std::pair<std::string, int64_t>> mesh;
  std::string axes;                   ///< of the counts
  std::string from, to;               ///< layouts; `R` is the ragged dim
  std::vector<int64_t> local, result; ///< local shapes, -1 for rows
};

struct RaggedLowering : testing::TestWithParam<Case> {
  RaggedLowering() {
    DialectRegistry registry;
    registry.insert<MusterDialect, plan::PlanDialect, arith::ArithDialect, func::FuncDialect, linalg::LinalgDialect,
                    tensor::TensorDialect>();
    tensor::registerInferTypeOpInterfaceExternalModels(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }
  MLIRContext context;
};

std::string replaced(std::string text, const std::string &ragged) {
  for (size_t at = text.find('R'); at != std::string::npos; at = text.find('R', at + ragged.size()))
    text.replace(at, 1, ragged);
  return text;
}

std::string typeOf(const std::vector<int64_t> &shape) {
  std::string text = "tensor<";
  for (int64_t size : shape)
    text += (size < 0 ? std::string("?") : std::to_string(size)) + "x";
  return text + "f32>";
}

bool isProved(ModuleOp module) {
  LayoutReport report = inferLayouts(module);
  return !report.has(LayoutFinding::Kind::Refuted) && !report.has(LayoutFinding::Kind::Unknown);
}

/// Changes one amount, or one size, of one transfer.
void edit(ModuleOp module, std::mt19937 &random) {
  auto pick = [&](size_t count) { return std::uniform_int_distribution<size_t>(0, count - 1)(random); };
  SmallVector<plan::TransferOp> transfers;
  SmallVector<Value> sizes;
  module.walk([&](plan::TransferOp op) { transfers.push_back(op); });
  module.walk([&](Operation *op) {
    if (isa<OwnCountOp, TotalOp>(op) && op->isBeforeInBlock(transfers.front()))
      sizes.push_back(op->getResult(0));
  });
  plan::TransferOp op = transfers[pick(transfers.size())];
  if (pick(6) == 0 && !sizes.empty()) {
    MutableOperandRange operands = pick(2) == 0 ? op.getSizesMutable() : op.getResultSizesMutable();
    if (!operands.empty())
      operands[static_cast<unsigned>(pick(operands.size()))].set(sizes[pick(sizes.size())]);
    return;
  }
  StringRef names[] = {op.getSourceStridesAttrName(), op.getDestinationStridesAttrName(), op.getSourceOffsetAttrName(),
                       op.getDestinationOffsetAttrName(), op.getExtentsAttrName()};
  StringRef name = names[pick(5)];
  AffineMap map = op->getAttrOfType<AffineMapAttr>(name).getValue();
  SmallVector<AffineExpr> results(map.getResults());
  MLIRContext *context = module.getContext();
  AffineExpr &result = results[pick(results.size())];
  // Counts are behind the coordinates.
  unsigned first = pick(3) == 0 ? 0 : map.getNumDims() - 2 * static_cast<unsigned>(op.getCounts().size());
  auto anyDim = [&] {
    return getAffineDimExpr(first + static_cast<unsigned>(pick(map.getNumDims() - first)), context);
  };
  switch (pick(5)) {
  case 0:
  case 1:
    result = result.replace(anyDim(), anyDim());
    break;
  case 2:
    result = result * static_cast<int64_t>(2 + pick(2));
    break;
  case 3:
    result = result + anyDim() * static_cast<int64_t>(1 + pick(5));
    break;
  default:
    result = pick(2) == 0 ? anyDim() : getAffineConstantExpr(static_cast<int64_t>(pick(4)), context);
  }
  op->setAttr(name, AffineMapAttr::get(AffineMap::get(map.getNumDims(), map.getNumSymbols(), results, context)));
}

TEST_P(RaggedLowering, keepsWhatIsComputed) {
  const Case &given = GetParam();
  int64_t positions = 1;
  std::string mesh;
  for (const auto &[name, size] : given.mesh) {
    mesh += (mesh.empty() ? "\"" : ", \"") + name + "\" = " + std::to_string(size);
    if (given.axes.find(name) != std::string::npos)
      positions *= size;
  }
  bool isPair = given.axes.find(',') != std::string::npos;
  std::string ragged = "t/" + (isPair ? "(" + given.axes + ")" : given.axes) + " : tokens @s";
  std::string from = replaced(given.from, ragged), to = replaced(given.to, ragged);
  std::string counts = "!muster.counts<[" + given.axes + "], tokens, @s>";
  std::string quoted = "\"" + given.axes + "\"";
  if (isPair)
    quoted = "\"" + given.axes.substr(0, given.axes.find(',')) + "\", \"" +
             given.axes.substr(given.axes.find(", ") + 2) + "\"";
  // Partial inputs are what ranks hold of a whole one: the interpreter puts it on the first and zeros on the others.
  std::string text = "muster.mesh @m <[" + mesh + "]>\nfunc.func @f(%x: " + typeOf(given.local) +
                     " {muster.layout = #muster.layout<" + from + ">}) -> (" + typeOf(given.result) +
                     " {muster.layout = #muster.layout<" + to + ">}) attributes {muster.bounds = {t = 3 : i64}} {\n" +
                     "  %c = plan.record \"t\" on [" + quoted + "] bound 3 : " + counts +
                     "\n  %y = muster.redistribute %x counts(%c : " + counts + ") from <" + from + "> to <" + to +
                     "> : " + typeOf(given.local) + " -> " + typeOf(given.result) +
                     "\n  return %y : " + typeOf(given.result) + "\n}\n";
  auto parse = [&] { return parseSourceString<ModuleOp>(text, ParserConfig(&context)); };
  OwningOpRef<ModuleOp> model = parse(), moved = parse(), direct = parse();
  ASSERT_TRUE(model) << text;
  auto lower = [&](ModuleOp module, bool expand) {
    PassManager manager(&context);
    if (expand)
      manager.addPass(createExpandRedistributePass());
    manager.addPass(createResolveSizesPass());
    manager.addPass(createLowerCollectivesPass());
    manager.addPass(createCanonicalizerPass());
    manager.addPass(createCSEPass());
    return manager.run(module);
  };
  ASSERT_TRUE(succeeded(lower(*moved, true))) << text;
  bool isPartial = from.find("partial") != std::string::npos;
  if (!isPartial) { // as one transfer
    ASSERT_TRUE(succeeded(lower(*direct, false))) << text;
  }
  int64_t transfers = 0;
  moved->walk([&](Operation *op) {
    transfers += isa<plan::TransferOp>(op);
    EXPECT_FALSE(isa<RedistributeOp>(op));
  });
  EXPECT_GT(transfers, 0);
  EXPECT_TRUE(isProved(*model)) << text;
  // Boxes that list their peers are not proved, and chosen only where chunks change their order.
  bool isZigZag = from.find("zigzag") != std::string::npos, isListed = isZigZag;
  direct->walk([&](plan::TransferOp op) { isListed |= op.getSources().has_value(); });
  EXPECT_TRUE(isZigZag || isProved(*moved)) << llvm::to_string(*moved);
  EXPECT_TRUE(isPartial || isListed || isProved(*direct)) << llvm::to_string(*direct);
  // Edits that are proved: they must compute the same.
  std::mt19937 random(17);
  std::vector<OwningOpRef<ModuleOp>> edited;
  context.getDiagEngine().registerHandler([](Diagnostic &) { return success(); });
  for (int i = 0; i < 250; ++i) {
    OwningOpRef<ModuleOp> mutant = moved->clone();
    edit(*mutant, random);
    if (succeeded(verify(*mutant)) && isProved(*mutant))
      edited.push_back(std::move(mutant));
  }

  std::vector<int64_t> vector(static_cast<size_t>(positions));
  LayoutAttr layout = (*model->getOps<func::FuncOp>().begin()).getArgAttrOfType<LayoutAttr>(0, attribute::layout);
  for (bool isLast = false; !isLast;) {
    SCOPED_TRACE(testing::PrintToString(vector));
    int64_t total = std::accumulate(vector.begin(), vector.end(), int64_t(0));
    std::vector<int64_t> logical;
    for (auto [dim, size] : llvm::enumerate(given.local)) {
      int64_t parts = 1;
      for (LayoutTermAttr term : layout.getDims()[dim].getTerms())
        for (AxisRefAttr axis : term.getAxes())
          parts *= getMesh(*model).getAxisSize(axis.getName());
      logical.push_back(size < 0 ? total : size * parts);
    }
    std::vector<double> values(
        static_cast<size_t>(std::accumulate(logical.begin(), logical.end(), int64_t(1), std::multiplies<>())));
    std::iota(values.begin(), values.end(), 1.0);
    Tensor x = Tensor::ofReals(logical, Float32Type::get(&context), values);
    auto run = [&](ModuleOp module) {
      InterpreterOptions options;
      options.sizes.counts["tokens@s"] = vector;
      Interpreter interpreter(module, options);
      auto result = interpreter.runLogical("f", {x});
      EXPECT_TRUE(bool(result)) << toString(result.takeError()) << llvm::to_string(module);
      return result ? std::move(result->front()) : Tensor();
    };
    Tensor wanted = run(*model);
    ASSERT_TRUE(run(*moved).isIdentical(wanted)) << llvm::to_string(*moved);
    ASSERT_TRUE(isPartial || run(*direct).isIdentical(wanted)) << llvm::to_string(*direct);
    for (const OwningOpRef<ModuleOp> &mutant : edited)
      ASSERT_TRUE(run(*mutant).isIdentical(wanted)) << llvm::to_string(*mutant);
    size_t at = 0;
    while (at != vector.size() && ++vector[at] == 4)
      vector[at++] = 0;
    isLast = at == vector.size();
  }
}

const std::vector<std::pair<std::string, int64_t>> square{{"dp", 2}, {"tp", 2}}, uneven{{"tp", 2}, {"dp", 3}},
    line{{"dp", 4}};

INSTANTIATE_TEST_SUITE_P(
    Moves, RaggedLowering,
    testing::Values(
        Case{"gather", line, "dp", "[R, i]", "[t, i]", {-1, 5}, {-1, 5}},
        Case{"scatter", line, "dp", "[t, i]", "[R, i]", {-1, 5}, {-1, 5}},
        Case{"sum", uneven, "dp", "[t, i], partial(sum: dp, tp)", "[R, i]", {-1, 5}, {-1, 5}},
        Case{"sum_of_some", uneven, "dp", "[t, i], partial(sum: dp, tp)", "[R, i], partial(sum: tp)", {-1, 5}, {-1, 5}},
        Case{"rows_in_the_middle", square, "dp", "[a, R, i]", "[a, t, i]", {3, -1, 5}, {3, -1, 5}},
        Case{"rows_behind_rows", square, "dp", "[a/tp, R, i]", "[a, t, i/tp]", {3, -1, 4}, {6, -1, 2}},
        Case{"rows_in_the_middle_back",
             uneven,
             "dp",
             "[a, t, i], partial(sum: dp)",
             "[a, R, i]",
             {3, -1, 5},
             {3, -1, 5}},
        Case{"heads_out", uneven, "dp", "[R, h, d]", "[t, h/dp, d]", {-1, 6, 5}, {-1, 2, 5}},
        Case{"heads_home", uneven, "dp", "[t, h/dp, d]", "[R, h, d]", {-1, 2, 5}, {-1, 6, 5}},
        Case{"columns_home", square, "dp", "[t, v/(dp,tp)]", "[R, v]", {-1, 3}, {-1, 12}},
        Case{"columns_in_part", square, "dp", "[t, v/(dp,tp)]", "[R, v/tp]", {-1, 3}, {-1, 6}},
        Case{"both_axes", square, "tp, dp", "[R, i]", "[t, i]", {-1, 5}, {-1, 5}},
        Case{"both_axes_back", square, "tp, dp", "[t, i], partial(sum: dp, tp)", "[R, i]", {-1, 5}, {-1, 5}},
        Case{"rows_for_columns", square, "dp, tp", "[R, i]", "[t, i/tp]", {-1, 6}, {-1, 3}},
        Case{"columns_for_rows", square, "dp, tp", "[t, i/dp]", "[R, i]", {-1, 3}, {-1, 6}},
        Case{"own_rows_of_other_parts", square, "dp", "[t, i/tp zigzag]", "[R, i/tp]", {-1, 4}, {-1, 4}}),
    [](const testing::TestParamInfo<Case> &info) { return info.param.name; });

} // namespace
