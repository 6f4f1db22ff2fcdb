// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The state of the inference of one entry, which the rules of the dialects share. Private to this room.

#ifndef MUSTER_COMPILER_ANALYSIS_FUNCTIONINFERENCE_H
#define MUSTER_COMPILER_ANALYSIS_FUNCTIONINFERENCE_H

#include "compiler/Analysis/CallMemo.h"
#include "compiler/Analysis/KeptParts.h"
#include "compiler/Analysis/LayoutInference.h"
#include "compiler/Analysis/Uniformity.h"

#include "compiler/Layout/Boundary.h"
#include "compiler/Layout/Compute.h"
#include "compiler/Layout/Evaluate.h"
#include "compiler/Layout/GroupedHeads.h"
#include "compiler/Layout/Movement.h"
#include "compiler/Layout/Ranges.h"
#include "compiler/Layout/Readings.h"
#include "compiler/Layout/Rows.h"
#include "dialects/NN/IR/NNDialect.h"
#include "dialects/Plan/IR/PlanDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"

#include <map>
#include <unordered_map>

namespace muster {

/// What settles a finding that may reach no result.
inline constexpr const char *keptFact =
    "whether the fault reaches a result: a part of what this makes is sliced away, or "
    "it is only added up";

/// An element that was followed back: of which value, in which segments of its dims, at which positions by space.
struct PulledElement {
  llvm::SmallVector<int64_t, 4> positions;
  mlir::Value source;
  llvm::SmallVector<unsigned, 4> segments;
  /// By space, whether the position is known; empty where all are.
  llvm::SmallVector<bool, 8> isHeld = {};
};

/// Of what holds parts of dims (Ranges.h): the element as such, and whether the parts are known to be of one tensor.
struct CutElement {
  std::optional<PulledElement> element;
  bool isOneTensor = false;
};

/// What places that were compared have shown.
struct PlaceComparison {
  PlaceComparison(const layout::Universe &universe, const layout::Value &declared);
  llvm::SmallVector<bool, 8> isDeclared; ///< by space: the declared value has positions of it
  llvm::SmallVector<int64_t, 8> fixed;   ///< of others: the one position that a slice took; -1 before the first place
  /// Where the elements of the declared segments came from at first: positions tell elements of one tensor apart, not
  /// tensors.
  std::map<llvm::SmallVector<unsigned, 4>, PulledElement> sources;
  /// That they came from several tensors.
  std::optional<LayoutFinding> mixed;
};

/// An answer about all places.
struct PlaceQuestion {
  bool isEqual = false;
  /// A place where the two differ. Neither: not decided.
  std::optional<layout::Place> difference;
};

/// What settles a finding about routed counts and rows.
inline constexpr const char *routingFact = "how routed counts and rows are meant here (the rules know rows that "
                                           "muster.all_to_all_v sends and brings home, and "
                                           "what is computed row by row between)";

/// What settles a finding where a reading was chosen.
inline constexpr const char *choiceFact =
    "which dim the shards of a dim of local size 1 belong to (give logical sizes, as nn.split_heads does)";

class FunctionInference {
public:
  FunctionInference(mlir::func::FuncOp entry, MeshAttr mesh, LayoutScope scope, mlir::SymbolTableCollection &symbols,
                    LayoutReport &report, llvm::function_ref<void(mlir::Operation *)> afterOperation,
                    LayoutCertificate *certificate)
      : entry(entry), mesh(mesh), scope(std::move(scope)), symbols(symbols), report(report),
        afterOperation(afterOperation), certificate(certificate) {}

  /// Infers the whole entry. Findings go to the report.
  void run();

