// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// make-step-plan FOLDER NAME RANKS [no-tokenizer | ragged | padded | GROUPS]: writes NAME.plan of StepPlan.h (where a
// number of groups is given, with as many of RANKS ranks each), or of RaggedPlan.h, for tests of command lines. A
// padded one is a ragged one that also counts padded rows.

#include "test/unit/runtime/builder/RaggedPlan.h"
#include "test/unit/runtime/builder/StepPlan.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace {

/// Pads `rows` to multiples of 4, as the compiler does: each position by itself (sum), all to the greatest (max), or
/// the latter where it costs little (balanced).
void addPadding(muster::test::PlanBuilder &builder, uint32_t rows) {
  using muster::schema::CountOp;
  auto add = [&](CountOp op, uint32_t a, uint32_t b = 0, uint32_t c = 0) {
    return builder.instruction(op, static_cast<int32_t>(a), static_cast<int32_t>(b), static_cast<int32_t>(c));
  };
  uint32_t four = builder.constant(4), one = builder.constant(1);
  add(CountOp::Align, rows, four);
  uint32_t multiples = add(CountOp::Align, rows, four), most = add(CountOp::Greatest, multiples);
  add(CountOp::Select, one, most, multiples);
  uint32_t level = add(CountOp::Multiply, most, builder.constant(builder.ranks())),
           twice = add(CountOp::Multiply, add(CountOp::Sum, multiples), builder.constant(2));
  add(CountOp::Select, add(CountOp::Less, twice, level), multiples, most);
  add(CountOp::Select, one, add(CountOp::Greatest, rows), rows);
  add(CountOp::Align, add(CountOp::Sum, rows), four);
}

} // namespace

int main(int argc, char **argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: make-step-plan FOLDER NAME RANKS [no-tokenizer | ragged | padded | GROUPS]\n");
    return 2;
  }
  muster::test::StepPlanOptions options;
  options.ranks = static_cast<uint32_t>(std::atoi(argv[3]));
  options.tokenizer = argc < 5 || std::strcmp(argv[4], "no-tokenizer") != 0;
  options.groups = argc < 5 ? 0 : static_cast<uint32_t>(std::max(std::atoi(argv[4]), 0));
  std::filesystem::create_directories(argv[1]);
  if (argc > 4 && std::strcmp(argv[4], "ragged") == 0) {
    muster::test::PlanBuilder ragged({{"dp", options.ranks}});
    muster::test::buildRagged(ragged, 8, 12, /*isDivided=*/true);
    std::printf("%s\n", ragged.write(argv[1], argv[2]).c_str());
    return 0;
  }
  if (argc > 4 && std::strcmp(argv[4], "padded") == 0) {
    muster::test::PlanBuilder padded({{"dp", options.ranks}});
    muster::test::buildRagged(padded, 16, 20);
    addPadding(padded, 0); // the rows are the first count
    std::printf("%s\n", padded.write(argv[1], argv[2]).c_str());
    return 0;
  }
  muster::test::PlanBuilder builder = muster::test::stepPlan(options);
  std::printf("%s\n", builder.write(argv[1], argv[2]).c_str());
  return 0;
}
