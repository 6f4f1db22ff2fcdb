// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rows in numbers that the device has counted.
//
// Each rank of a group counts how many of its rows go to each position: together a matrix of senders and receivers, of
// which it has a row. Both are spaces like others, and rows are counted by segments of them:
//
//   | value                       | digits                                  | says                                    |
//   | --------------------------- | --------------------------------------- | --------------------------------------- |
//   | s = nn.histogram of [t/ep]  | [(P : 1 @bins)], (P : 1 @senders, ep)   | the rank's row of the matrix            |
//   | r = muster.exchange s       | [(P : 1 @senders)], (P : 1 @bins, ep)   | its column: the rule of every exchange  |
//   | x                           | [(P : n @t, ep)(n : 1 @t), ...]         | the rows that were counted              |
//   | y = all_to_all_v x by s, r  | [(P : room @sent, ep)(room : 1 @sent)]  | the rows for its bin, sender by sender  |
//   | z = all_to_all_v y by r, s  | [(P : n @t, ep)(n : 1 @t), ...]         | the rows that were counted              |
//
// So "what is received is the transposition of what is sent" is no rule of its own: `receive` holds what an exchange
// makes of `send`. Rows that were sent are own rows (Rows.h) with dead ones behind the last, and of no length: they are
// computed with row by row, come home by the counts that sent them, and are taken together by nothing.
//
// On one rank the rows of y are those of x in the order of their bins. They are on a mesh if each rank's rows stand in
// that order and all have a bin, which is assumed where a histogram is made. Counts that are a matrix here may be meant
// as parts of one histogram; what is wrong by these rules is therefore not known to be wrong (isRouted), but for rows
// that are received as they are sent.
#include "compiler/Analysis/FunctionInference.h"

using namespace mlir;
using namespace muster;
using layout::Digit;
using layout::Dim;
using layout::Outcome;
using layout::Refusal;
using layout::Size;
using layout::SpaceId;

static Refusal unknownRows(std::string message, std::string fact) {
  return {Refusal::Kind::Unknown, std::move(message), std::move(fact)};
}

static Digit digitOf(const Size &count, const Size &stride, SpaceId space) {
  Digit digit;
  digit.count = count;
  digit.stride = stride;
  digit.space = space;
  return digit;
}

static bool hasSameDigits(const Dim &a, const Dim &b) {
  return !a.isSegmented() && !b.isSegmented() && a.digits.size() == b.digits.size() &&
         std::equal(a.digits.begin(), a.digits.end(), b.digits.begin(),
                    [](const Digit &one, const Digit &other) { return one.names(other); });
}

template <typename Predicate>
static bool anyDigit(const layout::Value &value, Predicate is) {
  auto isInDim = [&](const Dim &dim) {
    return llvm::any_of(dim.digits, is) ||
           llvm::any_of(dim.segments, [&](const Dim &segment) { return llvm::any_of(segment.digits, is); });
  };
  return llvm::any_of(value.floats, is) || llvm::any_of(value.dims, isInDim);
}

bool FunctionInference::isOfCounts(const layout::Value &value) const {
  auto isOfRoute = [&](const Digit &digit) {
    return llvm::any_of(routes,
                        [&](const Route &route) { return digit.space == route.bins || digit.space == route.senders; });
  };
  return !routes.empty() && anyDigit(value, isOfRoute);
}

bool FunctionInference::isRouted(const layout::Value &value) const {
  auto isOfRoute = [&](const Digit &digit) {
    return llvm::any_of(routes, [&](const Route &route) {
      return llvm::any_of(route.sent, [&](const auto &sent) { return sent.second == digit.space; });
    });
  };
  return !routes.empty() && (isOfCounts(value) || anyDigit(value, isOfRoute));
}

/// Sizes of sent rows are numbers, so that slices of them have places: of dead rows, too.
std::optional<Refusal> FunctionInference::refuseCutRoute(const layout::Value &value) const {
  const layout::Universe &universe = scope.universe;
  auto isOfRoute = [&](SpaceId space) {
    SpaceId root = layout::rootOf(universe, space);
    return llvm::any_of(routes, [&](const Route &route) {
      return llvm::any_of(route.sent, [&](const auto &sent) { return sent.second == root; });
    });
  };
  bool isCut = llvm::any_of(value.at, isOfRoute);
  for (const Dim &dim : value.dims) {
    for (const Dim &segment : dim.segments)
      isCut |= llvm::any_of(segment.at, isOfRoute) ||
               llvm::any_of(segment.digits, [&](const Digit &digit) { return isOfRoute(digit.space); });
    isCut |= llvm::any_of(dim.at, isOfRoute);
    bool isSent = llvm::any_of(dim.digits, [&](const Digit &digit) { return isOfRoute(digit.space); });
    isCut |= isSent && !layout::ownRowsOf(universe, dim);
  }
  isCut |= llvm::any_of(value.floats, [&](const Digit &digit) { return isOfRoute(digit.space); });
  if (!isCut)
    return std::nullopt;
  return unknownRows("rows that were sent are not held as they came: " + print(universe, value),
                     "that all of a rank's rows go together");
}

