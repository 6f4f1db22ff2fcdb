// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Random movements of rows that counts divide, by counts and without, padded and split among two children too, judged
// by the proof and run by the interpreter with counts of all kinds: what is proved is right with every count vector,
// what is refuted is wrong with some.
#include "compiler/Analysis/LayoutInference.h"
#include "compiler/Reference/Interpreter.h"
#include "test/unit/compiler/Analysis/Dice.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/Format.h"
#include "gtest/gtest.h"

#include <cstdlib>
#include <numeric>

using namespace mlir;
using namespace muster;
using namespace muster::reference;
using muster::test::Dice;

namespace {

constexpr int64_t dynamic = -1;
using Shape = std::vector<int64_t>;

std::string typeOf(const Shape &shape) {
  std::string text = "tensor<";
  for (int64_t size : shape)
    text += (size == dynamic ? "?" : std::to_string(size)) + "x";
  return text + "f32>";
}

/// One program: the text of its body, and what it returns.
struct Steps {
  std::string body;
  Shape shape{dynamic, 6, 3};
  std::string value = "%x";
  int names = 0, doublings = 0;
  bool isSum = false; ///< over rows
  bool hasRowOps = false;
};

/// Layouts of the result, each with what a rank holds of [t, h, d] = [?, 6, 3] on dp = 2, tp = 3.
const std::vector<std::pair<std::string, Shape>> layouts = {
    {"[t/dp : tokens @step, h, d]", {dynamic, 6, 3}},
    {"[t, h, d]", {dynamic, 6, 3}},
    {"[t, h/dp, d]", {dynamic, 3, 3}},
    {"[t/dp : tokens @step, h/tp, d]", {dynamic, 2, 3}},
    {"[t, h/tp, d]", {dynamic, 2, 3}},
    {"[t, h/(dp,tp), d]", {dynamic, 1, 3}},
    {"[t, h/(tp,dp), d]", {dynamic, 1, 3}},
    {"[h, d]", {6, 3}},
    {"[h/tp, d]", {2, 3}},
    {"[h/dp, d]", {3, 3}},
};

class Maker {
public:
  explicit Maker(uint64_t seed) : dice(seed) {}

  Steps make() {
    Steps steps;
    int64_t count = 1 + dice.below(4);
    for (int64_t i = 0; i < count; ++i)
      dice.below(3) ? addStep(steps) : addRowStep(steps);
    if (dice.below(6) == 0)
      addSum(steps);
    return steps;
  }

private:
  std::string axis() { return dice.below(3) ? "\"dp\"" : "\"tp\""; }
  static std::string countsOn(const std::string &axis) {
    std::string name = axis == "\"dp\"" ? "%cdp : !muster.counts<[dp]" : "%ctp : !muster.counts<[tp]";
    return " counts(" + name + ", tokens, @step>)";
  }

  void apply(Steps &steps, const std::string &text, const Shape &after) {
    std::string name = "%v" + std::to_string(steps.names++);
    steps.body += "  " + name + " = " + text + " : " + typeOf(steps.shape) + " -> " + typeOf(after) + "\n";
    steps.value = name;
    steps.shape = after;
  }

