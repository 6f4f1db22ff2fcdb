// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Inside of the check of counts (CountCheck.h): one walk through an entry and what it calls.

#ifndef MUSTER_COMPILER_ANALYSIS_COUNTCHECKER_H
#define MUSTER_COMPILER_ANALYSIS_COUNTCHECKER_H

#include "compiler/Analysis/CountBounds.h"
#include "compiler/Analysis/CountCheck.h"
#include "compiler/Analysis/CountInference.h"
#include "compiler/Analysis/SplitCheck.h"
#include "compiler/Analysis/Uniformity.h"
#include "dialects/NN/IR/NNDialect.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/StringSet.h"

namespace muster {

/// Holds every operation that moves rows, or has room for some, against its counts.
class CountChecker {
public:
  using AxisSet = llvm::SmallDenseSet<unsigned, 4>;

  explicit CountChecker(CountReport &report) : report(report) {}

  void checkFunction(mlir::func::FuncOp function, MeshAttr mesh);

private:
  /// A function in one of its calls.
  struct Frame {
    CountInference &inference;
    const Uniformity &uniformity;
  };

  void walk(Frame frame, mlir::Block &block);
  void check(Frame frame, mlir::Operation &op);
  /// An operation of the group `axes` that takes a dim of `tensor`, of which a rank has a part or the whole, by
  /// `counts`.
  void checkMoved(Frame frame, mlir::Operation &op, mlir::Value tensor, int64_t dim, mlir::Value counts,
                  const AxisSet &group, bool isPart);
  /// The same in equal parts: what is gathered must be of one size, what is handed out must divide.
  void checkEqualParts(Frame frame, mlir::Operation &op, mlir::Value tensor, int64_t dim, mlir::ArrayAttr axes,
                       bool isPart);
  void checkRedistribute(Frame frame, RedistributeOp op);
  /// A rank's rows of a dim, by counts that its group knows.
  void checkOwn(Frame frame, mlir::Operation &op, mlir::Value tensor, uint64_t dim,
                mlir::TypedValue<CountsType> counts);
  /// That `padded` are the padded counts of `live`. Where rows are added, room for them is enough.
  void checkPadding(Frame frame, mlir::Operation &op, mlir::Value live, mlir::Value padded, bool isAdded);
  /// That two children, in this order, have the rows `whole` of their parent.
  void checkChildren(Frame frame, mlir::Operation &op, const CountTerm *whole, mlir::Value first, mlir::Value second);
  /// Notes who the children of a batch are, in order. False where it was said otherwise before: that is reported.
  bool areInOrder(mlir::Operation &op, llvm::StringRef parent, mlir::Value first, mlir::Value second);
  void startChildren(mlir::func::FuncOp function);
  /// That `first` is where the rank's rows in dim 0 of `table` begin.
  void checkFirstRow(Frame frame, mlir::Operation &op, mlir::Value table, mlir::Value first);
  void checkExchange(Frame frame, ExchangeCountsOp op);
  /// What touches a state, by the batch of its rows.
  void checkState(Frame frame, mlir::Operation &op);
  void checkCarried(mlir::Operation &op);
  /// That `needed` is at most what `room` has, where rows of unequal parts are in it.
  void checkRoom(mlir::Operation &op, const CountTerm *needed, const CountTerm *room, llvm::StringRef what);
  /// The same of any rows.
  void checkFits(mlir::Operation &op, const CountTerm *needed, const CountTerm *room, llvm::StringRef what);
  void reportRoom(mlir::Operation &op, const CountTerm *needed, const CountTerm *room, llvm::StringRef what,
                  const CountDifference &difference);
  /// That two sizes that must be the same are, where rows of unequal parts are in them.
  void checkSame(mlir::Operation &op, const CountTerm *first, const CountTerm *size, llvm::StringRef what);
  void checkStructured(Frame frame, mlir::linalg::LinalgOp op);
  void checkIterated(Frame frame, nn::IterationRuleOpInterface op);
  void checkStarts(Frame frame, nn::AttentionOp op);
  void checkElementwise(Frame frame, mlir::Operation &op);
  void checkExpanded(Frame frame, mlir::tensor::ExpandShapeOp op);
  void checkSlices(Frame frame, mlir::Operation &op);
  void checkBegin(mlir::Operation &op, const CountTerm *offset, llvm::StringRef what);
  void checkCapacity(Frame frame, CheckCountOp op);
  /// That what a rank receives is what the others send it, and that there is room for as much as can come.
  void checkRouted(Frame frame, AllToAllVOp op);
  void checkHistogram(Frame frame, nn::HistogramOp op);
  /// How many indices a histogram counts, at most.
  const CountTerm *countedBy(Frame frame, nn::HistogramOp op);

  bool isUndefined(mlir::Operation &op, const CountTerm *term, llvm::StringRef what);
  void add(int number, mlir::Operation &op, const llvm::Twine &message, llvm::ArrayRef<LayoutMessage::Note> notes = {});

  CountReport &report;
  CountTerms *terms = nullptr;
  llvm::DenseSet<std::pair<mlir::Operation *, int>> reported;
  llvm::DenseSet<mlir::Operation *> counted;
  llvm::StringSet<> epochs;
  /// An exchange of a field, by the calls on the way to it, outermost first, and the operation.
  struct Exchange {
    Countable what;
    std::string field;
    llvm::SmallVector<mlir::Operation *, 2> chain;
  };
  void walkCall(Frame frame, mlir::func::CallOp call);
  void addExchange(Exchange exchange);
  std::map<std::pair<Countable, std::string>, std::vector<Exchange>> exchanges;
  std::vector<Exchange> made; ///< all of them, in order
  llvm::SmallVector<mlir::Operation *, 2> chain;
  /// Findings of room for fewer rows than come, with the number for which there is room.
  struct Exceeded {
    size_t finding;
    const CountTerm *needed;
    int64_t room;
  };
  std::vector<Exceeded> exceeded;
  /// Functions in calls with the same arguments, each with what it exchanges.
  std::map<std::pair<const CountInference *, const Uniformity *>, std::vector<Exchange>> walked;
  /// Of the function that nobody calls.
  CountBounds *bounds = nullptr;
  mlir::func::FuncOp entry;
  /// Two children of a batch: as the function says, where a sequence may be cut, or as its operations take them.
  std::optional<BatchSplit> split;
  bool isSplitSaid = false;
  struct Children {
    std::string first, second;
    mlir::Operation *op; ///< that says so
  };
  std::map<std::string, Children> children; ///< by batch
  StateOrder states;
};

} // namespace muster

#endif // MUSTER_COMPILER_ANALYSIS_COUNTCHECKER_H
