// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every short chain of reductions, functions, gathers and all-reduces over a divided dim, the proof against the
// interpreter: what may be done with a part of a sum or of a maximum, and with parts side by side.
//
// A chain is right where three ranks hold what the same text gives on one. No wrong chain may be proved. Of right ones
// the refuted and the unknown are counted; the numbers are those that there are now, and may only fall. Those that are
// refuted are right for these numbers only (the least of what is not negative is 0), but for two functions of which the
// second undoes the first, and for factors of two sums that are both reduced too often.
//
// MUSTER_REDUCTIONS_SHOW=refuted|unknown|proved prints such programs (proved: those that differ).
#include "compiler/Analysis/LayoutInference.h"
#include "compiler/Reference/Interpreter.h"
#include "compiler/Reference/RandomValues.h"
#include "dialects/NN/IR/NNDialect.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>
#include <cstdlib>
#include <gtest/gtest.h>

using namespace mlir;
using namespace muster;
using namespace muster::reference;

namespace {

/// A dim of a value: two rows that every rank has, six columns divided among the ranks, or one part of each rank.
enum class Extent { Rows, Columns, Parts };

int64_t sizeOf(Extent extent, int64_t ranks) {
  return extent == Extent::Rows ? 2 : extent == Extent::Columns ? 6 / ranks : ranks;
}

/// One operation of a chain.
struct Step {
  enum Kind { Function, Reduce, Gather, AllReduce } kind;
  std::string function; ///< of %a, %w and, where there is a second operand, %c: the text up to the result %f; empty: %a
  std::string combine{};      ///< arith.addf, ...; sum, max or min of an all-reduce
  bool isLast = false;        ///< of a reduction: over the last dim, not the first
  std::vector<Step> second{}; ///< of a function or reduction: what is done with %y, of the shape of %x, to get %c
};

class Chain {
public:
  explicit Chain(std::vector<Step> steps) : steps(std::move(steps)) {}

