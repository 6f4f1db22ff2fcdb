// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The proof of layouts against the reference interpreter, on random programs and single edits of them.
//
// A program is right where every rank of its mesh holds the declared parts of what the same text computes on one rank.
//   - proved and not right: unsound. The test bounds how often; the goal is never.
//   - right by construction and refuted: a false alarm, bounded alike; unknown for at most 1 in 200.
//   - refuted and right: an edit that changed nothing, or nothing that shows in the numbers; few.
//   - a counterexample: at that rank and index the number is not the wanted one.
//
// MUSTER_FUZZ_PROGRAMS and MUSTER_FUZZ_SEED choose how many right programs (each with two edits) and where they begin.
#include "compiler/Analysis/LayoutInference.h"
#include "compiler/Reference/Interpreter.h"
#include "compiler/Reference/RandomValues.h"
#include "dialects/NN/IR/NNDialect.h"
#include "test/unit/compiler/Analysis/RandomProgram.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"

#include <cmath>
#include <cstdlib>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <mutex>
#include <thread>

using namespace mlir;
using namespace muster;
using namespace muster::reference;
using namespace muster::test;

namespace {

enum class Verdict { Proved, Refuted, Unknown };

struct Counts {
  int64_t programs = 0, rightUnknown = 0, falseAlarms = 0, generatorFaults = 0;
  int64_t mutants = 0, proved = 0, refuted = 0, unknown = 0, unsound = 0, refutedButEqual = 0, unknownRight = 0;
  int64_t unjudged = 0, otherConstants = 0, examples = 0, idleExamples = 0;
  std::map<std::string, int64_t> unknownReasons, failureKinds;
  std::vector<std::string> failures;

  void add(const Counts &other) {
    for (auto member :
         {&Counts::programs, &Counts::rightUnknown, &Counts::falseAlarms, &Counts::generatorFaults, &Counts::mutants,
          &Counts::proved, &Counts::refuted, &Counts::unknown, &Counts::unsound, &Counts::refutedButEqual,
          &Counts::unknownRight, &Counts::unjudged, &Counts::otherConstants, &Counts::examples, &Counts::idleExamples})
      this->*member += other.*member;
    for (const auto &[reason, count] : other.unknownReasons)
      unknownReasons[reason] += count;
    failures.insert(failures.end(), other.failures.begin(), other.failures.end());
  }
};

/// What a program computes: the logical result, or nothing where ranks that should agree do not.
struct Outcome {
  std::vector<RankValues> parts;
  std::optional<Tensor> logical;
  std::string error;
};

constexpr int64_t mostFailures = 4;

class Judge {
public:
  Judge() {
    context.loadDialect<MusterDialect, nn::NNDialect, func::FuncDialect, linalg::LinalgDialect, math::MathDialect,
                        tensor::TensorDialect, arith::ArithDialect, scf::SCFDialect>();
    context.disableMultithreading();
  }

  void judge(uint64_t seed) {
    ProgramMaker maker(seed);
    Program right = maker.makeRight();
    single = {};
    rightResult.reset();
    ++counts.programs;
    check(right, seed, "right", true);
    for (int i = 0; i < 2; ++i) {
      std::string edit;
      std::optional<Program> mutant = maker.mutate(right, edit);
      if (!mutant)
        continue;
      ++counts.mutants;
      check(*mutant, seed, edit, false);
    }
  }

  Counts counts;

private:
  static bool isClose(const Tensor &a, const Tensor &b, bool &hasNan) {
    if (a.getShape() != b.getShape())
      return false;
    for (auto [x, y] : llvm::zip(a.getElements(), b.getElements())) {
      if (!std::isfinite(x.real) || !std::isfinite(y.real)) {
        hasNan = true;
        continue;
      }
      if (!(std::abs(x.real - y.real) <= 1e-9 * (1 + std::max(std::abs(x.real), std::abs(y.real)))))
        return false;
    }
    return true;
  }

  OwningOpRef<ModuleOp> parse(const std::string &text) { return parseSourceString<ModuleOp>(text, &context); }

  Outcome run(const Program &program, ModuleOp module) {
    Interpreter interpreter(module, {.float64 = true});
    std::vector<Tensor> inputs;
    for (const ProgramOp &op : program.ops)
      if (op.kind == ProgramOp::Kind::Argument) {
        SmallVector<int64_t> shape;
        for (const Terms &terms : op.dims)
          shape.push_back(terms.front().size);
        inputs.push_back(
            makeRandom(shape, Float32Type::get(&context), 17, "x" + std::to_string(op.tag), RandomReals::Uniform, 2));
      }
    Outcome outcome;
    auto parts = interpreter.scatterInputs("f", inputs);
    if (!parts) {
      outcome.error = "scatter: " + toString(parts.takeError());
      return outcome;
    }
    auto results = interpreter.run("f", std::move(*parts));
    if (!results) {
      outcome.error = "run: " + toString(results.takeError());
      return outcome;
    }
    outcome.parts = std::move(*results);
    auto logical = interpreter.gatherResults("f", outcome.parts);
    if (logical)
      outcome.logical = std::move(logical->front());
    else
      consumeError(logical.takeError());
    return outcome;
  }