  void addStep(Steps &steps) {
    std::string on = axis();
    size_t dim = static_cast<size_t>(dice.below(2)), other = 1 - dim;
    bool isRagged = steps.shape[dim] == dynamic, byCounts = isRagged && dice.below(4);
    std::string counts = byCounts ? countsOn(on) : "";
    const int64_t ranks = on == "\"dp\"" ? 2 : 3;
    Shape after = steps.shape;
    switch (dice.below(9)) {
    case 0:
    case 1:
      if (!isRagged)
        after[dim] *= ranks;
      return apply(steps, "muster.all_gather " + steps.value + " on " + on + " dim " + std::to_string(dim) + counts,
                   after);
    case 2:
    case 3: {
      if (!isRagged && after[dim] % ranks)
        return;
      if (!isRagged)
        after[dim] /= ranks;
      bool isSum = dice.below(3) == 0;
      return apply(steps,
                   (isSum ? "muster.reduce_scatter " + steps.value + " sum" : "muster.slice " + steps.value) + " on " +
                       on + " dim " + std::to_string(dim) + counts,
                   after);
    }
    case 4:
    case 5: {
      // dim is split, the other concatenated.
      if (!isRagged && after[dim] % ranks)
        return;
      if (!isRagged)
        after[dim] /= ranks;
      else
        after[other] *= ranks;
      std::string side = isRagged ? " ragged split" : " ragged concat";
      bool counted = dice.below(5) != 0;
      return apply(steps,
                   "muster.all_to_all " + steps.value + " on " + on + " split " + std::to_string(dim) + " concat " +
                       std::to_string(other) + (counted ? countsOn(on) + side : ""),
                   after);
    }
    case 6: {
      std::string name = "%v" + std::to_string(steps.names++);
      bool isSum = dice.below(2) != 0;
      steps.body += "  " + name + " = " +
                    (isSum ? "muster.all_reduce " + steps.value + " sum on " + on
                           : "arith.addf " + steps.value + ", " + steps.value) +
                    " : " + typeOf(steps.shape) + "\n";
      steps.doublings += !isSum;
      steps.value = name;
      return;
    }
    case 7: {
      // Through another shape of the rows: of two halves, or of segments as long as the own rows.
      std::string n = std::to_string(steps.names++), from = dice.below(2) ? steps.value : "%x";
      std::string source = from == "%x" ? typeOf({dynamic, 6, 3}) : typeOf(steps.shape);
      Shape cut{2, dynamic, steps.shape[1], 3};
      bool isHalf = dice.below(2) != 0;
      steps.body += "  %n" + n + " = tensor.dim " + from + ", %c0 : " + source + "\n  %h" + n + " = arith.divui %n" +
                    n + ", %c2 : index\n  %s" + n + " = tensor.expand_shape " + steps.value +
                    " [[0, 1], [2], [3]] output_shape [2, " + (isHalf ? "%h" : "%n") + n + ", " +
                    std::to_string(steps.shape[1]) + ", 3] : " + typeOf(steps.shape) + " into " + typeOf(cut) +
                    "\n  %v" + n + " = tensor.collapse_shape %s" + n + " [[0, 1], [2], [3]] : " + typeOf(cut) +
                    " into " + typeOf(steps.shape) + "\n";
      steps.value = "%v" + n;
      return;
    }
    default: {
      // The own part of all rows by hand.
      std::string n = std::to_string(steps.names++);
      steps.body += "  %n" + n + " = tensor.dim %x, %c0 : " + typeOf({dynamic, 6, 3}) + "\n  %p" + n +
                    " = muster.coordinate \"dp\"\n  %o" + n + " = arith.muli %p" + n + ", %n" + n + " : index\n  %v" +
                    n + " = tensor.extract_slice " + steps.value + "[%o" + n + ", 0, 0] [%n" + n + ", " +
                    std::to_string(steps.shape[1]) + ", 3] [1, 1, 1] : " + typeOf(steps.shape) + " to " +
                    typeOf(steps.shape) + "\n";
      steps.value = "%v" + n;
    }
    }
  }

