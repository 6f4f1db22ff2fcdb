// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One arena a rank, one variant for each capacity. Within a variant every span has a constant offset; spans whose
// lifetimes do not meet share bytes. Offsets are equal on all ranks, because nothing here knows a rank.
//
// Where a variant's bounds leave a count nothing (`t.a = 0`: a batch that is not split), steps that work on it only
// have nothing to do on any rank: it has none of them.
#include "compiler/Transforms/Passes.h"
#include "compiler/Transforms/SizeBounds.h"
#include "compiler/Transforms/TransferUsers.h"
#include "dialects/Muster/IR/MusterDialect.h"
#include "dialects/Plan/IR/PlanDialect.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace muster;

namespace muster {
#define GEN_PASS_DEF_PLANMEMORYPASS
#include "compiler/Transforms/Passes.h.inc"
} // namespace muster

namespace {

constexpr int64_t spanAlignment = 64;

FailureOr<int64_t> getSpanBytes(plan::SpanOp span, DictionaryAttr bounds) {
  RankedTensorType type = span.getType().getTensor();
  int64_t bytes = llvm::divideCeil(type.getElementTypeBitWidth(), 8);
  unsigned next = 0;
  for (int64_t size : type.getShape()) {
    if (ShapedType::isDynamic(size)) {
      FailureOr<int64_t> bound = SizeBounds(bounds).getGreatest(span.getSizes()[next++]);
      if (failed(bound))
        return failure();
      size = *bound;
    }
    if (llvm::MulOverflow(bytes, size, bytes) || bytes > std::numeric_limits<int64_t>::max() - spanAlignment)
      return span.emitOpError() << "E4032 expected sizes below 2^63 bytes but this span overflows";
  }
  return static_cast<int64_t>(llvm::alignTo(std::max<int64_t>(bytes, 1), spanAlignment));
}

struct Lifetime {
  plan::SpanOp span;
  int64_t bytes;
  int64_t first, last; // steps, both included
  int64_t offset = -1;
};

bool isStep(Operation &op) {
  return isa<plan::LaunchStepOp, plan::MatmulStepOp, plan::TransferStepOp, plan::ExchangeRowsStepOp>(op);
}

/// Places the spans of one variant, largest first, each at the lowest offset that no living neighbour holds.
LogicalResult placeSpans(plan::VariantOp variant) {
  DenseMap<Operation *, int64_t> number;
  int64_t steps = 0;
  for (Operation &op : variant.getBody().front())
    if (isStep(op))
      number[&op] = steps++;
  SmallVector<Lifetime> lifetimes;
  for (auto span : variant.getBody().front().getOps<plan::SpanOp>()) {
    FailureOr<int64_t> bytes = getSpanBytes(span, variant.getBounds());
    if (failed(bytes))
      return failure();
    Lifetime life{span, *bytes, steps, -1};
    for (Operation *user : span->getUsers()) {
      life.first = std::min(life.first, number[user]);
      life.last = std::max(life.last, number[user]);
      // Read until somebody needs the result: so no step before that has to wait for the transfer to write here.
      auto transfer = dyn_cast<plan::TransferStepOp>(user);
      if (transfer && transfer.getStream() != 0 && transfer.getSource() == span.getResult()) {
        Operation *needs = getFirstUser(transfer);
        life.last = std::max(life.last, needs ? number[needs] : steps);
      }
    }
    if (span.getRole() == StringRef("input"))
      life.first = -1, life.last = std::max<int64_t>(life.last, -1);
    if (span.getRole() == StringRef("result"))
      life.last = steps;
    lifetimes.push_back(life);
  }
  SmallVector<Lifetime *> order;
  for (Lifetime &life : lifetimes)
    order.push_back(&life);
  llvm::sort(order, [](Lifetime *a, Lifetime *b) {
    return std::tuple(-a->bytes, a->first, a) < std::tuple(-b->bytes, b->first, b);
  });
  int64_t arena = 0;
  SmallVector<Lifetime *> placed;
  for (Lifetime *life : order) {
    SmallVector<Lifetime *> neighbours;
    for (Lifetime *other : placed)
      if (other->first <= life->last && life->first <= other->last)
        neighbours.push_back(other);
    llvm::sort(neighbours, [](Lifetime *a, Lifetime *b) { return a->offset < b->offset; });
    int64_t offset = 0;
    for (Lifetime *other : neighbours) {
      if (other->offset - offset >= life->bytes)
        break;
      offset = std::max(offset, other->offset + other->bytes);
    }
    if (life->bytes > std::numeric_limits<int64_t>::max() - offset)
      return variant.emitOpError() << "E4032 expected an arena below 2^63 bytes but this one overflows";
    life->offset = offset;
    life->span.setOffset(offset);
    life->span->setAttr("bytes", IntegerAttr::get(IntegerType::get(variant.getContext(), 64), life->bytes));
    arena = std::max(arena, offset + life->bytes);
    placed.push_back(life);
  }
  variant.setArenaBytes(arena);
  return success();
}

/// Whether a span of the arena never has an element; failure where its sizes have no bound.
FailureOr<bool> isNeverFilled(Value span, DictionaryAttr bounds) {
  auto own = span.getDefiningOp<plan::SpanOp>();
  if (!own)
    return false;
  for (Value size : own.getSizes()) {
    FailureOr<int64_t> greatest = SizeBounds(bounds).getGreatest(size);
    if (failed(greatest))
      return failure();
    if (*greatest == 0)
      return true;
  }
  return false;
}

/// Whether a step writes nothing on any rank. Transfers and products write what their result has room for, kernels the
/// elements of what they write. States are written by rows of other operands (nn.cache_append).
FailureOr<bool> isIdle(Operation &step, DictionaryAttr bounds) {
  if (auto product = dyn_cast<plan::MatmulStepOp>(step))
    return isNeverFilled(product.getResult(), bounds);
  if (auto transfer = dyn_cast<plan::TransferStepOp>(step))
    return isNeverFilled(transfer.getDestination(), bounds);
  auto launch = dyn_cast<plan::LaunchStepOp>(step);
  if (!launch || launch.getWrites().empty())
    return false;
  bool writesState = llvm::any_of(launch.getWrites(), [&](int64_t position) {
    return isa_and_nonnull<plan::StateSpanOp>(launch.getSpans()[static_cast<unsigned>(position)].getDefiningOp());
  });
  bool hasNone = false;
  for (auto [position, span] : llvm::enumerate(launch.getSpans())) {
    bool isWritten = llvm::is_contained(launch.getWrites(), static_cast<int64_t>(position));
    if (!isWritten && !(writesState && span.getDefiningOp<plan::SpanOp>()))
      continue;
    if (isWritten && span.getDefiningOp<plan::StateSpanOp>())
      continue;
    FailureOr<bool> isNever = isNeverFilled(span, bounds);
    if (failed(isNever) || !*isNever)
      return isNever;
    hasNone = true;
  }
  return hasNone;
}

LogicalResult dropIdleSteps(plan::VariantOp variant) {
  auto isZero = [](NamedAttribute bound) { return cast<IntegerAttr>(bound.getValue()).getInt() == 0; };
  if (llvm::none_of(variant.getBounds(), isZero))
    return success();
  Block &block = variant.getBody().front();
  for (Operation &step : llvm::make_early_inc_range(block)) {
    FailureOr<bool> idle = isIdle(step, variant.getBounds());
    if (failed(idle))
      return failure();
    if (*idle)
      step.erase();
  }
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
    if (auto span = dyn_cast<plan::SpanOp>(op); span && span->use_empty() && !span.getRole())
      span.erase();
  return success();
}

struct PlanMemory : muster::impl::PlanMemoryPassBase<PlanMemory> {
  void runOnOperation() override {
    for (auto entry : getOperation().getOps<plan::EntryOp>()) {
      SmallVector<plan::VariantOp> variants(entry.getBody().front().getOps<plan::VariantOp>());
      if (failed(planEntry(entry, variants.front())))
        return signalPassFailure();
    }
  }