  layout::Universe &getUniverse() { return scope.universe; }
  const LayoutScope &getScope() const { return scope; }

private:
  // LayoutInference.cpp
  void inferBlock(mlir::Block &block);
  void infer(mlir::Operation *op);
  void markLive(mlir::func::FuncOp function);
  void checkReturn(mlir::func::ReturnOp op);
  void checkClaim(AssertLayoutOp op);
  /// True where the value holds what the layout says; else a finding was reported, here or before.
  bool checkBoundary(mlir::Operation *op, mlir::Value value, LayoutAttr layout, const std::string &what);
  /// The same of parts of dims that no list of digits compares; nullopt where places do not tell, either.
  std::optional<bool> checkRanges(mlir::Operation *op, mlir::Value value, const layout::Value &declared,
                                  const layout::Refusal &refusal, const std::string &what, LayoutAttr layout);
  bool isArgumentMoved(mlir::Value value);
  /// Whether the result is made of parts of dims at offsets. Certificates have no map of such: their reader goes back
  /// to what was cut, place by place, and what is computed of it is not covered.
  bool isCut(mlir::Operation &op);
  /// The certificate's reader has no rule for what was just judged.
  void markUncovered(llvm::StringRef why);
  void inferCall(mlir::func::CallOp op);
  void inferBranch(mlir::scf::IfOp op);
  void inferLoop(mlir::scf::ForOp op);
  /// One turn after another until what is carried holds whichever iteration it is.
  void settleLoop(mlir::scf::ForOp op);
  /// Iteration by iteration, the induction variable a number in each. False where that is too much work; what was found
  /// is left in the report then, too.
  bool followLoop(mlir::scf::ForOp op, int64_t lower, int64_t step, int64_t trips);
  /// What is known of a value that is the one or the other; nullopt where they disagree.
  std::optional<Known> join(const Known &a, const Known &b) const;
  std::string describe(const Known &known) const;
  void reportDisagreement(mlir::Operation *op, const Known &a, const Known &b, const std::string &what);
  /// `to` is the same value as `from` (arguments of calls and loops).
  void pass(mlir::Value from, mlir::Value to);

  /// The operation from which on a scalar may differ between ranks, or from one rank (sizes of parts and of axes); null
  /// where it is what one rank has.
  mlir::Operation *divergenceOf(mlir::Value scalar) const;
  /// The same of the results of an operation that yields scalars only.
  mlir::Operation *divergenceOf(mlir::Operation *op);
  bool isSizeOfPart(mlir::tensor::DimOp op);
  /// Whether each element of a tensor stands on every rank where one rank has it.
  bool isWholeOnRanks(const Known &known) const;
  bool refuseTaken(mlir::Operation *op, mlir::Value tensor);
  /// True where the scalar may differ between ranks or from one rank: that was reported.
  bool refuseDivergence(mlir::Operation *op, mlir::Value scalar);
  /// The same of an operation's scalar operands, but for sizes of parts that make shapes.
  bool refuseOperands(mlir::Operation *op);

  // InferMovement.cpp
  bool inferMovement(mlir::Operation *op);
  void inferReshape(mlir::Operation *op, mlir::Value input);
  void inferRedistribute(RedistributeOp op);
  void inferSlice(mlir::tensor::ExtractSliceOp op);
  void inferConcat(mlir::tensor::ConcatOp op);
  bool padByConcat(mlir::tensor::ConcatOp op);
  void inferInsertSlice(mlir::tensor::InsertSliceOp op);
  std::optional<layout::Value> embed(mlir::tensor::InsertSliceOp op);
  void inferPad(mlir::tensor::PadOp op);
  void inferPermute(PermuteOp op);
  layout::Dim constantDim(const layout::Size &size, const std::string &name, const std::string &tag = {});
  /// The segments between two local positions; nullopt where one of them would be cut.
  std::optional<std::vector<layout::Dim>> segmentsIn(const layout::Dim &dim, int64_t begin, int64_t end);
  /// What a value holds between two local positions of a dim, a value for each of its segments. False where one of them
  /// cannot be cut there.
  bool addPieces(const layout::Value &value, unsigned dim, int64_t begin, int64_t end,
                 std::vector<layout::Value> &parts);
  /// A number for the tensor that a value is moved from: parts of one tensor have the same, and so have what one
  /// function computes of them. Two numbers may be of one tensor all the same.
  uint64_t tensorOf(mlir::Value value, unsigned depth = 0);
  /// Result known place by place only: sizes of the result from those of the operands. False where they are not known.
  bool inferPulled(mlir::Operation *op, const std::string &reason);

