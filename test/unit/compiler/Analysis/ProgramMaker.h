// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Makes a right program step by step: for every value it knows what the ranks hold of it.

#ifndef MUSTER_TEST_UNIT_COMPILER_ANALYSIS_PROGRAMMAKER_H
#define MUSTER_TEST_UNIT_COMPILER_ANALYSIS_PROGRAMMAKER_H

#include "test/unit/compiler/Analysis/Dice.h"
#include "test/unit/compiler/Analysis/Program.h"

namespace muster::test {

class ProgramMaker {
public:
  explicit ProgramMaker(Dice &dice) : dice(dice) {}

  /// `isWide`: with operations of nn, parts side by side, and regions.
  Program makeRight(bool isWide);

private:
  struct Held {
    std::vector<Terms> dims;
    std::vector<int> pending;
    std::string pendingBy;
    bool isBetween = false; ///< inside a chain of movements: `dims` do not hold
  };

  int add(ProgramOp op, Held held);
  int addArgument(std::vector<Terms> dims);
  /// An argument of these dims, composite ones joined by a reshape.
  int addOperand(const std::vector<Terms> &dims);
  void step();
  void finish();
  std::vector<int> freeAxes(const Held &held) const;
  int64_t axesSize(const std::vector<int> &axes) const;
  bool mayDivide(const Term &term, const std::vector<int> &more) const;
  std::vector<int> pickFree(const Held &held);

  void merge();
  void split();
  void transpose();
  void gather();
  void slice();
  void allToAll(bool isRaw);
  void reduceNow();
  void product();
  void elementwise();
  void reduce();
  void softmax(size_t dim);

  // Of wide programs (WideSteps.cpp).
  void wideStep();
  void project();
  void rmsNorm();
  void splitHeads();
  void mergeHeads();
  void rope();
  void mask();
  void pack();
  void loop();
  void branch();
  void call();
  /// What holds the same as value `id`, by one or more operations between; with arguments where a region sees them.
  int goAndReturn(int id, bool seesArguments);

  Dice &dice;
  Program program;
  std::vector<Held> held; ///< by value
  int current = 0, names = 0;
};

} // namespace muster::test

#endif // MUSTER_TEST_UNIT_COMPILER_ANALYSIS_PROGRAMMAKER_H