  /// The program at mesh size 1; programs that differ in collectives only share it.
  const Outcome *runSingle(const Program &program) {
    if (!program.shapes(program.single()))
      return nullptr;
    std::string text = program.text(program.single());
    auto known = single.find(text);
    if (known == single.end()) {
      OwningOpRef<ModuleOp> module = parse(text);
      known = single.emplace(text, module ? run(program, *module) : Outcome{{}, {}, "does not parse"}).first;
    }
    return &known->second;
  }

  /// At the place of the counterexample the rank does not hold the element that is wanted there.
  bool replays(const Program &program, const LayoutCounterexample &example, const Outcome &got, const Tensor &wanted) {
    int64_t rank = 0;
    for (size_t axis = 0; axis < program.mesh.size(); ++axis)
      rank = rank * program.mesh[axis] + example.coordinates[axis].second;
    SmallVector<int64_t> at;
    for (const Terms &terms : program.resultDims) {
      std::string name = "n" + std::to_string(terms.front().name);
      auto position = llvm::find_if(example.wanted, [&](const auto &pair) { return pair.first == name; });
      at.push_back(position == example.wanted.end() ? 0 : position->second);
    }
    const Tensor &part = *got.parts.front()[static_cast<size_t>(rank)];
    if (!part.contains(example.index) || !wanted.contains(at))
      return false;
    double a = part.real(example.index), b = wanted.real(at);
    return !(std::abs(a - b) <= 1e-12 * (1 + std::abs(b)));
  }

  /// Whether the program means `result` on one rank with other sizes of its reshapes: those that the text gives are for
  /// its mesh, and "1" may be 4 divided by 4 as well as 1.
  bool hasMeaning(const Program &program, const Tensor &result) {
    std::vector<size_t> reshapes;
    for (size_t i = 0; i < program.ops.size(); ++i)
      if (program.ops[i].kind == ProgramOp::Kind::Reshape)
        reshapes.push_back(i);
    int64_t tries = 0;
    std::function<bool(size_t, Program &)> search = [&](size_t next, Program &candidate) -> bool {
      if (tries > 3000)
        return false;
      if (next == reshapes.size()) {
        ++tries;
        if (!candidate.shapes(candidate.single()))
          return false;
        OwningOpRef<ModuleOp> module = parse(candidate.text(candidate.single()));
        bool hasNan = false;
        Outcome own = run(candidate, *module);
        return own.logical && isClose(*own.logical, result, hasNan);
      }
      ProgramOp &op = candidate.ops[reshapes[next]];
      const std::vector<Extent> shape = op.shape;
      std::function<bool(size_t, std::vector<bool>)> choose = [&](size_t dim, std::vector<bool> free) -> bool {
        if (dim == shape.size())
          return fitsSoFar(candidate, reshapes[next]) && search(next + 1, candidate);
        int64_t local = shape[dim].at(program.mesh);
        for (unsigned mask = 0; mask < 1u << free.size(); ++mask) {
          Extent extent;
          extent.factor = local;
          std::vector<bool> left = free;
          bool isFree = true;
          for (size_t axis = 0; axis < free.size(); ++axis)
            if (mask >> axis & 1) {
              isFree &= free[axis];
              left[axis] = false;
              extent.factor *= program.mesh[axis];
              extent.exponents[axis] = -1;
            }
          op.shape[dim] = extent;
          if (isFree && choose(dim + 1, left))
            return true;
        }
        return false;
      };
      bool found = choose(0, std::vector<bool>(program.mesh.size(), true));
      op.shape = shape;
      return found;
    };
    Program candidate = program;
    return search(0, candidate);
  }

  /// Whether the operations up to `last` are well typed on one rank.
  static bool fitsSoFar(const Program &program, size_t last) {
    Program head = program;
    head.ops.resize(last + 1);
    head.result = static_cast<int>(last);
    head.resultDims.clear();
    for (const Extent &extent : head.ops.back().shape)
      head.resultDims.push_back({Term{0, extent.at(head.single()), {}}});
    return head.shapes(head.single()).has_value();
  }