  // InferPacked.cpp
  /// The values side by side that are known of a value; nullopt where it is one value or none.
  static std::optional<layout::Packed> packedOf(const Known &known);
  /// The same as what is known of a value; as digits where they say it, unless it `isFollowed` place by place. Parts
  /// are to be reduced alike, else nullopt.
  static std::optional<Known> knownOf(layout::Packed packed, mlir::Operation *op, bool isFollowed);
  /// Moves each part. False where the parts cannot be moved one by one: nothing was reported then.
  void sliceParts(mlir::tensor::ExtractSliceOp op, const layout::Packed &packed);
  /// The value without the unit dims that a slice drops.
  layout::Outcome<layout::Value> dropDims(layout::Value value, const llvm::SmallBitVector &dropped);
  bool movePacked(mlir::Operation *op, const layout::Packed &packed);
  std::optional<layout::Value> joinParts(const layout::Packed &packed);
  /// A value whose places are told by going back, and which is computed with by positions of its own.
  static std::shared_ptr<const layout::Packed> asOnePart(layout::Value value);
  /// Parts behind one another along `dim`; nullopt where an operand has none, or is made of blocks.
  std::optional<layout::Packed> concatenate(llvm::ArrayRef<mlir::Value> operands, unsigned dim);
  /// Whole parts of a slice, or a piece of a part. Nullopt where that is not known.
  std::optional<layout::Packed> takeParts(const layout::Packed &packed, int64_t begin, int64_t end);
  std::optional<llvm::SmallVector<Known, 1>> applyPacked(mlir::Operation *op, const layout::ComputeRule &rule,
                                                         llvm::ArrayRef<Known> operands);
  std::optional<Known> addParts(mlir::Operation *op, layout::IteratorKind kind, llvm::ArrayRef<Known> parts);
  bool isConstantPart(const layout::Value &part, unsigned dim) const;
  /// The same as digitsOf, but values side by side pass, too.
  bool mayCompute(mlir::Operation *op, mlir::Value value);
  /// Whether the parts are what is declared.
  std::optional<layout::Refusal> packedBoundary(const layout::Packed &packed, const layout::Value &declared);
  /// What a movement makes of one value.
  layout::Outcome<layout::Value> move(mlir::Operation *op, const layout::Value &value);

  // InferRows.cpp
  /// Before a collective moves `value`: why it may not cut or gather rows that counts divide.
  std::optional<layout::Refusal> refuseRows(mlir::Operation *op, const layout::Value &value);
  /// The same of one dim of a redistribution.
  std::optional<layout::Refusal> refuseRows(RedistributeOp op, const layout::Value &value, unsigned dim);
  /// Why the counts are not those of the rows of a space, over the group, or not known to all of it. `isOwn`: each
  /// rank brings its own rows.
  std::optional<layout::Refusal> refuseCounts(mlir::Operation *op, mlir::Value counts, layout::SpaceId space,
                                              layout::Group group, bool isOwn);
  /// Why the counts may not count the rows of a space: what was counted is not the size of such rows.
  std::optional<layout::Refusal> refuseSource(mlir::Value counts, layout::SpaceId space);
  /// After an operation: what its results hold is rows segment by segment, and no movement without counts changed
  /// which ranks hold which segments. Reports, and forgets the results, where that is not so.
  void checkRows(mlir::Operation *op);
  /// Notes where rows and counts that do not belong together were made.
  void noteMakers(mlir::Operation *op, LayoutFinding &finding);
  /// Of operations of which an operand's numbers count from the rank's own rows: applies a rule to what the operands
  /// hold of one segment. `states` are read or written, too.
  void inferSegmented(mlir::Operation *op, const layout::ComputeRule &rule, llvm::ArrayRef<mlir::Value> tensors,
                      llvm::ArrayRef<const layout::Value *> states);
  /// The operands as one segment has them. False after a finding.
  bool takeSegments(mlir::Operation *op, llvm::SmallVectorImpl<Known> &operands,
                    llvm::ArrayRef<const layout::Value *> states);
  /// In how many dims there were such rows.
  size_t putSegmentsBack(layout::Value &value);
  /// Over which axes a value may differ, in functions that are called as this call has it; nullptr where that is not
  /// known.
  const Uniformity *uniformityAt(mlir::Operation *op) {
    return uniformityOf(op->getParentOfType<mlir::func::FuncOp>());
  }
  const Uniformity *uniformityOf(mlir::func::FuncOp function);