  /// None where a step does not fit what is before it.
  std::optional<std::string> text(int64_t ranks) {
    body.clear();
    std::optional<std::string> result = addAll(steps, "%x", "%v", ranks);
    if (!result || llvm::is_contained(dims, Extent::Parts))
      return std::nullopt; // no layout says what parts are
    std::string layout;
    for (Extent dim : dims)
      layout += (layout.empty() ? "" : ", ") + std::string(dim == Extent::Rows ? "t" : "v/tp");
    return llvm::formatv(R"(muster.mesh @m <["tp" = {0}]>
func.func @f(%x: {1} {{muster.layout = #muster.layout<[t, v/tp]>}, %y: {1} {{muster.layout = #muster.layout<[t, v/tp]>},
             %w: f32) -> ({2} {{muster.layout = #muster.layout<[{3}]>})
    attributes {{muster.mesh = @m} {{
  %sum = arith.constant 0.0 : f32
  %max = arith.constant 0xFF800000 : f32
  %min = arith.constant 0x7F800000 : f32
  %two = arith.constant 2.0 : f32
{4}  return {5} : {2}
}
)",
                         ranks, typeOf({Extent::Rows, Extent::Columns}, ranks), typeOf(dims, ranks), layout, body,
                         *result)
        .str();
  }

private:
  static std::string typeOf(ArrayRef<Extent> dims, int64_t ranks) {
    std::string type = "tensor<";
    for (Extent dim : dims)
      type += std::to_string(sizeOf(dim, ranks)) + "x";
    return type + "f32>";
  }

  static std::string mapOf(size_t rank, std::optional<size_t> without) {
    std::string all, kept;
    for (size_t d = 0; d < rank; ++d) {
      std::string dim = "d" + std::to_string(d);
      all += (d ? ", " : "") + dim;
      if (d != without)
        kept += (kept.empty() ? "" : ", ") + dim;
    }
    return "affine_map<(" + all + ") -> (" + kept + ")>";
  }

  /// The name of the last value; `dims` are its dims then.
  std::optional<std::string> addAll(ArrayRef<Step> all, std::string value, const std::string &prefix, int64_t ranks) {
    dims = {Extent::Rows, Extent::Columns};
    for (auto [i, step] : llvm::enumerate(all)) {
      std::string name = prefix + std::to_string(i);
      if (!add(step, value, name, ranks))
        return std::nullopt;
      value = name;
    }
    return value;
  }

  bool add(const Step &step, const std::string &from, const std::string &to, int64_t ranks) {
    std::string before = typeOf(dims, ranks);
    size_t rank = dims.size();
    switch (step.kind) {
    case Step::Gather: {
      if (rank != 1 || dims[0] != Extent::Rows)
        return false;
      std::string one = "tensor<1x2xf32>";
      body += "  " + to + "e = tensor.expand_shape " + from + " [[0, 1]] output_shape [1, 2] : " + before + " into " +
              one + "\n";
      dims.insert(dims.begin(), Extent::Parts);
      body +=
          "  " + to + " = muster.all_gather " + to + "e on \"tp\" dim 0 : " + one + " -> " + typeOf(dims, ranks) + "\n";
      return true;
    }
    case Step::AllReduce:
      body += "  " + to + " = muster.all_reduce " + from + " " + step.combine + " on \"tp\" : " + before + "\n";
      return true;
    case Step::Function:
    case Step::Reduce:
      break;
    }
    std::optional<std::string> second;
    if (!step.second.empty()) {
      std::vector<Extent> own = dims;
      second = addAll(step.second, "%y", to + "y", ranks);
      if (!second || std::exchange(dims, own) != own)
        return false;
    }
    bool isReduction = step.kind == Step::Reduce;
    if (isReduction && (rank == 0 || (step.isLast && rank == 1)))
      return false;
    std::optional<size_t> reduced;
    if (isReduction)
      reduced = step.isLast ? rank - 1 : 0;
    if (reduced)
      dims.erase(dims.begin() + static_cast<int64_t>(*reduced));
    std::string after = typeOf(dims, ranks), init = to + "i", types;
    for (size_t d = 0; d < rank; ++d)
      types += std::string(d ? ", " : "") + (d == reduced ? "\"reduction\"" : "\"parallel\"");
    body += "  " + to + "e = tensor.empty() : " + after + "\n";
    std::string neutral = step.combine == "arith.maximumf"   ? "%max"
                          : step.combine == "arith.minimumf" ? "%min"
                                                             : "%sum";
    body +=
        "  " + init + " = linalg.fill ins(" + neutral + " : f32) outs(" + to + "e : " + after + ") -> " + after + "\n";
    std::string element = mapOf(rank, std::nullopt);
    std::string maps = element + ", " + (second ? element + ", " : "") + mapOf(rank, reduced);
    body += "  " + to + " = linalg.generic {indexing_maps = [" + maps + "], iterator_types = [" + types + "]} ins(" +
            from + (second ? ", " + *second : "") + " : " + before + (second ? ", " + before : "") + ") outs(" + init +
            " : " + after + ") {\n  ^bb0(%a: f32, " + (second ? "%c: f32, " : "") + "%b: f32):\n" + step.function;
    std::string payload = step.function.empty() ? "%a" : "%f";
    if (isReduction)
      body += "    %r = " + step.combine + " " + payload + ", %b : f32\n";
    body += "    linalg.yield " + (isReduction ? "%r" : payload) + " : f32\n  } -> " + after + "\n";
    return true;
  }

  std::vector<Step> steps;
  std::vector<Extent> dims;
  std::string body;
};

const std::string negated = "    %f = arith.negf %a : f32\n", squared = "    %f = arith.mulf %a, %a : f32\n",
                  exponential = "    %f = math.exp %a : f32\n", doubled = "    %f = arith.mulf %a, %two : f32\n",
                  shifted = "    %f = arith.addf %a, %w : f32\n", from = "    %f = arith.subf %w, %a : f32\n",
                  scaled = "    %f = arith.mulf %a, %w : f32\n", over = "    %f = arith.divf %w, %a : f32\n",
                  greater = "    %f = arith.maximumf %a, %w : f32\n",
                  positive = "    %g = arith.cmpf ogt, %a, %sum : f32\n"
                             "    %f = arith.select %g, %a, %sum : f32\n",
                  cubed = "    %g = arith.mulf %a, %a : f32\n    %f = arith.mulf %g, %a : f32\n";
const char *const combiners[] = {"arith.addf", "arith.maximumf", "arith.minimumf"};

struct Counts {
  int64_t chains = 0, right = 0, proved = 0, provedButDifferent = 0, refutedButRight = 0, unknownButRight = 0,
          unknown = 0;
};

class ReductionEnumeration : public testing::Test {
protected:
  ReductionEnumeration() {
    context.loadDialect<MusterDialect, nn::NNDialect, func::FuncDialect, linalg::LinalgDialect, math::MathDialect,
                        tensor::TensorDialect, arith::ArithDialect>();
    context.disableMultithreading();
    if (const char *wish = std::getenv("MUSTER_REDUCTIONS_SHOW"))
      shown = wish;
  }

  /// The logical results for several inputs; none where ranks that should agree do not.
  std::vector<std::optional<Tensor>> run(ModuleOp module) {
    Interpreter interpreter(module, {.float64 = true});
    std::vector<std::optional<Tensor>> all;
    Type real = Float32Type::get(&context);
    for (uint64_t seed : {1, 2, 3}) {
      Tensor x = makeRandom({2, 6}, real, seed, "x", RandomReals::Uniform, 0);
      Tensor w = makeRandom({}, real, seed, "w", RandomReals::Uniform, 0);
      Tensor y = makeRandom({2, 6}, real, seed, "y", RandomReals::Uniform, 0);
      auto parts = interpreter.scatterInputs("f", {x, y, w});
      EXPECT_TRUE(bool(parts));
      auto results = interpreter.run("f", std::move(*parts));
      if (!results) {
        ADD_FAILURE() << toString(results.takeError());
        return {};
      }
      auto logical = interpreter.gatherResults("f", *results);
      all.push_back(logical ? std::optional(std::move(logical->front())) : std::nullopt);
      if (!logical)
        consumeError(logical.takeError());
    }
    return all;
  }

  static bool isClose(const Tensor &a, const Tensor &b) {
    for (auto [x, y] : llvm::zip_equal(a.getElements(), b.getElements()))
      if (x.real != y.real && !(std::abs(x.real - y.real) <= 1e-9 * (1 + std::abs(x.real))))
        return false;
    return true;
  }

  void judge(std::vector<Step> steps) {
    Chain chain(std::move(steps));
    std::optional<std::string> one = chain.text(1), all = chain.text(3);
    if (!all)
      return;
    OwningOpRef<ModuleOp> single = parseSourceString<ModuleOp>(*one, &context),
                          mesh = parseSourceString<ModuleOp>(*all, &context);
    ASSERT_TRUE(single && mesh) << *all;
    bool isRight = llvm::all_of(llvm::zip_equal(run(*mesh), run(*single)), [](const auto &pair) {
      return std::get<0>(pair) && isClose(*std::get<0>(pair), *std::get<1>(pair));
    });
    LayoutReport report = inferLayouts(*mesh);
    bool isRefuted = report.has(LayoutFinding::Kind::Refuted),
         isUnknown = !isRefuted && report.has(LayoutFinding::Kind::Unknown), isProved = !isRefuted && !isUnknown;
    ++counts.chains;
    counts.right += isRight;
    counts.proved += isProved;
    counts.provedButDifferent += isProved && !isRight;
    counts.refutedButRight += isRefuted && isRight;
    counts.unknown += isUnknown;
    counts.unknownButRight += isUnknown && isRight;
    if ((isProved && !isRight && (shown == "proved" || counts.provedButDifferent == 1)) ||
        (isRight && ((isRefuted && shown == "refuted") || (isUnknown && shown == "unknown"))))
      llvm::errs() << (isProved ? "proved, but it differs" : report.findings.front().message) << "\n" << *all << "\n";
  }

  void expectCounts(int64_t chains, int64_t right, int64_t refutedButRight, int64_t unknownButRight) {
    EXPECT_EQ(counts.chains, chains);
    EXPECT_EQ(counts.right, right);
    EXPECT_EQ(counts.provedButDifferent, 0);
    EXPECT_EQ(counts.refutedButRight, refutedButRight);
    EXPECT_EQ(counts.unknownButRight, unknownButRight);
    llvm::outs() << llvm::formatv("{0} chains, {1} right; {2} proved, {3} unknown\n", counts.chains, counts.right,
                                  counts.proved, counts.unknown);
  }

  MLIRContext context;
  Counts counts;
  std::string shown;
};

/// Whatever is reduced, of whatever function, then taken together by whatever.
TEST_F(ReductionEnumeration, OfFunctions) {
  for (const char *combine : combiners)
    for (const std::string &function :
         {std::string(), negated, squared, exponential, doubled, shifted, from, scaled, over, greater, positive, cubed})
      for (bool isLast : {false, true})
        for (const char *all : {"", "sum", "max", "min"}) {
          std::vector<Step> steps{{Step::Reduce, function, combine, isLast}};
          if (*all)
            steps.push_back({Step::AllReduce, "", all});
          judge(steps);
        }
  expectCounts(288, 72, 0, 0);
}

/// Two reductions with a function, a gather or an all-reduce between them.
TEST_F(ReductionEnumeration, TwoReductions) {
  std::vector<std::vector<Step>> between{{}, {{Step::Gather, ""}}};
  for (const char *all : {"sum", "max", "min"})
    between.push_back({{Step::AllReduce, "", all}});
  for (const std::string &function : {negated, squared, doubled, shifted}) {
    between.push_back({{Step::Function, function}});
    between.push_back({{Step::Gather, ""}, {Step::Function, function}});
  }
  for (const char *first : combiners)
    for (const std::vector<Step> &middle : between)
      for (const char *second : combiners)
        for (const std::string &function :
             {std::string(), negated, squared, exponential, doubled, shifted, scaled, positive})
          for (bool isLast : {false, true})
            for (const char *all : {"", "sum", "max", "min"}) {
              std::vector<Step> steps{{Step::Reduce, "", first, true}};
              steps.insert(steps.end(), middle.begin(), middle.end());
              steps.push_back({Step::Reduce, function, second, isLast});
              if (*all)
                steps.push_back({Step::AllReduce, "", all});
              judge(steps);
            }
  expectCounts(3744, 556, 22, 110);
}

/// Functions of what is still to be reduced, and what is reduced twice.
TEST_F(ReductionEnumeration, Functions) {
  std::vector<Step> functions;
  for (const std::string &function :
       {negated, squared, exponential, doubled, shifted, from, scaled, over, greater, positive, cubed})
    functions.push_back({Step::Function, function});
  for (const char *all : {"sum", "max", "min"})
    functions.push_back({Step::AllReduce, "", all});
  for (const char *first : combiners)
    for (const Step &second : functions)
      for (const Step &third : functions)
        for (const char *all : {"", "sum", "max", "min"}) {
          std::vector<Step> steps{{Step::Reduce, "", first, true}, second, third};
          if (*all)
            steps.push_back({Step::AllReduce, "", all});
          judge(steps);
        }
  expectCounts(2352, 352, 5, 104);
}

/// Two values that are whole, divided, still to be reduced or reduced twice, together in one operation.
TEST_F(ReductionEnumeration, OfTwo) {
  std::vector<std::vector<Step>> values{{}};
  for (const char *first : combiners) {
    Step reduce{Step::Reduce, "", first, true};
    values.push_back({reduce});
    values.push_back({reduce, {Step::Gather, ""}});
    for (const char *all : {"sum", "max"})
      values.push_back({reduce, {Step::AllReduce, "", all}});
  }
  values.push_back(
      {{Step::Reduce, "", "arith.addf", true}, {Step::AllReduce, "", "sum"}, {Step::AllReduce, "", "sum"}});
  std::string functions[] = {"    %f = arith.addf %a, %c : f32\n",
                             "    %f = arith.subf %a, %c : f32\n",
                             "    %f = arith.mulf %a, %c : f32\n",
                             "    %f = arith.divf %a, %c : f32\n",
                             "    %f = arith.maximumf %a, %c : f32\n",
                             "    %g = arith.cmpf olt, %c, %a : f32\n"
                             "    %f = arith.select %g, %a, %sum : f32\n"};
  for (const std::vector<Step> &first : values)
    for (std::vector<Step> second : values) {
      if (second.empty()) // the argument itself
        second.push_back({Step::Function, ""});
      for (const std::string &function : functions)
        for (const char *combine : {"", "arith.addf", "arith.maximumf"})
          for (bool isLast : {false, true})
            for (const char *all : {"", "sum", "max"}) {
              if (!*combine && isLast)
                continue;
              std::vector<Step> steps = first;
              steps.push_back({*combine ? Step::Reduce : Step::Function, function, combine, isLast, second});
              if (*all)
                steps.push_back({Step::AllReduce, "", all});
              judge(steps);
            }
    }
  expectCounts(5814, 418, 136, 60);
}

} // namespace
