// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The proof of transferred programs: what is proved of a program is proved of its transfers, and an edit of a box that
// shows in a run is not proved.
#include "compiler/Analysis/LayoutInference.h"
#include "compiler/Transforms/Passes.h"
#include "dialects/Plan/IR/PlanDialect.h"
#include "test/unit/compiler/Analysis/ProgramRunner.h"
#include "test/unit/compiler/Analysis/RightProgram.h"

#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace muster;
using namespace muster::test;

namespace {

bool lower(ModuleOp module) {
  PassManager manager(module.getContext());
  manager.addPass(createResolveSizesPass());
  manager.addPass(createLowerCollectivesPass());
  return succeeded(manager.run(module));
}

bool isProved(const LayoutReport &report) {
  return !report.has(LayoutFinding::Kind::Refuted) && !report.has(LayoutFinding::Kind::Unknown);
}

/// Whether both ran, and every rank holds the same but for rounding; what is no number counts as equal.
bool isClose(const ProgramRun &a, const ProgramRun &b) {
  if (!a.error.empty() || !b.error.empty())
    return false;
  bool hasNan = false;
  return llvm::all_of(llvm::zip(a.parts.front(), b.parts.front()),
                      [&](auto pair) { return muster::test::isClose(*std::get<0>(pair), *std::get<1>(pair), hasNan); });
}

/// Changes one amount of one transfer. False where nothing changed.
bool edit(ModuleOp module, Dice &dice) {
  auto pick = [&](size_t count) { return static_cast<size_t>(dice.below(static_cast<int64_t>(count))); };
  SmallVector<plan::TransferOp> transfers;
  module.walk([&](plan::TransferOp op) { transfers.push_back(op); });
  if (transfers.empty())
    return false;
  plan::TransferOp op = transfers[pick(transfers.size())];
  StringRef names[] = {op.getSourceStridesAttrName(), op.getDestinationStridesAttrName(), op.getSourceOffsetAttrName(),
                       op.getDestinationOffsetAttrName(), op.getExtentsAttrName()};
  StringRef name = names[pick(5)];
  AffineMap map = op->getAttrOfType<AffineMapAttr>(name).getValue();
  SmallVector<AffineExpr> results(map.getResults());
  MLIRContext *context = module.getContext();
  if (results.size() > 1) {
    size_t i = pick(results.size()), j = pick(results.size());
    // Two dims of one size may as well change places: another program, but one that all ranks agree on.
    if (op.getExtents().getResult(static_cast<unsigned>(i)) == op.getExtents().getResult(static_cast<unsigned>(j)))
      return false;
    if (dice.chance(2))
      std::swap(results[i], results[j]);
    else
      results[i] = results[i] * (1 + dice.below(3));
  } else {
    unsigned axes = map.getNumDims() / 2;
    AffineExpr coordinate = getAffineDimExpr(static_cast<unsigned>(pick(map.getNumDims())), context);
    switch (dice.below(4)) {
    case 0: // another coordinate
      results[0] = results[0].replace(getAffineDimExpr(static_cast<unsigned>(pick(2 * axes)), context), coordinate);
      break;
    case 1: // a coordinate more
      results[0] = results[0] + coordinate * (1 + dice.below(6));
      break;
    case 2: // other steps
      results[0] = results[0] * (2 + dice.below(2));
      break;
    default: // none
      results[0] = getAffineConstantExpr(0, context);
    }
  }
  AffineMap changed = AffineMap::get(map.getNumDims(), map.getNumSymbols(), results, context);
  op->setAttr(name, AffineMapAttr::get(changed));
  return changed != map;
}

TEST(TransferProof, AgreesWithTheProgramAndWithRuns) {
  ProgramRunner runner;
  int64_t proved = 0, lost = 0, edits = 0, provedButDifferent = 0, refuted = 0, unknown = 0, equal = 0;
  for (uint64_t seed = 1; seed <= 4000; ++seed) {
    Dice dice(seed);
    Program program = makeRight(dice);
    std::string text = program.text(program.mesh);
    OwningOpRef<ModuleOp> module = runner.parse(text);
    ASSERT_TRUE(module);
    if (!isProved(inferLayouts(*module)))
      continue;
    ASSERT_TRUE(lower(*module)) << text;
    LayoutReport report = inferLayouts(*module);
    ++proved;
    if (!isProved(report)) {
      ++lost;
      EXPECT_FALSE(report.has(LayoutFinding::Kind::Refuted)) << "seed " << seed << "\n" << text;
      std::printf("seed %lu: %s\n", static_cast<unsigned long>(seed), report.findings.front().message.c_str());
      continue;
    }
    ProgramRun wanted = runner.run(program, *module);
    ASSERT_EQ(wanted.error, "") << text;
    for (int i = 0; i < 3; ++i) {
      OwningOpRef<ModuleOp> mutant = module->clone();
      if (!edit(*mutant, dice) || failed(verify(*mutant)))
        continue;
      ++edits;
      LayoutReport other = inferLayouts(*mutant);
      ProgramRun got = runner.run(program, *mutant);
      bool isEqual = isClose(wanted, got);
      equal += isEqual;
      refuted += other.has(LayoutFinding::Kind::Refuted);
      unknown += !isProved(other) && !other.has(LayoutFinding::Kind::Refuted);
      if (!isProved(other) || isEqual)
        continue;
      ++provedButDifferent;
      std::printf("seed %lu: proved, but the run %s\n", static_cast<unsigned long>(seed),
                  got.error.empty() ? "differs" : "fails");
      mutant->dump();
    }
  }
  std::printf("%ld proved programs, of which %ld are not proved as transfers; %ld edits of boxes: %ld refuted, %ld "
              "unknown, %ld equal; %ld proved though they differ\n",
              long(proved), long(lost), long(edits), long(refuted), long(unknown), long(equal),
              long(provedButDifferent));
  EXPECT_GE(proved, 3900);
  // Dims of one element that the strides of a box do not tell apart.
  EXPECT_LE(lost, 3);
  EXPECT_GE(edits - equal, 2000);
  EXPECT_EQ(provedButDifferent, 0);
}

} // namespace