  // InferCounts.cpp
  /// Counts, offsets of counts, and numbers that say where rows begin.
  bool isCountLike(mlir::Value value) const;
  /// What such a value is the same as, where it was passed to a function or returned by one.
  mlir::Value originOf(mlir::Value value) const;
  template <typename Op>
  Op makerOf(mlir::Value value) const {
    return originOf(value).getDefiningOp<Op>();
  }
  void passOrigin(mlir::Value from, mlir::Value to);
  /// The same of what a call returns.
  void returnOrigin(mlir::Value origin, mlir::func::CallOp call, mlir::Value result);
  /// Whether a value stands for one thing, however often functions are called and loops run.
  bool isSteady(mlir::Value value) const;
  /// Whether one call of a function is made in a run of the entry.
  bool isRunOnce(mlir::func::FuncOp function);
  /// What counts are the same as under another name: those of a first child as they were exchanged.
  mlir::Value plainCounts(mlir::Value counts) const;
  /// Equal for counts that are the same by what they are made of.
  std::string keyOfCounts(mlir::Value counts) const;
  /// The counts that were padded, through all operations that only pad.
  mlir::Value beforePadding(mlir::Value counts) const;
  /// Whether counts are padded so that some step has more than without.
  bool mayPad(mlir::Value counts) const;
  /// What divides each of the counts, because it is padded to.
  int64_t multipleOf(mlir::Value counts) const;
  /// Whether all positions have the same count: padded to the greatest, and rounded up alike behind that.
  bool isLevel(mlir::Value counts) const;
  /// The own counts behind an exchange, or the operation that made them.
  LocalCountOp localOf(mlir::Value counts) const;

  // InferRowOps.cpp
  /// muster.pad, unpad, split_rows and join_rows; false for others.
  bool inferRowOp(mlir::Operation *op);
  void inferPadRows(PadRowsOp op);
  void inferUnpadRows(UnpadRowsOp op);
  void inferSplitRows(SplitRowsOp op);
  void inferJoinRows(JoinRowsOp op);
  /// The space of which `dim` of an operand is the rank's own rows, as the counts say; nullopt after a finding.
  std::optional<layout::SpaceId> countedRows(mlir::Operation *op, const layout::Value &value, uint64_t dim,
                                             mlir::Value counts);
  /// Whether the counts are of a space's rows; false after a finding.
  bool areCountsOf(mlir::Operation *op, mlir::Value counts, layout::SpaceId space);
  /// Rows of a space with dead ones behind each segment, by padded counts; nullopt where there are too many sizes.
  std::optional<layout::SpaceId> paddedSpace(layout::SpaceId space, PadRowsOp op);
  /// Why the padded counts may be less than those of the rows; notes what is assumed.
  std::optional<layout::Refusal> refusePadding(PadRowsOp op, layout::SpaceId space);
  /// Whether the children have the parent's rows, in this order: assumed where nothing says otherwise. False after a
  /// finding.
  bool areChildren(mlir::Operation *op, mlir::Value first, mlir::Value second, mlir::Value parent,
                   llvm::StringRef batch);
  /// Whether the number is how many rows the two children have on each rank, of which the space has the rows.
  bool isSumOfChildren(mlir::arith::AddIOp sum, layout::SpaceId parent);
  /// Why an operation that looks rows up by numbers may not: dead ones among them.
  std::optional<layout::Refusal> refuseDeadReads(mlir::Operation *op);
  /// The space to which the counts belong, of the first of its rows; nullopt where there is none.
  std::optional<layout::SpaceId> spaceOfCounts(mlir::Value counts);