  /// Operations on the rank's own rows, mostly so that they fit together.
  void addRowStep(Steps &steps) {
    steps.hasRowOps = true;
    std::string type = typeOf(steps.shape), live = "%cdp : !muster.counts<[dp], tokens, @step>";
    auto padded = [](int64_t kind) { return "%g" + std::to_string(kind) + " : !muster.counts<[dp], padded, @step>"; };
    // Two kinds and the same as the first once more; now and then another than before.
    int64_t kind = dice.below(3);
    auto next = [&] { return padded(dice.below(12) ? kind : dice.below(3)); };
    auto add = [&](const std::string &text, const std::string &types) {
      std::string name = "%v" + std::to_string(steps.names++);
      steps.body += "  " + name + " = " + text + " : " + types + "\n";
      steps.value = name;
    };
    auto move = [&](const std::string &collective, const std::string &counts) {
      add("muster." + collective + " " + steps.value + " on \"dp\" dim 0 counts(" + counts + ")", type + " -> " + type);
    };
    switch (dice.below(4)) {
    case 0:
      return add("muster.pad " + steps.value + " dim 0 counts(" + live + ") to(" + next() + ")", type);
    case 1:
      return add("muster.unpad " + steps.value + " dim 0 counts(" + next() + ") to(" + live + ")", type);
    case 2: {
      add("muster.pad " + steps.value + " dim 0 counts(" + live + ") to(" + next() + ")", type);
      if (dice.below(3) == 0) {
        addEqualParts(steps);
      } else if (dice.below(2)) {
        move("all_gather", next());
        if (dice.below(2)) {
          add("arith.addf " + steps.value + ", " + steps.value, type);
          ++steps.doublings;
        }
        move("slice", next());
      }
      if (dice.below(8))
        add("muster.unpad " + steps.value + " dim 0 counts(" + next() + ") to(" + live + ")", type);
      return;
    }
    default: {
      std::string a = "%ca : !muster.counts<[dp], tokens, @step.a>", b = "%cb : !muster.counts<[dp], tokens, @step.b>";
      std::string n = std::to_string(steps.names++), first = "%a" + n, second = "%b" + n;
      bool isTurned = dice.below(8) == 0;
      steps.body += "  " + first + ", " + second + " = muster.split_rows " + steps.value + " dim 0 counts(" +
                    (isTurned ? b + ", " + a : a + ", " + b) + ") : " + type + "\n";
      if (isTurned)
        std::swap(first, second); // what is called first has the counts of @step.a
      if (dice.below(2)) {
        steps.value = first;
        move("all_gather", dice.below(8) ? a : b);
        move("slice", dice.below(8) ? a : b);
        first = steps.value;
      }
      if (dice.below(2)) {
        steps.value = second;
        add("muster.pad " + second + " dim 0 counts(" + b + ") to(%gb : !muster.counts<[dp], padded, @step.b>)", type);
        if (dice.below(8))
          add("muster.unpad " + steps.value + " dim 0 counts(%gb : !muster.counts<[dp], padded, @step.b>) to(" + b +
                  ")",
              type);
        second = steps.value;
      }
      bool turnsBack = isTurned ? dice.below(4) != 0 : dice.below(8) == 0;
      add("muster.join_rows " + (turnsBack ? second + ", " + first : first + ", " + second) + " dim 0 counts(" +
              (turnsBack ? b + ", " + a : a + ", " + b) + ") to(" + live + ")",
          type);
    }
    }
  }

  /// Rows cut or gathered in equal parts, and mostly the way back.
  void addEqualParts(Steps &steps) {
    std::string on = axis(), type = typeOf(steps.shape);
    bool isCut = on == "\"tp\"";
    auto move = [&](bool cuts, const std::string &over) {
      std::string name = "%v" + std::to_string(steps.names++);
      steps.body += "  " + name + " = muster." + (cuts ? "slice " : "all_gather ") + steps.value + " on " + over +
                    " dim 0 : " + type + " -> " + type + "\n";
      steps.value = name;
    };
    move(isCut, on);
    if (dice.below(2)) {
      std::string name = "%v" + std::to_string(steps.names++);
      steps.body += "  " + name + " = arith.addf " + steps.value + ", " + steps.value + " : " + type + "\n";
      steps.value = name;
      ++steps.doublings;
    }
    if (dice.below(8))
      move(!isCut, dice.below(8) ? on : axis());
  }

  void addSum(Steps &steps) {
    steps.isSum = true;
    Shape after{steps.shape[1], 3};
    std::string n = std::to_string(steps.names++), type = typeOf(after);
    steps.body += "  %e" + n + " = tensor.empty() : " + type + "\n  %i" + n +
                  " = linalg.fill ins(%zero : f32) outs(%e" + n + " : " + type + ") -> " + type + "\n  %v" + n +
                  " = linalg.reduce { arith.addf } ins(" + steps.value + " : " + typeOf(steps.shape) + ") outs(%i" + n +
                  " : " + type + ") dimensions = [0]\n";
    steps.value = "%v" + n;
    steps.shape = after;
    if (dice.below(3)) {
      steps.body += "  %r" + n + " = muster.all_reduce %v" + n + " sum on \"dp\" : " + type + "\n";
      steps.value = "%r" + n;
    }
  }

