// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Analysis/FunctionInference.h"
#include "compiler/Analysis/Monotone.h"
#include "compiler/Layout/Compare.h"
#include "compiler/Layout/NormalForm.h"
#include "compiler/Layout/Readings.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace muster;
using layout::ComputeRule;
using layout::Outcome;
using layout::Refusal;
using layout::Size;

//===----------------------------------------------------------------------===//
// Rules
//===----------------------------------------------------------------------===//

void FunctionInference::inferRule(Operation *op, const ComputeRule &rule, ArrayRef<mlir::Value> operands) {
  SmallVector<Known, 4> knowns;
  for (mlir::Value operand : operands) {
    if (!mayCompute(op, operand))
      return;
    knowns.push_back(get(operand));
  }
  std::optional<SmallVector<Known, 1>> results = applyRule(op, rule, knowns);
  if (!results)
    return;
  for (auto [result, known] : llvm::zip(op->getResults(), *results))
    set(result, std::move(known));
}

/// Whether constants are added up or multiplied along an iterator that no other operand has: their number is a number
/// of this mesh or of the program, and nothing says which.
static bool addsCountedConstants(Operation *op, const layout::ComputeRule &rule, const layout::ComputeRule &others,
                                 ArrayRef<Known> operands) {
  auto walks = [](const layout::ComputeRule &own, size_t operand, size_t iterator) {
    return llvm::is_contained(own.operands[operand], static_cast<int64_t>(iterator));
  };
  for (size_t iterator = 0; iterator < rule.iterators.size(); ++iterator) {
    if (rule.iterators[iterator] != layout::IteratorKind::Sum &&
        rule.iterators[iterator] != layout::IteratorKind::Product)
      continue;
    bool isOthers = llvm::any_of(llvm::seq<size_t>(0, others.operands.size()),
                                 [&](size_t operand) { return walks(others, operand, iterator); });
    for (size_t operand = 0; operand < operands.size() && !isOthers; ++operand) {
      if (operands[operand].kind != Known::Kind::Uniform || operands[operand].isZero || !walks(rule, operand, iterator))
        continue;
      auto type =
          operand < op->getNumOperands() ? dyn_cast<RankedTensorType>(op->getOperand(operand).getType()) : nullptr;
      bool isOne = type && static_cast<size_t>(type.getRank()) == rule.operands[operand].size() &&
                   llvm::all_of(llvm::seq<unsigned>(0, type.getRank()), [&](unsigned dim) {
                     return rule.operands[operand][dim] != static_cast<int64_t>(iterator) || type.getDimSize(dim) == 1;
                   });
      if (!isOne)
        return true;
    }
  }
  return false;
}