  // InferRouted.cpp
  /// nn.histogram, muster.all_to_all_v and plan.exchange_rows; false for others.
  bool inferRouted(mlir::Operation *op);
  void inferHistogram(nn::HistogramOp op);
  /// `receive` may be null: what is received is what is sent then.
  void inferExchangedRows(mlir::Operation *op, mlir::Value input, mlir::Value send, mlir::Value receive,
                          mlir::ArrayAttr axes);
  /// Rows as `send` has them at the positions of the group, and home again.
  void sendRows(mlir::Operation *op, const layout::Value &input, unsigned route, layout::Group group);
  void returnRows(mlir::Operation *op, const layout::Value &input, unsigned route);
  /// Whether the value has digits of routed counts or rows, of which the rules know one reading of several: what is
  /// wrong by them may be right.
  bool isRouted(const layout::Value &value) const;
  /// The same of routed counts alone.
  bool isOfCounts(const layout::Value &value) const;
  /// Why rows that were sent are not held as they came; nullopt where all are.
  std::optional<layout::Refusal> refuseCutRoute(const layout::Value &value) const;

  // InferTransfer.cpp
  void inferTransfer(plan::TransferOp op);

  // InferListed.cpp
  /// A transfer that lists its peers; symbols are the values of `sizes`.
  void inferListed(plan::TransferOp op, const layout::Value &value, llvm::ArrayRef<layout::Size> symbols,
                   llvm::ArrayRef<layout::Size> resultShape);

  // FollowBack.cpp
  /// The positions at a place, followed back to a value of known digits. Nullopt where an operation on the way is no
  /// movement.
  std::optional<PulledElement> pull(mlir::Value value, layout::Place place);
  /// Back to a value that is not made of parts of dims; nullopt, and `cut`, where what was cut was computed with.
  std::optional<PulledElement> pullWhole(mlir::Value value, layout::Place place, CutElement &cut);
  llvm::SmallVector<layout::Size, 4> shapeOf(mlir::Value value);

  // SettlePlaces.cpp
  /// The digits of a value that was cut at places which ranks compute, if it has any: they are read off a few places
  /// and hold at all.
  std::optional<layout::Value> settle(mlir::Value value);
  /// Whether some program on one rank moves what the value was cut from as this one does: else places say nothing.
  bool hasOneRank(mlir::Value value, unsigned depth = 0);

  // ComparePlaces.cpp
  /// What is declared against what is followed back, place by place.
  std::optional<LayoutFinding> comparePlaces(mlir::Operation *op, mlir::Value value, const layout::Value &declared);
  /// The same for one choice of the symbols and at most so many places: of more a sample, or none where none may be
  /// left out. `isWhole`: none was.
  std::optional<LayoutFinding> compareInstance(mlir::Operation *op, mlir::Value value, const layout::Value &declared,
                                               llvm::ArrayRef<int64_t> symbols, int64_t most, bool mayLeaveOut,
                                               bool &isWhole);
  /// Whether a space is that of a declared result, and of nothing that any value is known to hold.
  bool isNamedByResultsOnly(layout::SpaceId space) const;
  std::optional<LayoutFinding> comparePlace(mlir::Operation *op, mlir::Value value, const layout::Value &declared,
                                            const layout::Place &place, PlaceComparison &seen);