bool FunctionInference::inferRouted(Operation *op) {
  if (auto histogram = dyn_cast<nn::HistogramOp>(op))
    inferHistogram(histogram);
  else if (auto all = dyn_cast<AllToAllVOp>(op))
    inferExchangedRows(op, all.getInput(), all.getSend(), all.getReceive(), all.getAxes());
  else if (auto exchange = dyn_cast<plan::ExchangeRowsOp>(op))
    inferExchangedRows(op, exchange.getSource(), exchange.getSend(), {}, exchange.getAxes());
  else
    return false;
  markUncovered("rows in numbers that the device has counted");
  return true;
}

void FunctionInference::inferHistogram(nn::HistogramOp op) {
  layout::Universe &universe = scope.universe;
  auto refuse = [&](std::string message, std::string fact) {
    reportRefusal(op, unknownRows(std::move(message), std::move(fact)), 1108);
  };
  // Of a value that is made anew in each turn or call nothing would tell the counts apart.
  if (op->getBlock() != &entry.getBody().front())
    return refuse("counts in a region or a function that is called", "counts in the entry itself");
  const layout::Value *indices = digitsOf(op, op.getIndices());
  if (!indices)
    return;
  const Dim rows = indices->dims[0];
  size_t digits = 0;
  indices->forEachMeshDigit([&](const Digit &) { ++digits; });
  auto isOnMesh = [](const Digit &digit) { return digit.isMesh(); };
  if (!indices->isFull() || indices->isChoice || rows.isSegmented() ||
      digits != static_cast<size_t>(llvm::count_if(rows.digits, isOnMesh)))
    return refuse("counts rows of a value that varies otherwise, too: " + print(universe, *indices),
                  "indices of which each rank has its own rows");
  Size senders = 1, bins = 1, stride = 1;
  for (const Digit &digit : rows.digits)
    if (digit.isMesh())
      senders *= digit.count;
  auto type = cast<RankedTensorType>(op.getType());
  for (int64_t size : type.getShape())
    bins *= Size(size);
  auto routed = cast<RoutedAttr>(type.getEncoding());
  std::string batch = "@" + routed.getEpoch().getValue().str() +
                      (routes.empty() ? std::string() : "#" + std::to_string(routes.size() + 1));
  Route route{op,
              universe.addSpace({"bins", bins, "bins of " + batch}),
              universe.addSpace({"senders", senders, "senders of " + batch}),
              rows,
              {}};
  layout::Value counts;
  counts.dims.resize(static_cast<size_t>(type.getRank()));
  for (int64_t dim = type.getRank(); dim-- > 0; stride *= Size(type.getDimSize(dim)))
    counts.dims[static_cast<size_t>(dim)].digits.push_back(digitOf(type.getDimSize(dim), stride, route.bins));
  stride = senders;
  for (const Digit &digit : rows.digits) {
    if (!digit.isMesh())
      continue;
    stride = *layout::divide(stride, digit.count);
    Digit sender = digitOf(digit.count, stride, route.senders);
    sender.axis = digit.axis;
    sender.weight = digit.weight;
    sender.home = stride;
    counts.floats.push_back(sender);
  }
  routes.push_back(std::move(route));
  scope.hasRoutedRows = true;
  set(op.getResult(), std::move(counts));
}

