// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// make-step-plan FOLDER NAME RANKS [no-tokenizer | ragged | GROUPS]: writes NAME.plan of StepPlan.h (where a number of
// groups is given, with as many of RANKS ranks each), or of RaggedPlan.h, for tests of command lines.

#include "test/unit/runtime/builder/RaggedPlan.h"
#include "test/unit/runtime/builder/StepPlan.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

int main(int argc, char **argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: make-step-plan FOLDER NAME RANKS [no-tokenizer | ragged | GROUPS]\n");
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
  muster::test::PlanBuilder builder = muster::test::stepPlan(options);
  std::printf("%s\n", builder.write(argv[1], argv[2]).c_str());
  return 0;
}
