// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Analysis/KeptParts.h"

#include "dialects/Muster/IR/MusterDialect.h"
#include "dialects/NN/IR/NNDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace muster;

/// For a dim of an operand that is no dim of the result.
static constexpr int64_t noDim = -1;

using DimMap = SmallVector<int64_t, 4>;

static DimMap sameDims(Value tensor) {
  auto type = dyn_cast<RankedTensorType>(tensor.getType());
  return type ? llvm::to_vector<4>(llvm::seq<int64_t>(0, type.getRank())) : DimMap();
}

/// The dim of the smaller shape for each group of dims of the larger one that has one dim of more than one element.
static DimMap reshapedDims(RankedTensorType larger, ArrayRef<ReassociationIndices> groups, bool isCollapse) {
  DimMap dims(isCollapse ? static_cast<size_t>(larger.getRank()) : groups.size(), noDim);
  for (auto [small, group] : llvm::enumerate(groups)) {
    SmallVector<int64_t, 2> longer;
    llvm::copy_if(group, std::back_inserter(longer), [&](int64_t dim) { return larger.getDimSize(dim) != 1; });
    if (longer.size() == 1)
      dims[isCollapse ? static_cast<size_t>(longer.front()) : small] =
          isCollapse ? static_cast<int64_t>(small) : longer.front();
  }
  return dims;
}

/// By operand and dim, the dim of the one result whose index at each place is that of the operand; nullopt for
/// operations of which this is not known. Slices and concatenations move indices: they are no such operations.
static std::optional<SmallVector<DimMap, 4>> dimMapsOf(Operation *op) {
  if (op->getNumResults() != 1)
    return std::nullopt;
  SmallVector<DimMap, 4> maps;
  auto same = [&](llvm::function_ref<bool(int64_t)> isMoved) {
    maps.push_back(sameDims(op->getOperand(0)));
    for (int64_t &dim : maps.front())
      if (isMoved(dim))
        dim = noDim;
    maps.resize(op->getNumOperands());
    return std::optional(maps);
  };
  auto nothing = [](int64_t) { return false; };
  if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op)) {
    AffineMap result = linalgOp.getMatchingIndexingMap(linalgOp.getDpsInitOperand(0));
    for (OpOperand &operand : op->getOpOperands()) {
      DimMap dims;
      for (AffineExpr expr : linalgOp.getMatchingIndexingMap(&operand).getResults()) {
        auto *place = isa<AffineDimExpr>(expr) ? llvm::find(result.getResults(), expr) : result.getResults().end();
        dims.push_back(place == result.getResults().end() ? noDim : place - result.getResults().begin());
      }
      maps.push_back(std::move(dims));
    }
    return maps;
  }
  if (auto rule = dyn_cast<nn::IterationRuleOpInterface>(op)) {
    nn::IterationRule own = rule.getIterationRule();
    size_t next = 0;
    for (Value operand : op->getOperands()) {
      maps.emplace_back();
      if (!isa<RankedTensorType>(operand.getType()) || next == own.operands.size())
        continue;
      for (int64_t iterator : own.operands[next++]) {
        auto *place = llvm::find(own.results.front(), iterator);
        maps.back().push_back(place == own.results.front().end() ? noDim : place - own.results.front().begin());
      }
    }
    return maps;
  }
  if (op->hasTrait<OpTrait::Elementwise>()) {
    for (Value operand : op->getOperands())
      maps.push_back(sameDims(operand));
    return maps;
  }
  if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op)) {
    maps.push_back(reshapedDims(collapse.getSrcType(), collapse.getReassociationIndices(), true));
    return maps;
  }
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op)) {
    maps.push_back(reshapedDims(expand.getResultType(), expand.getReassociationIndices(), false));
    maps.resize(op->getNumOperands());
    return maps;
  }
  if (isa<AllReduceOp, BroadcastOp, PermuteOp, tensor::CastOp>(op))
    return same(nothing);
  if (isa<AllGatherOp, SliceOp, ReduceScatterOp>(op))
    return same([&](int64_t dim) { return dim == op->getAttrOfType<IntegerAttr>("dim").getInt(); });
  if (auto all = dyn_cast<AllToAllOp>(op))
    return same([&](int64_t dim) {
      return dim == static_cast<int64_t>(all.getSplit()) || dim == static_cast<int64_t>(all.getConcat());
    });
  if (isa<ExchangeOp>(op))
    return same([](int64_t dim) { return dim == 0; });
  return std::nullopt;
}

KeptParts::KeptParts(func::FuncOp function, const llvm::DenseSet<Operation *> &live) : live(live) {
  for (Operation &op : llvm::reverse(function.getBody().front()))
    if (live.contains(&op))
      keepOperands(&op);
}

void KeptParts::keep(Value value, Kept own) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type)
    return;
  auto [known, isNew] = kept.try_emplace(value, own);
  Kept &all = known->second;
  if (!isNew) {
    all.isWhole |= own.isWhole || all.dim != own.dim;
    llvm::append_range(all.ranges, own.ranges);
  }
  if (all.isWhole)
    return all.ranges.clear();
  llvm::sort(all.ranges);
  Ranges merged;
  for (auto [begin, end] : all.ranges)
    if (!merged.empty() && begin <= merged.back().second)
      merged.back().second = std::max(merged.back().second, end);
    else
      merged.push_back({begin, end});
  all.ranges = std::move(merged);
  all.isWhole = all.ranges.size() == 1 && all.ranges.front().first <= 0 && !type.isDynamicDim(all.dim) &&
                all.ranges.front().second >= type.getDimSize(all.dim);
}