  Dice dice;
};

std::string textOf(const Steps &steps, const std::string &argument, const std::string &result) {
  return "muster.mesh @m <[\"dp\" = 2, \"tp\" = 3]>\nfunc.func @f(%x: tensor<?x6x3xf32> {muster.layout = "
         "#muster.layout<" +
         argument + ">}, %ids: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>}) -> (" +
         typeOf(steps.shape) + " {muster.layout = #muster.layout<" + result +
         ">}) {\n  %c0 = arith.constant 0 : index\n  %c2 = arith.constant 2 : index\n  %n = tensor.dim %ids, %c0 : "
         "tensor<?xi32>\n  %l = muster.local_count %n : !muster.counts<[], tokens, @step>\n  %cdp = "
         "muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>\n  "
         "%ctp = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[tp], tokens, "
         "@step>\n  %zero = arith.constant 0.0 : f32\n"
         "  %g0 = muster.pad_counts %cdp align 2 mode max : (!muster.counts<[dp], tokens, @step>) -> "
         "!muster.counts<[dp], padded, @step>\n"
         "  %g1 = muster.pad_counts %cdp align 3 mode sum : (!muster.counts<[dp], tokens, @step>) -> "
         "!muster.counts<[dp], padded, @step>\n"
         "  %g2 = muster.pad_counts %cdp align 2 mode max : (!muster.counts<[dp], tokens, @step>) -> "
         "!muster.counts<[dp], padded, @step>\n"
         "  %fa = muster.step_field \"t.a\" bound 8 : !muster.counts<[], tokens, @step.a>\n"
         "  %xa = muster.exchange_counts %fa : !muster.counts<[], tokens, @step.a> -> "
         "!muster.counts<[dp], tokens, @step.a>\n"
         "  %ca, %cb = muster.split_counts %cdp first %xa : !muster.counts<[dp], tokens, @step>, "
         "!muster.counts<[dp], tokens, @step.a> -> !muster.counts<[dp], tokens, @step.a>, "
         "!muster.counts<[dp], tokens, @step.b>\n"
         "  %gb = muster.pad_counts %cb align 2 mode sum : (!muster.counts<[dp], tokens, @step.b>) -> "
         "!muster.counts<[dp], padded, @step.b>\n" +
         steps.body + "  return " + steps.value + " : " + typeOf(steps.shape) + "\n}\n";
}

class RaggedFuzzTest : public testing::Test {
protected:
  RaggedFuzzTest() {
    context.loadDialect<MusterDialect, func::FuncDialect, linalg::LinalgDialect, tensor::TensorDialect,
                        arith::ArithDialect>();
    context.disableMultithreading();
    context.getDiagEngine().registerHandler([](Diagnostic &) {});
  }

  /// Whether the results hold what one rank has, with these counts of the two groups.
  bool isRight(ModuleOp module, const std::vector<int64_t> &counts, const Steps &steps) {
    // Children of half the rows each, and one of them without any.
    std::vector<std::pair<int64_t, int64_t>> firsts{{counts[0] / 2, (counts[1] + 1) / 2}, {counts[0], 0}};
    if (!steps.hasRowOps)
      firsts.resize(1);
    return llvm::all_of(firsts, [&](auto first) { return isRight(module, counts, first, steps); });
  }

