// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Random programs that send rows by routed counts and bring them home, by the right counts and by others: what is
// proved runs as if no row had left its rank, what is refuted does not, and transfers are proved where their program
// is.
#include "compiler/Analysis/LayoutInference.h"
#include "compiler/Reference/Interpreter.h"
#include "compiler/Transforms/Passes.h"
#include "dialects/NN/IR/NNDialect.h"
#include "dialects/Plan/IR/PlanDialect.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "gtest/gtest.h"

#include <cstdlib>
#include <random>

using namespace mlir;
using namespace muster;
using namespace muster::reference;

namespace {

constexpr int64_t ranks = 3, rows = 4, width = 2;
using Reals = std::vector<double>; // rows of all ranks

const char *head = R"(
#counts = #muster.routed<rows, @route, 4>
muster.mesh @mesh <["ep" = 3]>
func.func @f(%x: tensor<4x2xf32> {muster.layout = #muster.layout<[t/ep, i]>}, %v: tensor<4x2xf32> {muster.layout = #muster.layout<[t/ep, i]>},
    %a: tensor<4xi32> {muster.layout = #muster.layout<[t/ep]>}, %b: tensor<4xi32> {muster.layout = #muster.layout<[t/ep]>})
    -> (tensor<4x2xf32> {muster.layout = #muster.layout<[t/ep, i]>}) {
  %as = nn.histogram %a : tensor<4xi32> -> tensor<3xi32, #counts>
  %ar = muster.exchange %as on "ep" : tensor<3xi32, #counts>
  %bs = nn.histogram %b : tensor<4xi32> -> tensor<3xi32, #counts>
  %br = muster.all_to_all %bs on "ep" split 0 concat 0 : tensor<3xi32, #counts> -> tensor<3xi32, #counts>
  %ass = muster.exchange %ar on "ep" : tensor<3xi32, #counts>
)";

/// A tensor of a program: what it would hold if no row ever left its rank.
struct Tracked {
  std::string name;
  bool isAway;
  Reals logical;
};

/// A random program; `logical` is of its result.
struct Program {
  std::string text;
  Reals logical;
};

class Maker {
public:
  Maker(uint32_t seed, const Reals &x, const Reals &v) : random(seed), values{{"%x", false, x}, {"%v", false, v}} {}

  Program make() {
    text = head;
    for (int step = 0, steps = 4 + below(5); step != steps; ++step)
      addStep();
    // The last value that is home.
    const Tracked *result = nullptr;
    for (const Tracked &value : values)
      if (!value.isAway)
        result = &value;
    text += "  return " + result->name + " : tensor<4x2xf32>\n}\n";
    return {text, result->logical};
  }

private:
  int below(int limit) { return static_cast<int>(random() % static_cast<uint32_t>(limit)); }
  static std::string typeOf(bool isAway) { return isAway ? "tensor<12x2xf32>" : "tensor<4x2xf32>"; }
  const Tracked *pick(bool isAway) {
    std::vector<const Tracked *> fitting;
    for (const Tracked &value : values)
      if (value.isAway == isAway)
        fitting.push_back(&value);
    // The latest are the most telling.
    return fitting.empty() ? nullptr
                           : fitting[fitting.size() - 1 -
                                     static_cast<size_t>(below(std::min<int>(2, static_cast<int>(fitting.size()))))];
  }
  void add(std::string operation, bool isAway, Reals logical) {
    std::string name = "%n" + std::to_string(values.size());
    text += "  " + name + " = " + operation + "\n";
    values.push_back({name, isAway, std::move(logical)});
  }

  void addStep() {
    int kind = below(10);
    bool isAway = below(2) == 0;
    if (kind < 6) { // to the others, or home: by the right counts three times of four
      const Tracked *value = pick(isAway);
      if (!value)
        return;
      std::string route = below(4) ? "%a" : "%b", sent = route + "s", received = route + "r";
      if (isAway)
        std::swap(sent, received);
      if (int fault = below(12); fault == 0)
        std::swap(sent, received);
      else if (fault == 1)
        received = sent;
      else if (fault == 2)
        (below(2) ? sent : received) = "%ass";
      std::string counts = " : tensor<3xi32, #counts>)";
      add("muster.all_to_all_v " + value->name + " on \"ep\" send(" + sent + counts + " receive(" + received + counts +
              " : " + typeOf(isAway) + " -> " + typeOf(!isAway),
          !isAway, value->logical);
    } else if (kind < 8) {
      const Tracked *one = pick(isAway), *other = pick(isAway);
      if (!one)
        return;
      Reals sum = one->logical;
      for (size_t i = 0; i != sum.size(); ++i)
        sum[i] += other->logical[i];
      add("arith.addf " + one->name + ", " + other->name + " : " + typeOf(isAway), isAway, std::move(sum));
    } else if (kind == 8) { // halves change places
      const Tracked *value = pick(isAway);
      if (!value)
        return;
      std::string type = typeOf(isAway), half = isAway ? "tensor<6x2xf32>" : "tensor<2x2xf32>",
                  size = isAway ? "6" : "2";
      Reals logical = value->logical;
      std::string from = value->name, first = from + "_" + std::to_string(values.size());
      text += "  " + first + "h = tensor.extract_slice " + from + "[" + size + ", 0] [" + size +
              ", 2] [1, 1] : " + type + " to " + half + "\n  " + first + "l = tensor.extract_slice " + from +
              "[0, 0] [" + size + ", 2] [1, 1] : " + type + " to " + half + "\n";
      bool isOrdered = below(2) == 0;
      add("tensor.concat dim(0) " + first + (isOrdered ? "l, " : "h, ") + first + (isOrdered ? "h" : "l") + " : (" +
              half + ", " + half + ") -> " + type,
          isAway, std::move(logical));
    } else { // all rows, and the own again
      const Tracked *value = pick(isAway);
      if (!value)
        return;
      Reals logical = value->logical;
      std::string from = value->name, all = from + "_" + std::to_string(values.size()) + "g",
                  wide = isAway ? "tensor<36x2xf32>" : "tensor<12x2xf32>";
      text +=
          "  " + all + " = muster.all_gather " + from + " on \"ep\" dim 0 : " + typeOf(isAway) + " -> " + wide + "\n";
      add("muster.slice " + all + " on \"ep\" dim 0 : " + wide + " -> " + typeOf(isAway), isAway, std::move(logical));
    }
  }

  std::mt19937 random;
  std::string text;
  std::vector<Tracked> values;
};

struct RoutedFuzzTest : testing::Test {
  RoutedFuzzTest() {
    context.loadDialect<MusterDialect, nn::NNDialect, plan::PlanDialect, func::FuncDialect, arith::ArithDialect,
                        tensor::TensorDialect, linalg::LinalgDialect>();
    context.disableMultithreading();
  }

  /// Whether every rank has its rows of `logical` in the end; rows go to random ranks, in order.
  bool isAsLogical(ModuleOp module, const Reals &x, const Reals &v, const Reals &logical, uint32_t seed) {
    std::mt19937 random(seed);
    std::vector<RankValues> inputs(4);
    for (int64_t rank = 0; rank != ranks; ++rank) {
      for (size_t input : {0, 1}) {
        const Reals &all = input == 0 ? x : v;
        Reals own(all.begin() + rank * rows * width, all.begin() + (rank + 1) * rows * width);
        inputs[input].push_back(share(Tensor::ofReals({rows, width}, Float32Type::get(&context), own)));
      }
      for (size_t input : {2, 3}) {
        std::vector<int64_t> to(rows);
        for (int64_t &each : to)
          each = random() % ranks;
        llvm::sort(to);
        Tensor indices({rows}, IntegerType::get(&context, 32));
        for (auto [element, each] : llvm::zip(indices.getElements(), to))
          element = Number::ofInteger(each);
        inputs[input].push_back(share(std::move(indices)));
      }
    }
    Interpreter interpreter(module, {});
    auto results = interpreter.run("f", inputs);
    if (!results) {
      llvm::consumeError(results.takeError());
      return false;
    }
    for (int64_t rank = 0; rank != ranks; ++rank)
      for (int64_t i = 0; i != rows * width; ++i)
        if (results->front()[static_cast<size_t>(rank)]->getElements()[static_cast<size_t>(i)].real !=
            logical[static_cast<size_t>(rank * rows * width + i)])
          return false;
    return true;
  }

  static bool isProved(const LayoutReport &report) {
    return !report.has(LayoutFinding::Kind::Refuted) && !report.has(LayoutFinding::Kind::Unknown);
  }

  MLIRContext context;
};

TEST_F(RoutedFuzzTest, provedRunsAsIfNoRowHadLeft) {
  const char *asked = std::getenv("MUSTER_FUZZ_PROGRAMS");
  int programs = asked ? std::atoi(asked) : 1000, moved = 0, proved = 0, refuted = 0, unknown = 0, unknownRight = 0;
  Reals x(ranks * rows * width), v(x.size());
  for (size_t i = 0; i != x.size(); ++i) {
    x[i] = static_cast<double>(i + 1);
    v[i] = static_cast<double>(1000 * (i + 3));
  }
  for (int seed = 0; seed != programs; ++seed) {
    Program program = Maker(static_cast<uint32_t>(seed), x, v).make();
    auto module = parseSourceString<ModuleOp>(program.text, &context);
    ASSERT_TRUE(module) << program.text;
    // What reaches no result is not judged, and may be wrong in a run.
    auto function = *module->getOps<func::FuncOp>().begin();
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(function.getBody().front())))
      if (isOpTriviallyDead(&op))
        op.erase();
    LayoutReport report = inferLayouts(*module);
    bool isRight = true;
    for (uint32_t run = 0; run != 4; ++run)
      isRight &= isAsLogical(*module, x, v, program.logical, 17 * static_cast<uint32_t>(seed) + run);
    bool isWrong = report.has(LayoutFinding::Kind::Refuted);
    if (isProved(report)) {
      ++proved;
      moved += !function.getOps<AllToAllVOp>().empty();
      EXPECT_TRUE(isRight) << "proved, and wrong: " << program.text;
      PassManager manager(&context);
      manager.addPass(createResolveSizesPass());
      manager.addPass(createLowerCollectivesPass());
      ASSERT_TRUE(succeeded(manager.run(*module))) << program.text;
      // Gathered halves in another order are not proved of boxes.
      LayoutReport boxes = inferLayouts(*module);
      bool isGathered = program.text.find("all_gather") != std::string::npos;
      EXPECT_TRUE(isGathered ? !boxes.has(LayoutFinding::Kind::Refuted) : isProved(boxes))
          << "its transfers are not proved: " << program.text;
      EXPECT_TRUE(isAsLogical(*module, x, v, program.logical, static_cast<uint32_t>(seed))) << program.text;
    } else if (isWrong) {
      ++refuted;
      EXPECT_FALSE(isRight) << "refuted, and right: " << program.text;
    } else {
      ++unknown;
      unknownRight += isRight;
    }
  }
  std::printf("%d programs: %d proved (%d that send rows), %d refuted, %d unknown, of which %d run right\n", programs,
              proved, moved, refuted, unknown, unknownRight);
  EXPECT_GT(moved, programs / 20);
  EXPECT_GT(refuted, programs / 100);
}

} // namespace
