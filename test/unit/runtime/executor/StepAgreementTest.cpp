// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Records that are forged, late or contradictory: one number for all ranks, whichever of them looks.
#include "runtime/executor/StepAgreement.h"

#include "test/unit/runtime/executor/SmallPlans.h"

#include <gtest/gtest.h>
#include <limits>

using namespace muster;
using namespace muster::test;
using executor::StepAgreement;

namespace {

/// Three data-parallel groups of two: scalars "a" and "b", vector "t" over dp, "u" over (tp, dp).
class Agreement : public testing::Test {
protected:
  Agreement() {
    PlanBuilder builder({{"dp", 3}, {"tp", 2}});
    builder.input("a", 9);
    builder.input("t", 9, {0});
    builder.input("u", 9, {1, 0});
    builder.input("b", 9);
    schema::EntryT &entry = builder.addEntry("step");
    std::vector<AmountPtr> dims;
    dims.push_back(amount(1));
    builder.addPort(entry.inputs, "x", std::move(dims));
    builder.addVariant(entry, "any", 64).inputs.emplace_back(0, 64);
    plan = load(builder.write(scratchFolder(), "agreement"));
    agreement.emplace(*plan);
    record.resize(plan->counts().recordLength());
    for (uint32_t rank = 0; rank != 6; ++rank) {
      values[rank] = {3, 4 + rank / 2, rank, 5};
      ranks.push_back({{7, agreement->planMark(), 0, 0, 0, values[rank]}, ""});
    }
  }
  Status agree() { return agreement->agree(ranks, record); }

  std::shared_ptr<const plan::LoadedPlan> plan;
  std::optional<StepAgreement> agreement;
  std::vector<int64_t> values[6];
  std::vector<comm::GatheredRecord> ranks;
  std::vector<int64_t> record;
};

TEST_F(Agreement, PutsValuesAtTheirPositions) {
  EXPECT_EQ(agreement->fieldCount(), 4u);
  ASSERT_TRUE(agree().isOk());
  // a, t over dp, u over tp and then dp, b
  EXPECT_EQ(record, (std::vector<int64_t>{3, 4, 5, 6, 0, 2, 4, 1, 3, 5, 5}));
}

TEST_F(Agreement, NamesWhoContradictsWhom) {
  values[5][1] = 9;
  EXPECT_EQ(agree().text(), "E2503 expected 6 in t of the step record as on rank 4 on rank 5 but got 9");
  values[5][1] = 6;
  values[2][3] = 0;
  EXPECT_EQ(agree().text(), "E2503 expected 5 in b of the step record as on rank 0 on rank 2 but got 0");
}

// Every value of every rank, forged in every way: caught by the agreement or by the count program, or it is the only
// one to know and within its bounds.
TEST_F(Agreement, ForgedValuesDoNotPass) {
  int64_t passed = 0, caught = 0;
  std::vector<int64_t> slots(plan->counts().slots());
  for (uint32_t rank = 0; rank != 6; ++rank)
    for (size_t field = 0; field != 4; ++field) {
      int64_t right = values[rank][field];
      for (int64_t forged : {int64_t(-1), int64_t(10), right + 1, right - 1, std::numeric_limits<int64_t>::min(),
                             std::numeric_limits<int64_t>::max()}) {
        values[rank][field] = forged;
        Status status = agree();
        if (status.isOk())
          status = plan->counts().evaluate(record, slots);
        bool isAlone = field == 2, isLawful = forged >= 0 && forged <= 9;
        EXPECT_EQ(status.isOk(), isAlone && isLawful) << "rank " << rank << " field " << field << " " << forged;
        if (!status.isOk()) {
          EXPECT_EQ(status.number(), isAlone ? 2410 : 2503) << status.text();
        }
        ++(status.isOk() ? passed : caught);
      }
      values[rank][field] = right;
    }
  EXPECT_GT(passed, 5);
  EXPECT_GT(caught, 100);
}

TEST_F(Agreement, ForgedHeadsDoNotPass) {
  for (uint32_t rank = 0; rank != 6; ++rank) {
    comm::GatheredRecord right = ranks[rank];
    ranks[rank].step = 8;
    EXPECT_EQ(agree().number(), 2503);
    ranks[rank] = right;
    ranks[rank].entry = 1;
    EXPECT_EQ(agree().number(), 2503);
    ranks[rank] = right;
    ranks[rank].plan ^= 1;
    EXPECT_EQ(agree().number(), 2503);
    ranks[rank] = right;
  }
  EXPECT_TRUE(agree().isOk());
  // All of another plan: still not ours.
  for (comm::GatheredRecord &each : ranks)
    each.plan ^= 1;
  EXPECT_EQ(agree().number(), 2503);
}

TEST_F(Agreement, TheLowestRefusalSpeaksForAll) {
  for (uint32_t rank : {4u, 2u, 5u}) {
    ranks[rank].refusal = 2400 + rank;
    ranks[rank].refusalExit = 77;
    ranks[rank].text = "no";
    ranks[rank].fields = {};
  }
  ranks[0].step = 1;
  EXPECT_EQ(agree().text(), "E2402 rank 2 refused the step: no");
  EXPECT_EQ(agree().exitCode(), ExitCode::runTime);
}

} // namespace