std::optional<SmallVector<Known, 1>> FunctionInference::applyRule(Operation *op, const ComputeRule &rule,
                                                                  ArrayRef<Known> operands) {
  if (llvm::any_of(operands, [](const Known &operand) { return packedOf(operand).has_value(); }))
    return applyPacked(op, rule, operands);
  // Uniform operands agree with everything; the rule is asked about the others.
  ComputeRule own = rule;
  own.operands.clear();
  own.linearOperands = 0;
  own.orders.clear();
  SmallVector<const layout::Value *, 4> values;
  bool addsUniform = false;
  for (auto [index, operand] : llvm::enumerate(operands)) {
    if (operand.kind == Known::Kind::Uniform) {
      if (operand.isUnwritten) {
        Refusal refusal{Refusal::Kind::Wrong, "reads elements that nothing has written", ""};
        reportRefusal(op, refusal, 1106);
        return std::nullopt;
      }
      addsUniform |= !operand.isZero;
      continue;
    }
    if (rule.linearOperands >> index & 1)
      own.linearOperands |= 1u << own.operands.size();
    if (index < rule.orders.size())
      own.orders.push_back(rule.orders[index]);
    own.operands.push_back(rule.operands[index]);
    values.push_back(&operand.value);
  }
  if (addsCountedConstants(op, rule, own, operands)) {
    Refusal refusal{Refusal::Kind::Unknown,
                    "adds up as many constants as a dim has that nothing else has: on one rank it may be longer",
                    "how many one rank adds up: a number of the text, or a sum along a dim of an argument"};
    reportRefusal(op, refusal, 1108);
    return std::nullopt;
  }
  if (values.empty()) {
    Known uniform;
    uniform.kind = Known::Kind::Uniform;
    return SmallVector<Known, 1>(op->getNumResults(), uniform);
  }
  if (addsUniform && rule.linearity == layout::Linearity::Additive)
    own.linearity = layout::Linearity::NonLinear; // a constant added to each part would count once per rank
  // A dim that only a uniform operand walks is as long as the result says.
  SmallVector<std::optional<Size>, 6> fresh(rule.iterators.size());
  for (auto [index, result] : llvm::enumerate(op->getResults()))
    if (index < rule.results.size())
      if (auto type = dyn_cast<RankedTensorType>(result.getType()))
        for (unsigned dim = 0; dim < type.getRank(); ++dim)
          if (int64_t iterator = rule.results[index][dim]; iterator != layout::noIterator && !type.isDynamicDim(dim))
            fresh[static_cast<size_t>(iterator)] = Size(type.getDimSize(dim));
  auto results = layout::compute(scope.universe, own, values, fresh);
  if (!results) {
    Refusal refusal = results.getRefusal();
    // Blocks that travel in a ring: each rank computes its diagonal block now and the others later.
    bool isRing =
        refusal.cause == Refusal::Cause::SharedAxis &&
        op->getParentOfType<func::FuncOp>().walk([](PermuteOp) { return WalkResult::interrupt(); }).wasInterrupted();
    if (isRing && refusal.kind == Refusal::Kind::Wrong) {
      refusal.kind = Refusal::Kind::Unknown;
      refusal.missingFact = "that the blocks of all ranks are computed in turn (the rules do not follow rings)";
    }
    if (refusal.kind == Refusal::Kind::Wrong && mayNotMatter(op, own, values)) {
      refusal.kind = Refusal::Kind::Unknown;
      refusal.missingFact = keptFact;
    }
    reportRefusal(op, refusal, refusal.cause == Refusal::Cause::Reduction ? 1105 : 1106);
    return std::nullopt;
  }
  if (llvm::any_of(operands, isPartOfExtremum))
    markUncovered("a function of parts of a maximum");
  if (scope.universe.hasLoose)
    markUncovered("shards of which ranks were handed copies, beside a dim that has them by name");
  if (!scope.universe.uncovered.empty())
    markUncovered(scope.universe.uncovered);
  for (const layout::Value *value : values)
    for (const layout::Dim &dim : value->dims)
      if (values.size() > 1 && !layout::isDuplicates(dim) &&
          llvm::any_of(dim.digits, [](const layout::Digit &digit) { return digit.isCopy; }))
        markUncovered("copies that a broadcast made as positions of a dim");
  SmallVector<Known, 1> knowns;
  for (layout::Value &value : *results) {
    Known known;
    known.kind = Known::Kind::Digits;
    known.value = std::move(value);
    knowns.push_back(std::move(known));
  }
  return knowns;
}

const KeptParts *FunctionInference::keptAt(Operation *op) {
  if (!callStack.empty() || op->getBlock() != &entry.getBody().front())
    return nullptr;
  if (!keptParts)
    keptParts = std::make_unique<KeptParts>(entry, live);
  return keptParts.get();
}

bool FunctionInference::mayNotMatter(Operation *op, const ComputeRule &rule, ArrayRef<const layout::Value *> operands) {
  const KeptParts *kept = op->getNumResults() == 1 ? keptAt(op) : nullptr;
  if (!kept)
    return false;
  SmallVector<unsigned, 2> dims;
  if (std::optional<unsigned> dim = kept->partDim(op->getResult(0)))
    dims.push_back(*dim);
  if (rule.linearity == layout::Linearity::Additive)
    llvm::append_range(dims, kept->summedDims(op->getResult(0)));
  // Is it right if all operands agree along the dim?
  return llvm::any_of(dims, [&](unsigned dim) {
    int64_t iterator = rule.results.front()[dim];
    layout::Dim agreed;
    std::vector<layout::Value> own;
    for (auto [walked, operand] : llvm::zip(rule.operands, operands)) {
      own.push_back(*operand);
      own.back().history.reset();
      for (auto [other, known] : llvm::zip(walked, own.back().dims)) {
        if (iterator == layout::noIterator || other != iterator)
          continue;
        if (agreed.digits.empty())
          agreed = constantDim(known.localSize(), "positions that may not matter");
        known = agreed;
      }
      layout::normalise(own.back());
    }
    SmallVector<const layout::Value *, 4> values;
    for (const layout::Value &value : own)
      values.push_back(&value);
    return !agreed.digits.empty() && layout::compute(scope.universe, rule, values);
  });
}

