// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What is proved of a program beside what it computes.
//
// A program is right where every rank of its mesh holds the declared parts of what the same text computes on one rank.

#ifndef MUSTER_TEST_UNIT_COMPILER_ANALYSIS_PROGRAMJUDGE_H
#define MUSTER_TEST_UNIT_COMPILER_ANALYSIS_PROGRAMJUDGE_H

#include "compiler/Analysis/LayoutInference.h"
#include "test/unit/compiler/Analysis/ProgramRunner.h"

#include <map>

namespace muster::test {

/// How many programs of each sort there were. `add` sums member by member.
struct FuzzCounts {
  int64_t programs = 0;             ///< right by construction
  int64_t falseAlarms = 0;          ///< of them, refuted
  int64_t rightUnknown = 0;         ///< of them, unknown
  int64_t mutants = 0;              ///< edits of right programs
  int64_t proved = 0;               ///< of mutants
  int64_t provedButDifferent = 0;   ///< of proved: what the ranks hold is no program's result on one rank
  int64_t provedOtherConstants = 0; ///< of proved: a program of other reshape sizes on one rank; that one is proved
  int64_t refuted = 0;              ///< of mutants
  int64_t refutedButEqual = 0;      ///< of refuted: the edit shows in no number
  int64_t unknown = 0;              ///< of mutants
  int64_t unknownButEqual = 0;      ///< of unknown: the edit shows in no number
  int64_t examples = 0;             ///< counterexamples of mutants
  int64_t idleExamples = 0;         ///< of them, those at whose place the wanted number stands
  int64_t unjudged = 0;             ///< programs with numbers that are not finite
  int64_t generatorFaults = 0;      ///< programs that do not parse, do not run, or should be right and are not

  void add(const FuzzCounts &other);
  std::string text() const;
};

class ProgramJudge {
public:
  /// One right program and two edits of it, all from the seed. `isWide`: see makeRight.
  void judge(uint64_t seed, bool isWide);

  /// Whether the program means `result` on one rank with other sizes of its reshapes.
  bool hasOtherConstants(const Program &program, const reference::Tensor &result);

  FuzzCounts counts;
  /// First findings of those that are unknown.
  std::map<std::string, int64_t> unknownReasons;
  /// The first few programs of each fault.
  std::vector<std::string> faults;

private:
  void judge(const Program &program, const std::string &edit, bool isRight);
  void judgeRight(const LayoutReport &report, const ProgramRun *wanted, bool isEqual);
  void judgeMutant(const Program &program, const LayoutReport &report, const ProgramRun &got, bool hasMeaning,
                   bool isEqual, bool hasNan);
  bool replays(const Program &program, const LayoutCounterexample &example, const ProgramRun &got);
  void fault(const std::string &what);

  ProgramRunner runner;
  std::optional<reference::Tensor> rightResult; ///< of the program before edits
  std::map<std::string, int64_t> faultKinds;
  std::string current; ///< seed, edit and text of the program that is judged
};

} // namespace muster::test

#endif // MUSTER_TEST_UNIT_COMPILER_ANALYSIS_PROGRAMJUDGE_H