  LogicalResult planEntry(plan::EntryOp entry, plan::VariantOp all) {
    auto bounds = entry->getAttrOfType<DictionaryAttr>(attribute::bounds);
    if (!bounds)
      bounds = DictionaryAttr::get(entry.getContext());
    SmallVector<DictionaryAttr> wanted;
    if (auto list = entry->getAttrOfType<ArrayAttr>("muster.variants"))
      for (Attribute attr : list) {
        auto smaller = dyn_cast<DictionaryAttr>(attr);
        if (!smaller)
          return entry.emitOpError() << "E4033 expected variants to be dictionaries of bounds but got " << attr;
        NamedAttrList merged(bounds);
        for (NamedAttribute bound : smaller) {
          auto most = bounds.getAs<IntegerAttr>(bound.getName());
          auto value = dyn_cast<IntegerAttr>(bound.getValue());
          if (!most)
            return entry.emitOpError() << "E4033 expected bounds of a variant to be among those of '"
                                       << attribute::bounds << "' but got " << bound.getName();
          if (!value || value.getInt() < 0 || value.getInt() > most.getInt())
            return entry.emitOpError() << "E4033 expected the variant's bound of " << bound.getName()
                                       << " to be from 0 to " << most.getInt() << " but got " << bound.getValue();
          merged.set(bound.getName(), value);
        }
        wanted.push_back(merged.getDictionary(entry.getContext()));
      }
    if (wanted.empty() || wanted.back() != bounds)
      wanted.push_back(bounds);

    OpBuilder builder(all);
    for (DictionaryAttr variantBounds : wanted) {
      std::string name;
      for (NamedAttribute bound : variantBounds)
        name += (name.empty() ? "" : "_") + bound.getName().str() +
                std::to_string(cast<IntegerAttr>(bound.getValue()).getInt());
      auto variant = cast<plan::VariantOp>(builder.clone(*all));
      variant.setName(name.empty() ? "all" : name);
      variant.setBoundsAttr(variantBounds);
      if (failed(dropIdleSteps(variant)) || failed(placeSpans(variant)))
        return failure();
      ++variantsPlanned;
    }
    all.erase();
    return success();
  }
};

} // namespace