  // CompareOnOneRank.cpp
  class OneRank;
  /// `open`: a finding that says that names do not tell what a result should hold. Nullopt where it holds what it does
  /// on one rank; else where it does not, or `open` where that is not known either.
  std::optional<LayoutFinding> compareOnOneRank(mlir::Operation *op, mlir::Value value, const layout::Value &declared,
                                                LayoutFinding open);

  // PlaceExpressions.cpp
  /// All places at once.
  PlaceQuestion askPresburger(mlir::Value value, const layout::Value &declared);

  // LayoutParting.cpp
  /// Where what `value` holds and what it should hold part, and why; nullopt where nothing can be said.
  std::optional<std::pair<mlir::Operation *, std::string>> findParting(mlir::Value value, layout::Value wanted);
  /// Explains where parts of a reduction begin that `value` still is, or where it was reduced too often.
  void noteReduction(mlir::Value value, LayoutFinding &finding);
  /// Explains where the operands come from and what they hold.
  void noteOperands(mlir::Operation *op, LayoutFinding &finding);

  // InferCompute.cpp
  bool inferCompute(mlir::Operation *op);
  void inferRule(mlir::Operation *op, const layout::ComputeRule &rule, llvm::ArrayRef<mlir::Value> operands);
  /// The same of what is known of the operands (Digits or Uniform): what the results hold; nullopt after a finding.
  std::optional<llvm::SmallVector<Known, 1>> applyRule(mlir::Operation *op, const layout::ComputeRule &rule,
                                                       llvm::ArrayRef<Known> operands);
  /// Whether what the operation may not do to its operands reaches no result: it is wrong along a dim only of which a
  /// part is sliced away, or along which its result is added up and nothing else.
  bool mayNotMatter(mlir::Operation *op, const layout::ComputeRule &rule,
                    llvm::ArrayRef<const layout::Value *> operands);
  /// Null in functions that are called and in regions.
  const KeptParts *keptAt(mlir::Operation *op);
  void inferLinalg(mlir::linalg::LinalgOp op);
  bool isWholeInOrder(const layout::Dim &dim) const;
  std::optional<std::string> overlapsWrongly(mlir::linalg::LinalgOp op, mlir::OpOperand &operand);
  std::optional<llvm::SmallVector<int64_t, 4>> dimsOfWindows(mlir::AffineMap map, Known &operand,
                                                             llvm::SmallBitVector &windows);
  // InferLookup.cpp
  /// A masked look-up in rows that are spread; false for others.
  bool inferLookup(mlir::linalg::LinalgOp op);
  void inferAttention(nn::AttentionOp op);
  void inferCacheAppend(nn::CacheAppendOp op);
  void inferHeads(mlir::Operation *op, int64_t heads, int64_t headDim, bool isSplit);
  bool checkFirstRow(nn::GatherRowsOp op);
  /// The same where counts divide the rows of the table.
  bool checkFirstOfRows(nn::GatherRowsOp op, layout::SpaceId rows);
  std::optional<llvm::SmallVector<layout::AxisId, 2>> firstRankOf(mlir::Value condition);
  std::optional<Known> onFirstRank(Known known, llvm::ArrayRef<layout::AxisId> group);
  bool inferFirstRank(mlir::arith::SelectOp op);
  bool isFirstRanksSum(mlir::arith::AddFOp op);

  // InferPositions.cpp
  /// A table of positions: the rank's rows of 0, 1, 2, ...
  void inferGenerate(mlir::tensor::GenerateOp op);
  /// An index as a sum of coordinates times sizes: axes and factors. Nullopt for anything else. `own`, if given, is
  /// an index that may be added once, and then must be.
  using CoordinateTerms = llvm::SmallVector<std::pair<layout::AxisId, layout::Size>, 2>;
  std::optional<CoordinateTerms> coordinateTermsOf(mlir::Value index, mlir::Value own = nullptr,
                                                   unsigned divisions = 0);
  /// A table of `size` positions from the sum of the terms on; nullopt where that is no part of a group.
  std::optional<layout::Value> positionTable(const layout::Size &size, const CoordinateTerms &terms);
  /// The group whose position times `size` is the sum of the terms; nullopt for anything else.
  std::optional<llvm::SmallVector<layout::AxisId, 2>> groupOfOffset(std::optional<CoordinateTerms> terms,
                                                                    std::optional<layout::Size> size);