  void check(const Program &program, uint64_t seed, const std::string &edit, bool isRight) {
    std::string text = program.text(program.mesh);
    OwningOpRef<ModuleOp> module = parse(text);
    auto fail = [&](const std::string &what) {
      // The first few of each kind.
      if (++counts.failureKinds[what.substr(0, 12)] <= mostFailures)
        counts.failures.push_back(what + " (seed " + std::to_string(seed) + ", " + edit + ")\n" + text);
    };
    if (!module) {
      ++counts.generatorFaults;
      return fail("does not parse");
    }
    LayoutReport report = inferLayouts(*module);
    Verdict verdict = report.has(LayoutFinding::Kind::Refuted)   ? Verdict::Refuted
                      : report.has(LayoutFinding::Kind::Unknown) ? Verdict::Unknown
                                                                 : Verdict::Proved;
    std::string reason = report.findings.empty() ? "" : report.findings.front().message;
    if (!report.findings.empty())
      for (const auto &[location, note] : report.findings.front().notes)
        reason += "; " + note;
    Outcome got = run(program, *module);
    const Outcome *wanted = runSingle(program);
    if (!got.error.empty() || (wanted && !wanted->error.empty())) {
      ++counts.generatorFaults;
      return fail("does not run: " + got.error + (wanted ? wanted->error : ""));
    }
    bool hasNan = false;
    bool isEqual = wanted && wanted->logical && got.logical && isClose(*got.logical, *wanted->logical, hasNan);
    if (isEqual && hasNan) {
      ++counts.unjudged;
      return;
    }
    if (isRight) {
      if (!isEqual) {
        ++counts.generatorFaults;
        return fail("the generator made a wrong program");
      }
      rightResult = wanted->logical;
      if (verdict == Verdict::Refuted) {
        ++counts.falseAlarms;
        return fail("false alarm: " + reason);
      }
      if (verdict == Verdict::Unknown) {
        ++counts.rightUnknown;
        ++counts.unknownReasons["right: " + reason.substr(0, 60)];
        if (std::getenv("MUSTER_FUZZ_SHOW_UNKNOWN"))
          fail("unknown: " + reason);
      }
      return;
    }
    switch (verdict) {
    case Verdict::Proved:
      ++counts.proved;
      if (isEqual || hasNan)
        return;
      if (got.logical && hasMeaning(program, *got.logical)) {
        ++counts.otherConstants;
        return;
      }
      ++counts.unsound;
      return fail(wanted ? "proved, but the result differs" : "proved, but it has no meaning on one rank");
    case Verdict::Unknown:
      ++counts.unknown;
      counts.unknownRight += isEqual;
      ++counts.unknownReasons["mutant: " + reason.substr(0, 40)];
      return;
    case Verdict::Refuted:
      ++counts.refuted;
      if (isEqual) {
        ++counts.refutedButEqual;
        if (std::getenv("MUSTER_FUZZ_SHOW_EQUAL"))
          fail("refuted, but equal: " + reason);
      }
      for (const LayoutFinding &finding : report.findings)
        if (finding.counterexample && rightResult) {
          ++counts.examples;
          if (!replays(program, *finding.counterexample, got, *rightResult)) {
            ++counts.idleExamples;
            fail("the counterexample does not replay: " + reason);
          }
        }
      return;
    }
  }

  MLIRContext context;
  std::map<std::string, Outcome> single;
  std::optional<Tensor> rightResult; ///< of the program before edits
};

TEST(ProgramFuzz, ProofsAgreeWithRuns) {
  auto number = [](const char *name, uint64_t otherwise) {
    const char *text = std::getenv(name);
    return text ? std::strtoull(text, nullptr, 10) : otherwise;
  };
  const uint64_t programs = number("MUSTER_FUZZ_PROGRAMS", 12000), first = number("MUSTER_FUZZ_SEED", 1);
  Counts counts;
  std::mutex lock;
  std::vector<std::thread> threads;
  for (uint64_t thread = 0; thread < 2; ++thread)
    threads.emplace_back([&, thread] {
      Judge judge;
      for (uint64_t seed = first + thread; seed < first + programs; seed += 2)
        judge.judge(seed);
      std::lock_guard<std::mutex> guard(lock);
      counts.add(judge.counts);
    });
  for (std::thread &thread : threads)
    thread.join();
  std::printf(
      "%ld right programs: %ld refuted, %ld unknown; %ld mutants: %ld proved, of which %ld differ; %ld refuted, "
      "of which %ld are equal; %ld unknown, of which %ld are equal; %ld counterexamples, of which %ld do not "
      "replay; %ld not judged (NaN), %ld proved with other constants\n",
      long(counts.programs), long(counts.falseAlarms), long(counts.rightUnknown), long(counts.mutants),
      long(counts.proved), long(counts.unsound), long(counts.refuted), long(counts.refutedButEqual),
      long(counts.unknown), long(counts.unknownRight), long(counts.examples), long(counts.idleExamples),
      long(counts.unjudged), long(counts.otherConstants));
  for (const auto &[reason, count] : counts.unknownReasons)
    std::printf("  %ld unknown, %s\n", long(count), reason.c_str());
  for (const std::string &failure : counts.failures)
    std::printf("%s\n", failure.c_str());
  EXPECT_EQ(counts.generatorFaults, 0);
  // The goal of each is 0. What is left are shards that fill their dim (local size 1) and whole dims that an inserted
  // collective moves to another place; both need several movements beside unit dims. More than there is now is a fault.
  EXPECT_LE(counts.falseAlarms * 1000, counts.programs);
  EXPECT_LE(counts.unsound * 1000, counts.mutants);
  EXPECT_LE(counts.idleExamples * 50, counts.examples);
  EXPECT_LE(counts.rightUnknown * 200, counts.programs);
  EXPECT_GT(counts.refuted * 3, counts.mutants);
}

} // namespace