void KeptParts::keepOperands(Operation *op) {
  Kept whole;
  whole.isWhole = true;
  auto keepAll = [&] {
    // Regions use values of the body, too.
    op->walk([&](Operation *inner) {
      for (Value operand : inner->getOperands())
        keep(operand, whole);
    });
  };
  if (op->getNumResults() != 1)
    return keepAll();
  auto found = kept.find(op->getResult(0));
  Kept own = found == kept.end() ? whole : found->second;
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
    llvm::SmallBitVector dropped = slice.getDroppedDims();
    ArrayRef<int64_t> offsets = slice.getStaticOffsets(), sizes = slice.getStaticSizes(),
                      strides = slice.getStaticStrides();
    unsigned resultDim = 0;
    std::optional<Kept> taken;
    for (unsigned dim = 0; dim < offsets.size(); ++dim) {
      bool isOwn = !own.isWhole && !dropped.test(dim) && resultDim == own.dim;
      resultDim += !dropped.test(dim);
      if (ShapedType::isDynamic(offsets[dim]) || ShapedType::isDynamic(sizes[dim]) ||
          ShapedType::isDynamic(strides[dim]))
        continue;
      Kept part;
      part.dim = dim;
      if (isOwn && strides[dim] == 1)
        for (auto [begin, end] : own.ranges)
          part.ranges.push_back({offsets[dim] + begin, offsets[dim] + end});
      else
        part.ranges.push_back({offsets[dim], offsets[dim] + (sizes[dim] - 1) * strides[dim] + 1});
      bool isPart = part.ranges.size() != 1 || part.ranges.front().first > 0 ||
                    slice.getSourceType().isDynamicDim(dim) ||
                    part.ranges.front().second < slice.getSourceType().getDimSize(dim);
      if (isPart && (!taken || isOwn))
        taken = std::move(part);
    }
    return keep(slice.getSource(), taken ? *taken : whole);
  }
  if (auto concat = dyn_cast<tensor::ConcatOp>(op)) {
    int64_t begin = 0;
    for (Value operand : concat.getInputs()) {
      auto type = cast<RankedTensorType>(operand.getType());
      int64_t size = type.getDimSize(concat.getDim());
      if (own.isWhole || own.dim != concat.getDim() || ShapedType::isDynamic(size)) {
        keep(operand, ShapedType::isDynamic(size) ? whole : own);
        if (ShapedType::isDynamic(size))
          own = whole;
        continue;
      }
      Kept part;
      part.dim = own.dim;
      for (auto [from, to] : own.ranges)
        if (from < begin + size && to > begin)
          part.ranges.push_back({std::max(from - begin, int64_t(0)), std::min(to - begin, size)});
      begin += size;
      keep(operand, std::move(part));
    }
    return;
  }
  std::optional<SmallVector<DimMap, 4>> maps = own.isWhole ? std::nullopt : dimMapsOf(op);
  if (!maps)
    return keepAll();
  for (auto [operand, dims] : llvm::zip(op->getOperands(), *maps)) {
    auto *place = llvm::find(dims, static_cast<int64_t>(own.dim));
    Kept part = place == dims.end() ? whole : own;
    part.dim = static_cast<unsigned>(place == dims.end() ? 0 : place - dims.begin());
    keep(operand, std::move(part));
  }
  op->walk([&](Operation *inner) {
    for (Value operand : inner->getOperands())
      if (inner != op)
        keep(operand, whole);
  });
}

std::optional<unsigned> KeptParts::partDim(Value value) const {
  auto found = kept.find(value);
  return found == kept.end() || found->second.isWhole ? std::nullopt : std::optional(found->second.dim);
}

/// Whether elements of the result are sums and differences of elements, times constants of none.
static bool isAdditive(Operation *op) {
  auto isSum = [](Operation &inner) {
    return isa<arith::AddFOp, arith::SubFOp, arith::NegFOp, arith::ExtFOp, arith::TruncFOp, linalg::YieldOp>(inner);
  };
  if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op))
    return llvm::all_of(*linalgOp.getBlock(), isSum);
  return isSum(*op) || isa<AllReduceOp, AllGatherOp, SliceOp, ReduceScatterOp, AllToAllOp, ExchangeOp, BroadcastOp,
                           tensor::CastOp, tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op);
}

bool KeptParts::isSummed(Value value, unsigned dim, unsigned depth) const {
  constexpr unsigned most = 64;
  if (depth == most)
    return false;
  bool isUsed = false;
  for (OpOperand &use : value.getUses()) {
    Operation *op = use.getOwner();
    if (!live.contains(op))
      continue;
    isUsed = true;
    std::optional<SmallVector<DimMap, 4>> maps = isAdditive(op) ? dimMapsOf(op) : std::nullopt;
    if (!maps || op->getBlock() != value.getParentBlock())
      return false;
    int64_t to = (*maps)[use.getOperandNumber()][dim];
    if (to == noDim && !isa<linalg::LinalgOp>(op))
      return false; // a collective or a reshape along the dim
    if (to != noDim && !isSummed(op->getResult(0), static_cast<unsigned>(to), depth + 1))
      return false;
  }
  return isUsed;
}

llvm::SmallVector<unsigned, 2> KeptParts::summedDims(Value value) const {
  llvm::SmallVector<unsigned, 2> dims;
  auto type = dyn_cast<RankedTensorType>(value.getType());
  for (unsigned dim = 0; type && dim < type.getRank(); ++dim)
    if (isSummed(value, dim, 0))
      dims.push_back(dim);
  return dims;
}