  /// The digits of an operand; null after a finding, or where it failed before. Uniform and waiting operands are no
  /// digits.
  const layout::Value *digitsOf(mlir::Operation *op, mlir::Value value);
  const Known &get(mlir::Value value);
  void set(mlir::Value value, layout::Value known);
  void set(mlir::Value value, Known known) { knowns[value] = std::move(known); }
  void fail(mlir::Operation *op);
  void assume(mlir::Operation *op, std::string what);
  /// Because `operand` failed: without another finding where there is one.
  void failQuietly(mlir::Operation *op, mlir::Value operand);
  static std::string nameOf(mlir::Value value);
  void reportRefusal(mlir::Operation *op, const layout::Refusal &refusal, int number);
  /// That `op` needs more of a value than its places, followed back. Stands where its digits were lost.
  void reportNoDigits(mlir::Operation *op, const Known &known);
  /// Sets the result, or reports why there is none.
  void setOrReport(mlir::Operation *op, mlir::Value result, layout::Outcome<layout::Value> outcome, int number);

  /// An index value at one place, from constants, sizes, induction variables of loops that are followed and, where
  /// `place` is given, coordinates. Nullopt for anything else.
  std::optional<int64_t> indexAt(mlir::Value index, const layout::Place *place, unsigned depth = 0);
  std::optional<int64_t> indexAt(mlir::OpFoldResult index, const layout::Place *place);
  /// Whether every rank can tell the number.
  bool isKnownOnRanks(mlir::OpFoldResult index);
  /// An index value as a size.
  std::optional<layout::Size> sizeOf(mlir::Value index, unsigned depth = 0);
  std::optional<layout::Size> sizeOf(mlir::OpFoldResult size);
  /// Local sizes of a tensor type, dynamic ones from `reified` or what was inferred.
  std::optional<layout::Size> localSizeOf(mlir::Value tensor, unsigned dim);