  bool isRight(ModuleOp module, const std::vector<int64_t> &counts, std::pair<int64_t, int64_t> first,
               const Steps &steps) {
    InterpreterOptions options;
    options.sizes.counts["tokens@step"] = counts;
    options.sizes.fields["t.a"] = {first.first, first.first, first.first, first.second, first.second, first.second};
    Interpreter interpreter(module, options);
    int64_t rows = counts[0] + counts[1];
    Tensor x({rows, 6, 3}, Float32Type::get(&context)), ids({rows}, IntegerType::get(&context, 32));
    for (auto [index, element] : llvm::enumerate(x.getElements()))
      element = Number::ofReal(static_cast<double>(index + 1));
    for (Number &element : ids.getElements())
      element = Number::ofInteger(0);
    auto results = interpreter.runLogical("f", {x, ids});
    if (!results) {
      llvm::consumeError(results.takeError());
      return false;
    }
    for (Number &element : x.getElements())
      element.real *= 1 << steps.doublings;
    if (!steps.isSum)
      return results->front().isIdentical(x);
    Tensor sum({6, 3}, Float32Type::get(&context));
    for (Number &element : sum.getElements())
      element = Number::ofReal(0);
    for (auto [index, element] : llvm::enumerate(x.getElements()))
      sum.getElements()[index % 18].real += element.real;
    return results->front().isIdentical(sum);
  }

  MLIRContext context;
};

TEST_F(RaggedFuzzTest, proofsHoldForAllCounts) {
  const char *wanted = std::getenv("MUSTER_FUZZ_PROGRAMS");
  const int64_t programs = wanted ? std::atoll(wanted) : 3000;
  const std::vector<std::vector<int64_t>> vectors{{1, 1}, {2, 2}, {4, 4}, {0, 0}, {1, 0},
                                                  {0, 3}, {3, 1}, {2, 4}, {5, 3}};
  int64_t proved = 0, provedRowOps = 0, refuted = 0, unknown = 0, unknownRight = 0, refutedRight = 0;
  for (int64_t seed = 1; seed <= programs; ++seed) {
    Steps steps = Maker(static_cast<uint64_t>(seed)).make();
    for (const auto &[argument, argumentShape] : {layouts[0], layouts[1]})
      for (const auto &[result, shape] : layouts) {
        if (shape != steps.shape)
          continue;
        std::string text = textOf(steps, argument, result);
        auto module = parseSourceString<ModuleOp>(text, &context);
        if (!module)
          continue; // a collective that the verifier refuses
        LayoutReport report = inferLayouts(*module);
        bool isRefuted = report.has(LayoutFinding::Kind::Refuted);
        bool isProved = !isRefuted && !report.has(LayoutFinding::Kind::Unknown);
        auto wrong = llvm::find_if(vectors, [&](const auto &counts) { return !isRight(*module, counts, steps); });
        bool isAlwaysRight = wrong == vectors.end();
        proved += isProved;
        provedRowOps += isProved && steps.hasRowOps;
        refuted += isRefuted;
        unknown += !isProved && !isRefuted;
        unknownRight += !isProved && !isRefuted && isAlwaysRight;
        if (isProved) {
          ASSERT_TRUE(isAlwaysRight) << "proved, but wrong with counts " << (*wrong)[0] << ", " << (*wrong)[1] << "\n"
                                     << text;
        }
        // Rules of equal parts refute a few programs that move copies about; those of counts refute none that is right.
        bool isByCounts = llvm::any_of(report.findings, [](const LayoutFinding &finding) {
          return finding.kind == LayoutFinding::Kind::Refuted && finding.number >= 1200;
        });
        if (isRefuted && isByCounts) {
          ASSERT_FALSE(isAlwaysRight) << "refuted: " << report.findings.front().message << "\n" << text;
        }
        refutedRight += isRefuted && isAlwaysRight;
        if (!isProved && !isRefuted && isAlwaysRight && std::getenv("MUSTER_FUZZ_SHOW_UNKNOWN"))
          llvm::errs() << report.findings.front().message << "\n" << text << "\n";
      }
  }
  llvm::outs() << llvm::format(
      "%lld proved (%lld with row operations), %lld refuted, %lld unknown; of right ones %lld refuted, %lld unknown\n",
      static_cast<long long>(proved), static_cast<long long>(provedRowOps), static_cast<long long>(refuted),
      static_cast<long long>(unknown), static_cast<long long>(refutedRight), static_cast<long long>(unknownRight));
  EXPECT_GT(proved, programs / 20);
  EXPECT_GT(provedRowOps, programs / 50);
  EXPECT_GT(refuted, programs / 4);
}

} // namespace
