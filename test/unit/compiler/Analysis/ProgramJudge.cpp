// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "test/unit/compiler/Analysis/ProgramJudge.h"

#include "test/unit/compiler/Analysis/ProgramEdits.h"
#include "test/unit/compiler/Analysis/RightProgram.h"

#include <cmath>
#include <cstdlib>
#include <functional>
#include <set>

using namespace mlir;
using namespace muster;
using namespace muster::reference;
using namespace muster::test;

static constexpr int64_t mostFaultsOfAKind = 4;

void FuzzCounts::add(const FuzzCounts &other) {
  for (auto member :
       {&FuzzCounts::programs, &FuzzCounts::falseAlarms, &FuzzCounts::rightUnknown, &FuzzCounts::mutants,
        &FuzzCounts::proved, &FuzzCounts::provedButDifferent, &FuzzCounts::provedOtherConstants, &FuzzCounts::refuted,
        &FuzzCounts::refutedButEqual, &FuzzCounts::unknown, &FuzzCounts::unknownButEqual, &FuzzCounts::examples,
        &FuzzCounts::idleExamples, &FuzzCounts::unjudged, &FuzzCounts::generatorFaults})
    this->*member += other.*member;
}

std::string FuzzCounts::text() const {
  auto count = [](int64_t number) { return std::to_string(number); };
  return count(programs) + " right programs: " + count(falseAlarms) + " refuted, " + count(rightUnknown) +
         " unknown; " + count(mutants) + " mutants: " + count(proved) + " proved, of which " +
         count(provedButDifferent) + " differ and " + count(provedOtherConstants) +
         " are right with other constants; " + count(refuted) + " refuted, of which " + count(refutedButEqual) +
         " are equal; " + count(unknown) + " unknown, of which " + count(unknownButEqual) + " are equal; " +
         count(examples) + " counterexamples, of which " + count(idleExamples) + " do not replay; " + count(unjudged) +
         " not judged";
}

void ProgramJudge::judge(uint64_t seed, bool isWide) {
  Dice dice(seed);
  Program right = makeRight(dice, isWide);
  runner.forget();
  rightResult.reset();
  ++counts.programs;
  judge(right, "seed " + std::to_string(seed) + ", right", true);
  for (int i = 0; i < 2; ++i) {
    std::string edit;
    std::optional<Program> mutant = mutate(right, dice, edit);
    if (!mutant)
      continue;
    ++counts.mutants;
    judge(*mutant, "seed " + std::to_string(seed) + ", " + edit, false);
  }
}

void ProgramJudge::fault(const std::string &what) {
  if (++faultKinds[what.substr(0, 12)] <= mostFaultsOfAKind)
    faults.push_back(what + " (" + current + ")");
}

/// Whether at the place of the counterexample the rank does not hold what the right program holds there.
bool ProgramJudge::replays(const Program &program, const LayoutCounterexample &example, const ProgramRun &got) {
  int64_t rank = 0;
  for (size_t axis = 0; axis < program.mesh.size(); ++axis)
    rank = rank * program.mesh[axis] + example.coordinates[axis].second;
  SmallVector<int64_t> at;
  for (const Terms &terms : program.resultDims) {
    std::string name = "n" + std::to_string(terms.front().name);
    auto position = llvm::find_if(example.wanted, [&](const auto &pair) { return pair.first == name; });
    at.push_back(position == example.wanted.end() ? 0 : position->second);
  }
  if (got.parts.empty())
    return true; // the ranks parted before that
  const Tensor &part = *got.parts.front()[static_cast<size_t>(rank)];
  if (!part.contains(example.index) || !rightResult->contains(at))
    return false;
  double a = part.real(example.index), b = rightResult->real(at);
  return !(std::abs(a - b) <= 1e-12 * (1 + std::abs(b)));
}

/// Whether the operations up to `last` are well typed on one rank.
static bool fitsSoFar(const Program &program, size_t last) {
  Program head = program;
  head.ops.resize(last + 1);
  return head.shapesOfOps(head.single()).has_value();
}

/// Elements of a value on one rank; 0 where the operations before it are not well typed there.
static int64_t sizeOnOneRank(const Program &program, int value) {
  Program head = program;
  head.ops.resize(static_cast<size_t>(value) + 1);
  std::optional<std::vector<Sizes>> shapes = head.shapesOfOps(head.single());
  int64_t size = shapes ? 1 : 0;
  for (int64_t dim : shapes ? shapes->back() : Sizes())
    size *= dim;
  return size;
}