static layout::IteratorKind kindOf(nn::IteratorKind kind) {
  switch (kind) {
  case nn::IteratorKind::Parallel:
    return layout::IteratorKind::Parallel;
  case nn::IteratorKind::Sum:
    return layout::IteratorKind::Sum;
  case nn::IteratorKind::Maximum:
    return layout::IteratorKind::Maximum;
  case nn::IteratorKind::Whole:
    return layout::IteratorKind::Whole;
  }
  llvm_unreachable("unknown iterator kind");
}

static ComputeRule ruleOf(const nn::IterationRule &declared) {
  ComputeRule rule;
  for (const nn::Iterator &iterator : declared.iterators) {
    rule.iterators.push_back(kindOf(iterator.kind));
    rule.names.push_back(iterator.name.str());
  }
  for (const nn::DimIterators &dims : declared.operands)
    rule.operands.push_back(llvm::SmallVector<int64_t, 4>(dims));
  for (const nn::DimIterators &dims : declared.results)
    rule.results.push_back(llvm::SmallVector<int64_t, 4>(dims));
  rule.linearity = declared.linearity == nn::Linearity::Multilinear ? layout::Linearity::Multilinear
                   : declared.linearity == nn::Linearity::Additive  ? layout::Linearity::Additive
                                                                    : layout::Linearity::NonLinear;
  rule.linearOperands = declared.linearOperands;
  return rule;
}

//===----------------------------------------------------------------------===//
// nn
//===----------------------------------------------------------------------===//

void FunctionInference::inferHeads(Operation *op, int64_t heads, int64_t headDim, bool isSplit) {
  const layout::Value *input = digitsOf(op, op->getOperand(0));
  if (!input)
    return;
  SmallVector<Size, 4> shape;
  Size rows = input->dims[0].localSize();
  if (isSplit) {
    std::optional<Size> local = layout::divide(input->dims[1].localSize(), Size(headDim));
    if (!local) {
      Refusal refusal{Refusal::Kind::Wrong, "dim 1 is no multiple of head_dim", ""};
      return reportRefusal(op, refusal, 1106);
    }
    shape = {rows, *local, Size(headDim)};
  } else {
    shape = {rows, input->dims[1].localSize() * Size(headDim)};
  }
  // The logical number of heads settles what the shards are: they divide heads, never head_dim.
  layout::Value read;
  if (isSplit) {
    auto isLogical = [&](const layout::Value &reading) {
      Size logical = 1;
      for (const layout::Digit &digit : reading.dims[1].digits)
        logical *= digit.count;
      return logical == Size(heads * headDim);
    };
    // Shards of a dim of one element float: then a reading has them in it.
    if (!input->dims[1].isSegmented() && !isLogical(*input))
      for (layout::Value &reading : layout::readingsOf(scope.universe, *input))
        if (isLogical(reading)) {
          read = std::move(reading);
          input = &read;
          break;
        }
    if (!input->dims[1].isSegmented() && !isLogical(*input)) {
      Refusal refusal{Refusal::Kind::Wrong,
                      "expected " + std::to_string(heads) + " heads of " + std::to_string(headDim) + " but dim 1 is " +
                          print(scope.universe, input->dims[1]),
                      ""};
      return reportRefusal(op, refusal, 1106);
    }
  }
  SmallVector<std::optional<Size>, 3> onOneRank{std::nullopt, Size(isSplit ? heads : heads * headDim)};
  if (isSplit)
    onOneRank.push_back(Size(headDim));
  Outcome<layout::Value> result = layout::reshape(scope.universe, *input, shape, onOneRank);
  if (result && isSplit)
    for (const layout::Digit &digit : result->dims[2].digits)
      if (digit.stride.isOne() && digit.count == Size(headDim))
        scope.universe.spaces[digit.space].runs.push_back(digit.count);
  // Heads that a collective hands out stay heads, even where a rank keeps one only: they are no part of head_dim.
  if (result && isSplit)
    for (layout::Digit &digit : result->dims[1].digits)
      if (!digit.isMesh())
        digit.home = digit.stride;
  if (result && isSplit && shape[1].isOne()) {
    // One head a rank: the shards float and belong to the heads.
    for (layout::Dim &dim : result->dims)
      dim.anchors.clear();
    for (const layout::Digit &digit : input->dims[1].digits)
      if (digit.isMesh())
        result->dims[1].anchors.push_back({digit.space, digit.stride});
    SmallVector<layout::Digit, 2> moved;
    llvm::erase_if(result->dims[2].digits, [&](const layout::Digit &digit) {
      if (digit.isMesh())
        moved.push_back(digit);
      return digit.isMesh();
    });
    for (layout::Digit &digit : moved) {
      digit.home = digit.stride;
      digit.isAmbiguous = false;
      result->floats.push_back(digit);
    }
  }
  setOrReport(op, op->getResult(0), std::move(result), 1106);
}