  mlir::func::FuncOp entry;
  MeshAttr mesh;
  LayoutScope scope;
  mlir::SymbolTableCollection &symbols; ///< of the module
  LayoutReport &report;
  llvm::function_ref<void(mlir::Operation *)> afterOperation;
  LayoutCertificate *certificate; ///< may be null
  struct HashOfValue {
    size_t operator()(mlir::Value value) const { return hash_value(value); }
  };
  /// What stands in it stays where it is: callers hold on to what is known of one value while they set another.
  std::unordered_map<mlir::Value, Known, HashOfValue> knowns;
  llvm::DenseSet<mlir::Operation *> live;
  llvm::SmallVector<mlir::Operation *, 4> callStack;
  /// By function on it: the call, and a number for this look at the body.
  llvm::SmallVector<std::pair<mlir::func::CallOp, uint64_t>, 4> frames;
  uint64_t looks = 0;
  /// What originOf answers, of arguments and results.
  llvm::DenseMap<mlir::Value, mlir::Value> origins;
  /// Scalars that may differ between ranks, each with the operation where that begins.
  llvm::DenseMap<mlir::Value, mlir::Operation *> divergent;
  CallMemo calls;
  /// Induction variables of the loops that are followed, in this iteration.
  llvm::DenseMap<mlir::Value, int64_t> loopIndices;
  /// Iterations that a loop may have to be followed, and operations in all of them together.
  static constexpr int64_t mostTrips = 64, mostFollowed = int64_t(1) << 16;
  int64_t followed = 0;
  /// Values of which isCut was true; only where there is a certificate.
  llvm::DenseSet<mlir::Value> cutValues;
  /// What tensorOf answered, and what loops carry; the former is forgotten with each iteration.
  llvm::DenseMap<mlir::Value, uint64_t> tensors, carriedTensors;
  /// The number of a tensor by what makes it.
  std::map<std::vector<uint64_t>, uint64_t> tensorNumbers;
  /// Regions and calls around the operation that is judged. The walk is recursive, and a stack is 8 MB.
  unsigned nesting = 0;
  static constexpr unsigned mostNesting = 400;
  /// Index arithmetic that is read through: operations in each other.
  static constexpr unsigned mostArithmetic = 12;
  /// Findings of this entry begin here.
  size_t firstFinding = 0;
  /// The sizes of values on one rank for which results were proved (compareOnOneRank).
  llvm::DenseMap<mlir::Value, llvm::SmallVector<int64_t, 4>> sizesOnOneRank;
  /// Dims of parts that were joined (joinParts), by what the parts are.
  llvm::StringMap<layout::SpaceId> joined;
  /// Spaces of one segment of rows, by the space of all.
  llvm::SmallDenseMap<layout::SpaceId, layout::SpaceId, 4> segmentSpaces;
  /// How rows were padded, by number: the counts, and the operation that did it first.
  struct Padding {
    std::string key;
    mlir::Operation *op;
  };
  llvm::SmallVector<Padding, 1> paddings;
  /// Counts that nn.histogram made: the row of a matrix of senders and receivers on each rank.
  struct Route {
    nn::HistogramOp counts;
    layout::SpaceId bins, senders;           ///< of its columns and rows
    layout::Dim rows;                        ///< that are counted
    std::map<int64_t, layout::SpaceId> sent; ///< the rows where they go, by the room for them
  };
  llvm::SmallVector<Route, 1> routes;
  /// By padded space, the space that was padded; by that space and the padding, the padded one.
  llvm::SmallDenseMap<layout::SpaceId, layout::SpaceId, 2> unpadded;
  std::map<std::pair<layout::SpaceId, unsigned>, layout::SpaceId> padded;
  /// Rows of a batch and of its two children.
  struct Family {
    layout::SpaceId parent, first, second;
  };
  llvm::SmallVector<Family, 1> families;
  /// By batch, its children in order, and whether it was asked already.
  llvm::StringMap<std::pair<std::string, std::string>> children;
  bool hasChildren = false;
  /// Counts that were taken for rows because a step's record says so, by unit and batch.
  llvm::StringMap<std::string> countsOfRows;
  std::unique_ptr<KeptParts> keptParts;   ///< of the entry, once something was wrong in it
  std::unique_ptr<Uniformity> uniformity; ///< of the entry, where rows are divided by counts
  /// Spaces of which all elements are alike (padding).
  llvm::DenseSet<layout::SpaceId> constantSpaces;
};

layout::Reduction reductionOf(ReductionKind kind);

/// Part i of `dim`, of one part for each position of the group, goes to position i; part j is that of position j.
layout::Outcome<layout::Value> exchangeParts(const layout::Universe &universe, const layout::Value &value,
                                             layout::Group group, unsigned dim);

/// Segments side by side as one dim.
layout::Dim joinSegments(std::vector<layout::Dim> segments);

/// The segment of each dim in which a place lies; 0 in dims without segments.
llvm::SmallVector<unsigned, 4> segmentsAt(const layout::Value &value, const layout::Place &place);

/// Whether a number is the constant zero.
bool isZeroNumber(mlir::Value number);

/// Whether elements of the result are elements of operands, of places that can be told.
bool isPlainMovement(mlir::Operation *op);

/// The tensor that an operation moves as a whole (reshapes, transpositions, collectives that add nothing up); null for
/// others.
mlir::Value movedOperand(mlir::Operation *op);

} // namespace muster

#endif // MUSTER_COMPILER_ANALYSIS_FUNCTIONINFERENCE_H