/// Whether the program means `result` on one rank with other sizes of its reshapes: those that the text gives are for
/// its mesh, and "1" may be 4 divided by 4 as well as 1.
bool ProgramJudge::hasOtherConstants(const Program &program, const Tensor &result) {
  std::vector<size_t> reshapes;
  for (size_t i = 0; i < program.ops.size(); ++i)
    if (program.ops[i].kind == ProgramOp::Kind::Reshape)
      reshapes.push_back(i);
  int64_t tries = 0;
  std::function<bool(size_t, Program &)> search = [&](size_t next, Program &candidate) -> bool {
    if (tries > 1000000)
      return false;
    if (next == reshapes.size()) {
      ++tries;
      if (!candidate.shapes(candidate.single()))
        return false;
      OwningOpRef<ModuleOp> module = runner.parse(candidate.text(candidate.single()));
      bool hasNan = false;
      ProgramRun own = runner.run(candidate, *module);
      return own.logical && isClose(*own.logical, result, hasNan);
    }
    ProgramOp &op = candidate.ops[reshapes[next]];
    const std::vector<Extent> shape = op.shape;
    // Each size is the local one times or divided by sizes of axes; the product is that of the operand.
    std::function<bool(size_t, int64_t)> choose = [&](size_t dim, int64_t left) -> bool {
      if (dim == shape.size())
        return left == 1 && fitsSoFar(candidate, reshapes[next]) && search(next + 1, candidate);
      int64_t local = shape[dim].at(program.mesh);
      std::set<int64_t> sizes;
      std::function<void(size_t, Extent)> multiply = [&](size_t axis, Extent extent) {
        if (axis == program.mesh.size()) {
          int64_t size = extent.at(program.single());
          if (size > 0 && left % size == 0 && sizes.insert(size).second) {
            op.shape[dim] = extent;
            if (choose(dim + 1, left / size))
              sizes.insert(0);
          }
          return;
        }
        int64_t count = program.mesh[axis];
        for (int power : {0, -1, 1}) {
          if (count == 1 && power != 0)
            continue;
          Extent more = extent;
          more.exponents[axis] = power;
          if (power == -1)
            more.factor *= count;
          else if (power == 1 && more.factor % count != 0)
            continue;
          else if (power == 1)
            more.factor /= count;
          multiply(axis + 1, more);
          if (sizes.contains(0))
            return;
        }
      };
      multiply(0, Extent{local, {}});
      return sizes.contains(0);
    };
    bool found = choose(0, sizeOnOneRank(candidate, op.operands.front()));
    op.shape = shape;
    return found;
  };
  Program candidate = program;
  return search(0, candidate);
}

static std::string reasonOf(const LayoutReport &report) {
  if (report.findings.empty())
    return "";
  std::string reason = report.findings.front().message;
  for (const auto &[location, note] : report.findings.front().notes)
    reason += "; " + note;
  return reason;
}

void ProgramJudge::judge(const Program &program, const std::string &edit, bool isRight) {
  std::string text = program.text(program.mesh);
  current = edit + ")\n" + text + "(end";
  OwningOpRef<ModuleOp> module = runner.parse(text);
  if (!module) {
    ++counts.generatorFaults;
    return fault("does not parse");
  }
  LayoutReport report = inferLayouts(*module);
  ProgramRun got = runner.run(program, *module);
  const ProgramRun *wanted = runner.runSingle(program);
  // An edit may let ranks take different ways: then it is not what one rank computes.
  bool isDivergent = !isRight && StringRef(got.error).contains("to be equal on all ranks");
  if ((!got.error.empty() && !isDivergent) || (wanted && !wanted->error.empty())) {
    ++counts.generatorFaults;
    return fault("does not run: " + got.error + (wanted ? wanted->error : ""));
  }
  bool hasNan = false;
  bool isEqual = wanted && wanted->logical && got.logical && isClose(*got.logical, *wanted->logical, hasNan);
  if (isEqual && hasNan)
    ++counts.unjudged;
  else if (isRight)
    judgeRight(report, wanted, isEqual);
  else
    judgeMutant(program, report, got, wanted != nullptr, isEqual, hasNan);
}

void ProgramJudge::judgeRight(const LayoutReport &report, const ProgramRun *wanted, bool isEqual) {
  if (!isEqual) {
    ++counts.generatorFaults;
    return fault("the generator made a wrong program");
  }
  rightResult = wanted->logical;
  if (report.has(LayoutFinding::Kind::Refuted)) {
    ++counts.falseAlarms;
    fault("false alarm: " + reasonOf(report));
  } else if (report.has(LayoutFinding::Kind::Unknown)) {
    ++counts.rightUnknown;
    ++unknownReasons["right: " + reasonOf(report).substr(0, 60)];
    if (std::getenv("MUSTER_FUZZ_SHOW_UNKNOWN"))
      fault("unknown: " + reasonOf(report));
  }
}

void ProgramJudge::judgeMutant(const Program &program, const LayoutReport &report, const ProgramRun &got,
                               bool hasMeaning, bool isEqual, bool hasNan) {
  if (report.has(LayoutFinding::Kind::Refuted)) {
    ++counts.refuted;
    if (isEqual) {
      ++counts.refutedButEqual;
      if (std::getenv("MUSTER_FUZZ_SHOW_EQUAL"))
        fault("refuted, but equal: " + reasonOf(report));
    }
    for (const LayoutFinding &finding : report.findings)
      if (finding.counterexample && rightResult) {
        ++counts.examples;
        if (!replays(program, *finding.counterexample, got)) {
          ++counts.idleExamples;
          fault("the counterexample does not replay: " + reasonOf(report));
        }
      }
    return;
  }
  if (report.has(LayoutFinding::Kind::Unknown)) {
    ++counts.unknown;
    counts.unknownButEqual += isEqual;
    ++unknownReasons["mutant: " + reasonOf(report).substr(0, 40)];
    return;
  }
  ++counts.proved;
  if (isEqual || hasNan)
    return;
  // What the program holds that was edited is right, whatever the sizes on one rank are.
  bool isAsBefore = got.logical && rightResult && isClose(*got.logical, *rightResult, hasNan);
  if (isAsBefore || (got.logical && hasOtherConstants(program, *got.logical))) {
    ++counts.provedOtherConstants;
    return;
  }
  ++counts.provedButDifferent;
  fault(hasMeaning ? "proved, but the result differs" : "proved, but it has no meaning on one rank");
}