bool FunctionInference::checkFirstRow(nn::GatherRowsOp op) {
  const Known &table = get(op.getTable());
  if (table.kind != Known::Kind::Digits || !op.getFirst())
    return true;
  auto wrong = [&](const std::string &what) {
    Refusal refusal{Refusal::Kind::Wrong, what, ""};
    reportRefusal(op, refusal, 1106);
    return false;
  };
  if (std::optional<layout::SpaceId> own = layout::ownRowsOf(scope.universe, table.value.dims[0]);
      own && !layout::segmentsOf(scope.universe, *scope.universe.spaces[*own].rows).isOne())
    return checkFirstOfRows(op, *own);
  // The first row is where the rank's part begins: sum of coordinate * stride over the mesh digits of the rows.
  std::optional<CoordinateTerms> found = coordinateTermsOf(op.getFirst());
  if (!found) {
    Refusal refusal{Refusal::Kind::Unknown, "the first row is no sum of coordinates times sizes",
                    "the first row as muster.coordinate times the rows of a rank"};
    reportRefusal(op, refusal, 1108);
    return false;
  }
  CoordinateTerms terms = std::move(*found);
  CoordinateTerms wanted;
  auto want = [&](const layout::Digit &digit) {
    wanted.push_back({digit.axis, digit.stride});
    return digit.weight.isOne();
  };
  for (const layout::Digit &digit : table.value.dims[0].digits)
    if (digit.isMesh() && !want(digit))
      return wrong("the table's rows are spread over a part of an axis");
  // Where a rank has one row, the digits stand beside the dim: those of other spaces than the columns'.
  for (const layout::Digit &digit : table.value.floats) {
    const auto &columns = table.value.dims[1].digits;
    if (llvm::any_of(columns, [&](const layout::Digit &column) { return column.space == digit.space; }))
      continue;
    if (columns.empty() || !want(digit)) {
      Refusal refusal{Refusal::Kind::Unknown,
                      "the table's rows are spread over a part of an axis, or are not told from its columns",
                      "a table with more than one column"};
      reportRefusal(op, refusal, 1108);
      return false;
    }
  }
  llvm::erase_if(terms, [&](auto &term) { return scope.universe.axes[term.first].size.isOne(); });
  auto isBefore = [](const auto &a, const auto &b) { return a.first < b.first; }; // an axis divides once
  llvm::sort(terms, isBefore);
  llvm::sort(wanted, isBefore);
  if (terms != wanted)
    return wrong("the first row is not where the rank's part of the table begins: " +
                 print(scope.universe, table.value.dims[0]));
  return true;
}