void FunctionInference::inferExchangedRows(Operation *op, mlir::Value input, mlir::Value send, mlir::Value receive,
                                           ArrayAttr axes) {
  layout::Universe &universe = scope.universe;
  auto refuse = [&](Refusal refusal) { reportRefusal(op, refusal, 1108); };
  for (mlir::Value operand : {input, send, receive})
    if (operand && !digitsOf(op, operand))
      return;
  const layout::Value &rows = get(input).value, &sent = get(send).value;
  SmallVector<layout::AxisId, 2> group = scope.groupOf(axes);
  llvm::erase_if(group, [&](layout::AxisId axis) { return universe.axes[axis].size.isOne(); });
  Size size = universe.sizeOf(group);
  if (group.empty()) {
    if (rows.dims[0].localSize() == Size(cast<RankedTensorType>(op->getResult(0).getType()).getDimSize(0)))
      return set(op->getResult(0), layout::Value(rows));
    return refuse(unknownRows("sends rows to a tensor with room for more of them", "equal sizes"));
  }
  const Dim &first = sent.dims[0];
  const auto *route = llvm::find_if(routes, [&](const Route &own) {
    return first.digits.size() == 1 && (first.digits[0].space == own.bins || first.digits[0].space == own.senders);
  });
  if (route == routes.end() || !sent.isFull() || sent.isChoice)
    return refuse(unknownRows("sends rows by counts that are not known to count any: " + print(universe, sent),
                              "counts that nn.histogram makes, or muster.exchange of them"));
  bool isThere = first.digits[0].space == route->bins;
  // The digits of the group, and no others, tell the ranks apart.
  // Part p is what goes to, or comes from, position p: not the p-th part of each of them (transposed counts).
  bool isOverGroup =
      first.digits[0].count == size && universe.spaces[first.digits[0].space].size == size * first.digits[0].stride;
  SmallVector<layout::AxisId, 2> over;
  sent.forEachMeshDigit([&](const Digit &digit) {
    over.push_back(digit.axis);
    isOverGroup &= digit.weight.isOne() && digit.count == universe.axes[digit.axis].size;
  });
  if (over != group || !isOverGroup)
    return refuse(unknownRows("sends rows over another group than has counted them: " + print(universe, sent),
                              "counts of one row of the matrix on each rank of the group"));
  if (receive) {
    const layout::Value &received = get(receive).value;
    Outcome<layout::Value> exchanged = exchangeParts(universe, sent, group, 0);
    if (!exchanged)
      return refuse(exchanged.getRefusal());
    if (!layout::isSame(*exchanged, received)) {
      if (layout::isSame(sent, received)) {
        Refusal wrong = Refusal::wrong("expected to receive what the others send but got the counts of what is sent");
        wrong.number = 1213;
        return reportRefusal(op, wrong, 1213);
      }
      return refuse(unknownRows("what is received is not known to be what is sent: " + print(universe, received) +
                                    " where an exchange makes " + print(universe, *exchanged),
                                "muster.exchange of the counts of what is sent"));
    }
  }
  if (rows.history || rows.isUnsettled || rows.isChoice)
    return refuse(
        unknownRows("sends rows of a value whose shards stand in no dim for certain: " + print(universe, rows),
                    "rows as an argument holds them"));
  for (const layout::Pending &pending : rows.pending)
    if (llvm::is_contained(group, pending.axis))
      return refuse(unknownRows("sends rows that are still to be reduced over the group", "muster.all_reduce before"));
  if (isThere)
    sendRows(op, rows, static_cast<unsigned>(route - routes.begin()), group);
  else
    returnRows(op, rows, static_cast<unsigned>(route - routes.begin()));
}

void FunctionInference::sendRows(Operation *op, const layout::Value &input, unsigned index, layout::Group group) {
  layout::Universe &universe = scope.universe;
  Route &route = routes[index];
  if (!hasSameDigits(input.dims[0], route.rows))
    return reportRefusal(
        op,
        unknownRows("sends rows that are not those that were counted: " + print(universe, input.dims[0]) +
                        " by counts of " + print(universe, route.rows),
                    "counts of the rows that are sent"),
        1108);
  int64_t room = cast<RankedTensorType>(op->getResult(0).getType()).getDimSize(0);
  auto [sent, isNew] = route.sent.try_emplace(room, 0);
  if (isNew) {
    auto routed = cast<RoutedAttr>(cast<RankedTensorType>(route.counts.getType()).getEncoding());
    layout::Rows rows;
    rows.batch = routed.getEpoch().getValue().str();
    rows.unit = stringifyCountUnit(routed.getUnit()).str();
    rows.axes.assign(group.begin(), group.end());
    rows.part = Size(room);
    // Some of them are dead, and nothing gave these a value.
    std::string key = "routed " + std::to_string(index) + " " + std::to_string(room);
    paddings.push_back({key, op});
    rows.padding = static_cast<unsigned>(paddings.size());
    layout::Space space{rows.unit + "@" + rows.batch, universe.sizeOf(group) * rows.part, key};
    space.rows = std::move(rows);
    sent->second = universe.addSpace(std::move(space));
    if (route.sent.size() == 1)
      assume(route.counts,
             "the rows that are counted here stand in the order of their bins, and every one of them has a bin");
  }
  layout::Value result = input;
  result.dims[0] = layout::ownRows(universe, sent->second);
  set(op->getResult(0), std::move(result));
}

void FunctionInference::returnRows(Operation *op, const layout::Value &input, unsigned index) {
  layout::Universe &universe = scope.universe;
  const Route &route = routes[index];
  auto refuse = [&](std::string message, std::string fact) {
    reportRefusal(op, unknownRows(std::move(message), std::move(fact)), 1108);
  };
  std::optional<SpaceId> own = layout::ownRowsOf(universe, input.dims[0]);
  bool isOfRoute = own && llvm::any_of(route.sent, [&](const auto &sent) { return sent.second == *own; });
  if (!isOfRoute)
    return refuse("brings rows home that these counts have not sent: " + print(universe, input.dims[0]),
                  "rows that muster.all_to_all_v has sent by these counts");
  if (nn::HistogramOp(route.counts).getValid())
    return refuse("brings home rows of which only the first were counted", "a bin for every row");
  int64_t room = cast<RankedTensorType>(op->getResult(0).getType()).getDimSize(0);
  if (!(route.rows.localSize() == Size(room)))
    return refuse("brings rows home to " + std::to_string(room) + " rows, of which " + print(universe, route.rows) +
                      " were sent",
                  "room for the rows that were sent, and no more");
  layout::Value result = input;
  result.dims[0] = route.rows;
  set(op->getResult(0), std::move(result));
}