void FunctionInference::inferCacheAppend(nn::CacheAppendOp op) {
  auto state = symbols.lookupNearestSymbolFrom<StateOp>(op, op.getStateAttr());
  FailureOr<RankedTensorType> local =
      getLocalType(state.getLogicalType(), state.getLayout(), mesh, [](const Twine &) {});
  if (failed(local)) {
    Refusal refusal{Refusal::Kind::Wrong, "the layout of state @" + state.getSymName().str() + " does not fit", ""};
    return reportRefusal(op, refusal, 1107);
  }
  Outcome<layout::Value> held = scope.valueOfSymbol(state.getSymName(), state.getLayout(), *local);
  if (!held)
    return reportRefusal(op, held.getRefusal(), 1107);
  const layout::Value *rows = digitsOf(op, op.getRows()), *slots = rows ? digitsOf(op, op.getSlots()) : nullptr;
  if (!rows || !slots)
    return;
  if (!rows->isFull() || !slots->isFull()) {
    Refusal refusal{Refusal::Kind::Wrong, "appends rows that are still to be reduced", ""};
    return reportRefusal(op, refusal, 1105);
  }
  auto refuse = [&](const Refusal &refusal, const std::string &what) {
    Refusal own = refusal;
    own.message = what + ": " + own.message;
    reportRefusal(op, own, 1106);
  };
  if (auto refusal = layout::disagreement(scope.universe, rows->dims[0], slots->dims[0]))
    return refuse(*refusal, "rows and slots do not agree");
  if (scope.hasRows()) {
    SmallVector<Known, 2> segments{get(op.getRows()), get(op.getSlots())};
    if (!takeSegments(op, segments, {&*held}))
      return;
  }
  // Every rank that holds a part of the state sees all rows of its sequences, so rows may be spread only as pages are.
  for (const layout::Digit &digit : rows->dims[0].digits) {
    bool isPaged = llvm::any_of(held->dims[0].digits,
                                [&](const layout::Digit &page) { return page.isMesh() && page.axis == digit.axis; });
    if (digit.isMesh() && !isPaged) {
      Refusal refusal{Refusal::Kind::Wrong,
                      "the rows are spread over '" + scope.universe.axes[digit.axis].name + "' but the state @" +
                          state.getSymName().str() + " is not: " + print(scope.universe, rows->dims[0]),
                      ""};
      return reportRefusal(op, refusal, 1106);
    }
  }
  for (const layout::Value &reading : layout::readingsOf(scope.universe, *rows)) {
    for (const layout::Value &target : layout::readingsOf(scope.universe, *held)) {
      auto heads = layout::disagreement(scope.universe, reading.dims[1], target.dims[2]);
      auto dims = layout::disagreement(scope.universe, reading.dims[2], target.dims[3]);
      if (!heads && !dims && reading.floats.size() == target.floats.size())
        return;
    }
  }
  if (auto refusal = layout::disagreement(scope.universe, rows->dims[1], held->dims[2]))
    return refuse(*refusal, "the heads of the rows are not those of the state");
  if (auto refusal = layout::disagreement(scope.universe, rows->dims[2], held->dims[3]))
    return refuse(*refusal, "the head dim of the rows is not that of the state");
  Refusal refusal{Refusal::Kind::Wrong, "the rows vary over another axis than the state", ""};
  reportRefusal(op, refusal, 1106);
}

void FunctionInference::inferAttention(nn::AttentionOp op) {
  SmallVector<layout::Value, 2> states;
  for (FlatSymbolRefAttr name : {op.getKeysAttr(), op.getValuesAttr()}) {
    auto state = symbols.lookupNearestSymbolFrom<StateOp>(op, name);
    FailureOr<RankedTensorType> local =
        getLocalType(state.getLogicalType(), state.getLayout(), mesh, [](const Twine &) {});
    if (failed(local)) {
      Refusal refusal{Refusal::Kind::Wrong, "the layout of state @" + state.getSymName().str() + " does not fit", ""};
      return reportRefusal(op, refusal, 1107);
    }
    Outcome<layout::Value> held = scope.valueOfSymbol(state.getSymName(), state.getLayout(), *local);
    if (!held) {
      reportRefusal(op, held.getRefusal(), 1107);
      return;
    }
    states.push_back(std::move(*held));
  }
  const layout::Value *query = digitsOf(op, op.getQuery());
  if (!query)
    return;
  auto refuse = [&](Refusal refusal, const std::string &what) {
    refusal.message = what + ": " + refusal.message;
    reportRefusal(op, refusal, 1106);
  };
  // Keys and values hold the same heads; each query head meets those of its group.
  if (auto refusal = layout::disagreement(scope.universe, states[0].dims[2], states[1].dims[2]))
    return refuse(*refusal, "keys and values do not agree");
  std::optional<Refusal> heads;
  for (const layout::Value &reading : layout::readingsOf(scope.universe, *query)) {
    for (const layout::Value &keys : layout::readingsOf(scope.universe, states[0])) {
      heads = layout::groupedHeadsDisagreement(scope.universe, reading.dims[1], keys.dims[2]);
      if (!heads)
        break;
    }
    if (!heads)
      break;
  }
  if (heads)
    return refuse(*heads, "query and key-value heads do not agree");
  inferSegmented(op, ruleOf(op.getIterationRule()),
                 {op.getQuery(), op.getPositions(), op.getQueryStarts(), op.getBlockTable()}, {&states[0], &states[1]});
}

//===----------------------------------------------------------------------===//
// All
//===----------------------------------------------------------------------===//

bool muster::isZeroNumber(mlir::Value number) {
  return matchPattern(number, m_AnyZeroFloat()) || matchPattern(number, m_Zero());
}

bool FunctionInference::inferCompute(Operation *op) {
  if (std::optional<Refusal> refusal = refuseDeadReads(op)) {
    reportRefusal(op, *refusal, 1106);
    return true;
  }
  auto uniform = [&](bool isZero) {
    Known known;
    known.kind = Known::Kind::Uniform;
    known.isZero = isZero;
    set(op->getResult(0), known);
    return true;
  };
  if (auto load = dyn_cast<LoadOp>(op)) {
    auto weight = symbols.lookupNearestSymbolFrom<WeightOp>(op, load.getWeightAttr());
    setOrReport(op, load.getResult(),
                scope.valueOfSymbol(weight.getSymName(), weight.getLayout(),
                                    cast<RankedTensorType>(load.getResult().getType())),
                1107);
    return true;
  }
  if (isa<tensor::EmptyOp>(op)) {
    Known unwritten;
    unwritten.kind = Known::Kind::Uniform;
    unwritten.isUnwritten = true;
    set(op->getResult(0), std::move(unwritten));
    return true;
  }
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    auto type = dyn_cast<RankedTensorType>(constant.getType());
    if (!type)
      return true;
    auto elements = dyn_cast<DenseElementsAttr>(constant.getValue());
    if (elements && elements.isSplat())
      return uniform(isZeroNumber(constant.getResult()));
    layout::Value value; // the same numbers on every rank, positions of their own
    for (int64_t size : type.getShape()) {
      layout::Dim dim;
      layout::Digit digit;
      digit.count = size;
      digit.stride = 1;
      digit.space = scope.universe.addSpace({"constant", Size(size)});
      dim.digits.push_back(digit);
      value.dims.push_back(dim);
    }
    layout::normalise(value);
    set(op->getResult(0), std::move(value));
    return true;
  }
  if (auto splat = dyn_cast<tensor::SplatOp>(op))
    return uniform(isZeroNumber(splat.getInput()));
  if (auto fill = dyn_cast<linalg::FillOp>(op))
    return uniform(isZeroNumber(fill.getInputs()[0]));
  if (auto append = dyn_cast<nn::CacheAppendOp>(op)) {
    inferCacheAppend(append);
    return true;
  }
  if (auto attention = dyn_cast<nn::AttentionOp>(op)) {
    inferAttention(attention);
    return true;
  }
  if (auto split = dyn_cast<nn::SplitHeadsOp>(op)) {
    inferHeads(op, static_cast<int64_t>(split.getHeads()), static_cast<int64_t>(split.getHeadDim()), true);
    return true;
  }
  if (auto merge = dyn_cast<nn::MergeHeadsOp>(op)) {
    inferHeads(op, static_cast<int64_t>(merge.getHeads()), static_cast<int64_t>(merge.getHeadDim()), false);
    return true;
  }
  if (auto gather = dyn_cast<nn::GatherRowsOp>(op); gather && !checkFirstRow(gather))
    return true;
  if (auto rule = dyn_cast<nn::IterationRuleOpInterface>(op)) {
    SmallVector<mlir::Value, 4> operands;
    for (mlir::Value operand : op->getOperands())
      if (isa<RankedTensorType>(operand.getType()))
        operands.push_back(operand);
    auto gather = dyn_cast<nn::GatherRowsOp>(op);
    const Known *table = gather ? &get(gather.getTable()) : nullptr;
    if (table && table->kind == Known::Kind::Digits && layout::hasRows(scope.universe, table->value.dims[0])) {
      // Rows of the rank's own, or of all by numbers that a whole batch shares: where all are, or among the rank's own
      // from its first row on.
      const Known &indices = get(gather.getIndices());
      bool isOwn = indices.kind != Known::Kind::Digits || layout::hasRows(scope.universe, indices.value.dims[0]) ||
                   (!layout::allRowsOf(scope.universe, table->value.dims[0]) && !gather.getFirst());
      if (isOwn)
        inferSegmented(op, ruleOf(rule.getIterationRule()), operands, {});
      else
        inferRule(op, ruleOf(rule.getIterationRule()), operands);
      return true;
    }
    inferRule(op, ruleOf(rule.getIterationRule()), operands);
    return true;
  }
  if (auto generate = dyn_cast<tensor::GenerateOp>(op)) {
    inferGenerate(generate);
    return true;
  }
  if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op)) {
    inferLinalg(linalgOp);
    return true;
  }
  // Selections that take it judge the sum.
  if (auto sum = dyn_cast<arith::AddFOp>(op); sum && isFirstRanksSum(sum)) {
    markUncovered("what only the first rank adds to a sum");
    fail(op);
    return true;
  }
  // Elementwise arithmetic on tensors.
  if (op->hasTrait<OpTrait::Elementwise>() && op->getNumResults() == 1 &&
      isa<RankedTensorType>(op->getResult(0).getType())) {
    ComputeRule rule;
    auto rank = cast<RankedTensorType>(op->getResult(0).getType()).getRank();
    SmallVector<int64_t, 4> dims;
    for (int64_t dim = 0; dim < rank; ++dim) {
      rule.iterators.push_back(layout::IteratorKind::Parallel);
      rule.names.push_back("d" + std::to_string(dim));
      dims.push_back(dim);
    }
    SmallVector<mlir::Value, 4> operands;
    for (mlir::Value operand : op->getOperands())
      if (isa<RankedTensorType>(operand.getType())) {
        rule.operands.push_back(dims);
        operands.push_back(operand);
      }
    rule.results.push_back(dims);
    rule.linearity = isa<arith::AddFOp, arith::SubFOp>(op)                              ? layout::Linearity::Additive
                     : isa<arith::MulFOp>(op) && op->getOperand(0) != op->getOperand(1) ? layout::Linearity::Multilinear
                     : isa<arith::NegFOp, arith::ExtFOp, arith::TruncFOp>(op)           ? layout::Linearity::Multilinear
                                                                                        : layout::Linearity::NonLinear;
    // A quotient is linear in what is divided, a choice between a number and zero in the number.
    if (isa<arith::DivFOp>(op) && op->getOperand(0) != op->getOperand(1))
      rule.linearOperands = 1;
    if (auto choice = dyn_cast<arith::SelectOp>(op); choice && get(choice.getFalseValue()).isZero)
      rule.linearOperands = isa<RankedTensorType>(choice.getCondition().getType()) ? 2 : 1;
    SmallVector<Known, 4> knowns;
    if (llvm::any_of(operands, [&](mlir::Value operand) { return isPartOfExtremum(get(operand)); }))
      for (mlir::Value operand : operands)
        knowns.push_back(get(operand));
    setOrders(rule, knowns, [&](ArrayRef<size_t> some, std::optional<layout::Reduction> joint) {
      auto of = [&](mlir::Value other) {
        bool isOne = llvm::any_of(some, [&](size_t i) { return operands[i] == other; });
        return isOne ? layout::Order::Kept : layout::Order::Independent;
      };
      return orderOf(op, of, joint);
    });
    inferRule(op, rule, operands);
    return true;
  }
  return false;
}
