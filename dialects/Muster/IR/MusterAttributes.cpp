// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Text form, checks and queries of meshes and layouts. The grammar stands in MusterAttributes.td.
#include "dialects/Muster/IR/MusterDialect.h"

#include "mlir/AsmParser/AsmParser.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace muster;

//===----------------------------------------------------------------------===//
// Mesh
//===----------------------------------------------------------------------===//

Attribute MeshAttr::parse(AsmParser &parser, Type) {
  SmallVector<MeshAxisAttr> axes;
  auto parseAxis = [&]() -> ParseResult {
    std::string name;
    int64_t size = ShapedType::kDynamic;
    if (parser.parseString(&name) || parser.parseEqual())
      return failure();
    if (failed(parser.parseOptionalQuestion()) && parser.parseInteger(size))
      return failure();
    axes.push_back(MeshAxisAttr::get(parser.getContext(), name, size));
    return success();
  };
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, parseAxis) ||
      parser.parseGreater())
    return {};
  auto emit = [&] { return parser.emitError(loc); };
  return MeshAttr::getChecked(function_ref<InFlightDiagnostic()>(emit), parser.getContext(),
                              ArrayRef<MeshAxisAttr>(axes));
}

void MeshAttr::print(AsmPrinter &printer) const {
  printer << "<[";
  llvm::interleaveComma(getAxes(), printer, [&](MeshAxisAttr axis) {
    printer.printString(axis.getName());
    printer << " = ";
    if (ShapedType::isDynamic(axis.getSize()))
      printer << "?";
    else
      printer << axis.getSize();
  });
  printer << "]>";
}

LogicalResult MeshAttr::verify(function_ref<InFlightDiagnostic()> emitError, ArrayRef<MeshAxisAttr> axes) {
  llvm::StringSet<> names;
  int64_t ranks = 1;
  for (MeshAxisAttr axis : axes) {
    if (axis.getName().empty() || !names.insert(axis.getName()).second) // (C1)
      return emitError() << "expected distinct axis names but got '" << axis.getName() << "' twice or empty";
    if (ShapedType::isDynamic(axis.getSize()))
      continue;
    if (axis.getSize() < 1) // (C2)
      return emitError() << "expected axis '" << axis.getName() << "' to have a size of at least 1 but got "
                         << axis.getSize();
    if (axis.getSize() > std::numeric_limits<int32_t>::max() / ranks)
      return emitError() << "expected at most 2147483647 ranks but axis '" << axis.getName() << "' of size "
                         << axis.getSize() << " makes more";
    ranks *= axis.getSize();
  }
  return success();
}

int64_t MeshAttr::getRankCount() const {
  int64_t ranks = 1;
  for (MeshAxisAttr axis : getAxes()) {
    if (ShapedType::isDynamic(axis.getSize()))
      return ShapedType::kDynamic;
    ranks *= axis.getSize();
  }
  return ranks;
}

int64_t MeshAttr::findAxis(StringRef name) const {
  for (auto [index, axis] : llvm::enumerate(getAxes()))
    if (axis.getName() == name)
      return index;
  return -1;
}

SmallVector<int64_t> MeshAttr::getCoordinates(int64_t rank) const {
  SmallVector<int64_t> coordinates(getAxes().size());
  for (int64_t axis = getAxes().size() - 1; axis >= 0; --axis) {
    coordinates[axis] = rank % getAxes()[axis].getSize();
    rank /= getAxes()[axis].getSize();
  }
  return coordinates;
}

int64_t MeshAttr::getRank(ArrayRef<int64_t> coordinates) const {
  int64_t rank = 0;
  for (auto [axis, coordinate] : llvm::zip_equal(getAxes(), coordinates))
    rank = rank * axis.getSize() + coordinate;
  return rank;
}

//===----------------------------------------------------------------------===//
// Layout: text
//===----------------------------------------------------------------------===//

/// A dim or axis name: an identifier, or a string where it is not one.
static ParseResult parseName(AsmParser &parser, std::string &name) {
  if (succeeded(parser.parseOptionalString(&name)))
    return success();
  StringRef keyword;
  if (parser.parseKeyword(&keyword))
    return failure();
  name = keyword.str();
  return success();
}

static bool isPlainIdentifier(StringRef name) {
  // Words of the grammar are names only between quotes.
  if (name.empty() || llvm::isDigit(name.front()) || llvm::is_contained({"any", "partial", "zigzag", "stripe"}, name))
    return false;
  return llvm::all_of(name, [](char c) { return llvm::isAlnum(c) || c == '_'; });
}

static void printName(AsmPrinter &printer, StringRef name) {
  if (isPlainIdentifier(name))
    printer << name;
  else
    printer.printString(name);
}

Attribute AxisRefAttr::parse(AsmParser &parser, Type) {
  std::string name;
  int64_t weight = 1, size = 0;
  SMLoc loc = parser.getCurrentLocation();
  if (parseName(parser, name))
    return {};
  if (succeeded(parser.parseOptionalLSquare())) {
    if (parser.parseInteger(weight) || parser.parseColon() || parser.parseInteger(size) || parser.parseRSquare())
      return {};
    if (weight < 1 || size < 1)
      return parser.emitError(loc) << "expected a sub-axis of weight and size at least 1 but got [" << weight << ":"
                                   << size << "]",
             Attribute();
  }
  return AxisRefAttr::get(parser.getContext(), name, weight, size);
}

void AxisRefAttr::print(AsmPrinter &printer) const {
  printName(printer, getName());
  if (!isWholeAxis())
    printer << "[" << getWeight() << ":" << getSize() << "]";
}

/// Appends one axis.
static ParseResult parseAxisRef(AsmParser &parser, SmallVectorImpl<AxisRefAttr> &axes) {
  Attribute axis = AxisRefAttr::parse(parser, Type());
  if (!axis)
    return failure();
  axes.push_back(cast<AxisRefAttr>(axis));
  return success();
}

static ParseResult parseAxisList(AsmParser &parser, SmallVectorImpl<AxisRefAttr> &axes) {
  return parser.parseCommaSeparatedList([&] { return parseAxisRef(parser, axes); });
}

/// The axes of a term: one, or several in parentheses.
static ParseResult parseTermAxes(AsmParser &parser, SmallVectorImpl<AxisRefAttr> &axes) {
  if (succeeded(parser.parseOptionalLParen()))
    return failure(parseAxisList(parser, axes) || parser.parseRParen());
  return parseAxisRef(parser, axes);
}

static void printTermAxes(AsmPrinter &printer, ArrayRef<AxisRefAttr> axes) {
  if (axes.size() != 1)
    printer << "(";
  llvm::interleave(axes, [&](AxisRefAttr axis) { axis.print(printer); }, [&] { printer << ","; });
  if (axes.size() != 1)
    printer << ")";
}

Attribute LayoutTermAttr::parse(AsmParser &parser, Type) {
  std::string name, unit, epoch;
  int64_t extent = 0;
  bool anyOrder = false;
  SmallVector<AxisRefAttr> axes;
  ChunkOrder order = ChunkOrder::Contiguous;
  SMLoc loc = parser.getCurrentLocation();
  if (succeeded(parser.parseOptionalKeyword("any"))) {
    anyOrder = true;
    if (parser.parseLParen() || parseName(parser, name) || parser.parseRParen())
      return {};
  } else if (parseName(parser, name)) {
    return {};
  }
  bool colon = succeeded(parser.parseOptionalColon());
  if (colon) {
    OptionalParseResult integer = parser.parseOptionalInteger(extent);
    if (integer.has_value()) {
      if (failed(*integer) || extent < 1)
        return parser.emitError(loc) << "expected a segment's extent of at least 1 but got " << extent, Attribute();
      colon = false;
    }
  }
  if (!colon && succeeded(parser.parseOptionalSlash()) && parseTermAxes(parser, axes))
    return {};
  if (!colon) {
    if (succeeded(parser.parseOptionalKeyword("zigzag")))
      order = ChunkOrder::ZigZag;
    else if (succeeded(parser.parseOptionalKeyword("stripe")))
      order = ChunkOrder::Stripe;
    colon = succeeded(parser.parseOptionalColon());
  }
  if (colon) {
    StringRef unitKeyword;
    StringAttr symbol;
    if (parser.parseKeyword(&unitKeyword) || parser.parseSymbolName(symbol))
      return {};
    unit = unitKeyword.str();
    epoch = symbol.getValue().str();
  }
  return LayoutTermAttr::get(parser.getContext(), name, axes, order, anyOrder, unit, epoch, extent);
}

void LayoutTermAttr::print(AsmPrinter &printer) const {
  if (getAnyOrder())
    printer << "any(";
  printName(printer, getName());
  if (getAnyOrder())
    printer << ")";
  if (getExtent())
    printer << ":" << getExtent();
  if (!getAxes().empty()) {
    printer << "/";
    printTermAxes(printer, getAxes());
  }
  if (getOrder() != ChunkOrder::Contiguous)
    printer << " " << stringifyChunkOrder(getOrder());
  if (isRagged()) {
    printer << " : " << getUnit() << " ";
    printer.printSymbolName(getEpoch());
  }
}

LayoutTermAttr LayoutTermAttr::getPlain(MLIRContext *context, StringRef name, ArrayRef<StringRef> axes) {
  SmallVector<AxisRefAttr> refs;
  for (StringRef axis : axes)
    refs.push_back(AxisRefAttr::get(context, axis));
  return LayoutTermAttr::get(context, name, refs, ChunkOrder::Contiguous, false, "", "", 0);
}

Attribute LayoutDimAttr::parse(AsmParser &parser, Type) {
  SmallVector<LayoutTermAttr> terms;
  auto parseTerm = [&]() -> ParseResult {
    Attribute term = LayoutTermAttr::parse(parser, Type());
    if (!term)
      return failure();
    terms.push_back(cast<LayoutTermAttr>(term));
    return success();
  };
  bool segmented = false;
  if (succeeded(parser.parseOptionalLParen())) {
    do {
      if (parseTerm())
        return {};
    } while (failed(parser.parseOptionalRParen()));
  } else if (succeeded(parser.parseOptionalLBrace())) {
    segmented = true;
    do {
      if (parseTerm())
        return {};
    } while (succeeded(parser.parseOptionalVerticalBar()));
    if (parser.parseRBrace())
      return {};
  } else if (parseTerm()) {
    return {};
  }
  return LayoutDimAttr::get(parser.getContext(), terms, segmented);
}

void LayoutDimAttr::print(AsmPrinter &printer) const {
  bool composite = !getSegmented() && getTerms().size() != 1;
  printer << (getSegmented() ? "{" : composite ? "(" : "");
  llvm::interleave(
      getTerms(), [&](LayoutTermAttr term) { term.print(printer); },
      [&] { printer << (getSegmented() ? " | " : " "); });
  printer << (getSegmented() ? "}" : composite ? ")" : "");
}

Attribute PartialAttr::parse(AsmParser &parser, Type) {
  StringRef keyword;
  SmallVector<AxisRefAttr> axes;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword("partial") || parser.parseLParen() || parser.parseKeyword(&keyword) || parser.parseColon())
    return {};
  std::optional<ReductionKind> kind = symbolizeReductionKind(keyword);
  if (!kind)
    return parser.emitError(loc) << "expected 'sum', 'max' or 'min' but got '" << keyword << "'", Attribute();
  if (parseAxisList(parser, axes) || parser.parseRParen())
    return {};
  return PartialAttr::get(parser.getContext(), *kind, axes);
}

void PartialAttr::print(AsmPrinter &printer) const {
  printer << "partial(" << stringifyReductionKind(getKind()) << ": ";
  llvm::interleaveComma(getAxes(), printer, [&](AxisRefAttr axis) { axis.print(printer); });
  printer << ")";
}

Attribute LayoutAttr::parse(AsmParser &parser, Type) {
  SmallVector<LayoutDimAttr> dims;
  SmallVector<PartialAttr> partials;
  auto parseDim = [&]() -> ParseResult {
    Attribute dim = LayoutDimAttr::parse(parser, Type());
    if (!dim)
      return failure();
    dims.push_back(cast<LayoutDimAttr>(dim));
    return success();
  };
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, parseDim))
    return {};
  while (succeeded(parser.parseOptionalComma())) {
    Attribute partial = PartialAttr::parse(parser, Type());
    if (!partial)
      return {};
    partials.push_back(cast<PartialAttr>(partial));
  }
  if (parser.parseGreater())
    return {};
  auto emit = [&] { return parser.emitError(loc); };
  return LayoutAttr::getChecked(function_ref<InFlightDiagnostic()>(emit), parser.getContext(),
                                ArrayRef<LayoutDimAttr>(dims), ArrayRef<PartialAttr>(partials));
}

void LayoutAttr::print(AsmPrinter &printer) const {
  printer << "<[";
  llvm::interleaveComma(getDims(), printer, [&](LayoutDimAttr dim) { dim.print(printer); });
  printer << "]";
  for (PartialAttr partial : getPartials()) {
    printer << ", ";
    partial.print(printer);
  }
  printer << ">";
}

std::string LayoutAttr::getText() const {
  std::string text;
  llvm::raw_string_ostream stream(text);
  static_cast<Attribute>(*this).print(stream);
  // #muster.layout<[b, s]> -> [b, s]
  StringRef inner(text);
  inner.consume_front("#muster.layout<");
  inner.consume_back(">");
  return inner.str();
}

LayoutAttr LayoutAttr::parseText(MLIRContext *context, StringRef text) {
  ScopedDiagnosticHandler quiet(context, [](Diagnostic &) { return success(); });
  return dyn_cast_or_null<LayoutAttr>(parseAttribute(("#muster.layout<" + text + ">").str(), context));
}

//===----------------------------------------------------------------------===//
// Layout: checks and queries
//===----------------------------------------------------------------------===//

LogicalResult LayoutAttr::verify(function_ref<InFlightDiagnostic()> emitError, ArrayRef<LayoutDimAttr> dims,
                                 ArrayRef<PartialAttr> partials) {
  llvm::StringSet<> names;
  SmallVector<AxisRefAttr> used;
  // Sub-axes of weights w and sizes n take the digits [w, w * n) of a coordinate.
  auto overlap = [](AxisRefAttr a, AxisRefAttr b) {
    if (a.getName() != b.getName())
      return false;
    return a.isWholeAxis() || b.isWholeAxis() || a == b ||
           (a.getWeight() < b.getWeight() * b.getSize() && b.getWeight() < a.getWeight() * a.getSize());
  };
  auto claim = [&](AxisRefAttr axis) -> LogicalResult { // (C1)
    for (AxisRefAttr other : used)
      if (overlap(axis, other))
        return emitError() << "expected axis '" << axis.getName() << "' at most once in a layout but got it twice";
    used.push_back(axis);
    return success();
  };
  for (LayoutDimAttr dim : dims) {
    if (dim.getSegmented() && dim.getTerms().size() < 2) // (C3)
      return emitError() << "expected at least two segments but got " << dim.getTerms().size();
    SmallVector<AxisRefAttr> outside = used, inside = used;
    for (LayoutTermAttr term : dim.getTerms()) {
      if (!names.insert(term.getName()).second) // (C2)
        return emitError() << "expected dim name '" << term.getName() << "' at most once in a layout but got it twice";
      if (term.isRagged() && !symbolizeCountUnit(term.getUnit())) // (C4)
        return emitError() << "expected unit 'requests', 'tokens', 'rows', 'padded' or 'starts' but got '"
                           << term.getUnit() << "'";
      if (dim.getSegmented() != (term.getExtent() != 0)) // (C3)
        return emitError() << "expected " << (dim.getSegmented() ? "an extent" : "no extent") << " on term '"
                           << term.getName() << "' but got " << term.getExtent();
      if (dim.getSegmented())
        used = outside; // Segments stand side by side: one axis may divide each of them.
      for (AxisRefAttr axis : term.getAxes())
        if (failed(claim(axis)))
          return failure();
      inside.append(used.begin() + outside.size(), used.end());
    }
    if (dim.getSegmented())
      used = inside;
  }
  for (PartialAttr partial : partials)
    for (AxisRefAttr axis : partial.getAxes())
      if (failed(claim(axis)))
        return failure();
  return success();
}

bool LayoutAttr::isPlainDim(int64_t dim) const {
  ArrayRef<LayoutTermAttr> terms = getDims()[dim].getTerms();
  if (getDims()[dim].getSegmented() || terms.size() != 1)
    return false;
  LayoutTermAttr term = terms.front();
  return term.getOrder() == ChunkOrder::Contiguous && !term.getAnyOrder() && !term.isRagged() &&
         llvm::all_of(term.getAxes(), [](AxisRefAttr axis) { return axis.isWholeAxis(); });
}

bool LayoutAttr::isPlain() const {
  return getPartials().empty() &&
         llvm::all_of(llvm::seq<int64_t>(getRank()), [&](int64_t dim) { return isPlainDim(dim); });
}

StringRef LayoutAttr::getDimName(int64_t dim) const {
  ArrayRef<LayoutTermAttr> terms = getDims()[dim].getTerms();
  return getDims()[dim].getSegmented() || terms.size() != 1 ? StringRef() : terms.front().getName();
}

SmallVector<StringRef> LayoutAttr::getPlainAxes(int64_t dim) const {
  SmallVector<StringRef> axes;
  if (isPlainDim(dim))
    for (AxisRefAttr axis : getDims()[dim].getTerms().front().getAxes())
      axes.push_back(axis.getName());
  return axes;
}

/// Number of parts into which the axes of a term divide it; kDynamic where an axis is symbolic.
static FailureOr<int64_t> getPartCount(LayoutAttr layout, LayoutTermAttr term, MeshAttr mesh,
                                       function_ref<void(const Twine &)> emit) {
  int64_t parts = 1;
  for (AxisRefAttr axis : term.getAxes()) {
    if (mesh.findAxis(axis.getName()) < 0)
      return emit("layout " + layout.getText() + " references unknown mesh axis '" + axis.getName() + "'"), failure();
    int64_t axisSize = mesh.getAxisSize(axis.getName()), size = axis.isWholeAxis() ? axisSize : axis.getSize();
    if (!axis.isWholeAxis() && !ShapedType::isDynamic(axisSize) && axisSize % (axis.getWeight() * size) != 0)
      return emit("expected sub-axis '" + axis.getName() + "[" + Twine(axis.getWeight()) + ":" + Twine(size) +
                  "]' to divide an axis of " + Twine(axisSize) + " ranks in layout " + layout.getText()),
             failure();
    parts = ShapedType::isDynamic(size) || ShapedType::isDynamic(parts) ? ShapedType::kDynamic : parts * size;
  }
  return parts;
}

FailureOr<int64_t> LayoutAttr::getLocalSize(int64_t dim, int64_t logical, MeshAttr mesh,
                                            function_ref<void(const Twine &)> emit) const {
  auto divide = [&](StringRef name, int64_t size, int64_t parts) -> FailureOr<int64_t> {
    if (ShapedType::isDynamic(size) || ShapedType::isDynamic(parts))
      return parts == 1 ? size : ShapedType::kDynamic;
    if (size % parts != 0)
      return emit("expected dim '" + name + "' of size " + Twine(size) + " to be divisible by " + Twine(parts) +
                  " ranks in layout " + getText()),
             failure();
    return size / parts;
  };
  LayoutDimAttr dimAttr = getDims()[dim];
  int64_t parts = 1, total = 0, local = 0;
  for (LayoutTermAttr term : dimAttr.getTerms()) {
    FailureOr<int64_t> termParts = getPartCount(*this, term, mesh, emit);
    if (failed(termParts))
      return failure();
    parts =
        ShapedType::isDynamic(*termParts) || ShapedType::isDynamic(parts) ? ShapedType::kDynamic : parts * *termParts;
    if (!dimAttr.getSegmented())
      continue;
    FailureOr<int64_t> segment = divide(term.getName(), term.getExtent(), *termParts);
    if (failed(segment))
      return failure();
    total += term.getExtent();
    local = ShapedType::isDynamic(*segment) || ShapedType::isDynamic(local) ? ShapedType::kDynamic : local + *segment;
  }
  if (!dimAttr.getSegmented())
    return divide(dimAttr.getTerms().front().getName(), logical, parts);
  if (!ShapedType::isDynamic(logical) && logical != total)
    return emit("expected the segments of layout " + getText() + " to make " + Twine(logical) + " but got " +
                Twine(total)),
           failure();
  return local;
}

FailureOr<SmallVector<int64_t>> LayoutAttr::getLocalShape(ArrayRef<int64_t> logical, MeshAttr mesh,
                                                          function_ref<void(const Twine &)> emit) const {
  if (static_cast<int64_t>(logical.size()) != getRank())
    return emit("expected a layout of " + Twine(logical.size()) + " dims but got " + Twine(getRank()) + " in " +
                getText()),
           failure();
  SmallVector<int64_t> local;
  for (auto [dim, size] : llvm::enumerate(logical)) {
    FailureOr<int64_t> part = getLocalSize(dim, size, mesh, emit);
    if (failed(part))
      return failure();
    local.push_back(*part);
  }
  return local;
}

LayoutAttr LayoutAttr::getPlain(MLIRContext *context, ArrayRef<std::pair<StringRef, SmallVector<StringRef>>> dims,
                                ArrayRef<StringRef> partialSumAxes) {
  SmallVector<LayoutDimAttr> attrs;
  for (const auto &[name, axes] : dims)
    attrs.push_back(LayoutDimAttr::get(context, LayoutTermAttr::getPlain(context, name, axes), false));
  SmallVector<PartialAttr> partials;
  if (!partialSumAxes.empty()) {
    SmallVector<AxisRefAttr> axes;
    for (StringRef axis : partialSumAxes)
      axes.push_back(AxisRefAttr::get(context, axis));
    partials.push_back(PartialAttr::get(context, ReductionKind::Sum, axes));
  }
  return LayoutAttr::get(context, attrs, partials);
}

//===----------------------------------------------------------------------===//
// Facts
//===----------------------------------------------------------------------===//

Attribute FactsAttr::parse(AsmParser &parser, Type) {
  SmallVector<StringAttr> divisors, dividends;
  auto parseFact = [&]() -> ParseResult {
    std::string divisor, dividend;
    if (parseName(parser, divisor) || parser.parseVerticalBar() || parseName(parser, dividend))
      return failure();
    divisors.push_back(StringAttr::get(parser.getContext(), divisor));
    dividends.push_back(StringAttr::get(parser.getContext(), dividend));
    return success();
  };
  if (parser.parseLess() || parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, parseFact) ||
      parser.parseGreater())
    return {};
  return FactsAttr::get(parser.getContext(), divisors, dividends);
}

void FactsAttr::print(AsmPrinter &printer) const {
  printer << "<[";
  llvm::interleaveComma(llvm::zip_equal(getDivisors(), getDividends()), printer, [&](auto fact) {
    printName(printer, std::get<0>(fact).getValue());
    printer << "|";
    printName(printer, std::get<1>(fact).getValue());
  });
  printer << "]>";
}

//===----------------------------------------------------------------------===//
// Counts
//===----------------------------------------------------------------------===//

static constexpr StringLiteral countUnits = "'requests', 'tokens', 'rows', 'padded' or 'starts'";

/// `<[dp], tokens, @step>`
template <typename T>
static Type parseCounts(AsmParser &parser) {
  SmallVector<StringAttr> axes;
  auto parseAxis = [&]() -> ParseResult {
    std::string name;
    if (parseName(parser, name))
      return failure();
    axes.push_back(StringAttr::get(parser.getContext(), name));
    return success();
  };
  StringRef keyword;
  StringAttr epoch;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, parseAxis) ||
      parser.parseComma() || parser.parseKeyword(&keyword) || parser.parseComma() || parser.parseSymbolName(epoch) ||
      parser.parseGreater())
    return {};
  std::optional<CountUnit> unit = symbolizeCountUnit(keyword);
  if (!unit)
    return parser.emitError(loc) << "expected unit " << countUnits << " but got '" << keyword << "'", Type();
  return T::get(parser.getContext(), axes, *unit, FlatSymbolRefAttr::get(epoch));
}

template <typename T>
static void printCounts(AsmPrinter &printer, T type) {
  printer << "<[";
  llvm::interleaveComma(type.getAxes(), printer, [&](StringAttr axis) { printName(printer, axis.getValue()); });
  printer << "], " << stringifyCountUnit(type.getUnit()) << ", " << type.getEpoch() << ">";
}

LogicalResult RoutedAttr::verify(function_ref<InFlightDiagnostic()> emitError, CountUnit, FlatSymbolRefAttr,
                                 int64_t bound) {
  if (bound < 0) // (C2)
    return emitError() << "expected a bound of at least 0 but got " << bound;
  return success();
}

LogicalResult RoutedAttr::verifyEncoding(ArrayRef<int64_t> shape, Type elementType,
                                         function_ref<InFlightDiagnostic()> emitError) const {
  bool isStatic = llvm::none_of(shape, ShapedType::isDynamic);
  if (shape.empty() || shape.size() > 2 || !isStatic || !(elementType.isInteger(32) || elementType.isInteger(64)))
    return emitError() << "expected routed counts to be one or two static dims of i32 or i64"; // (C1)
  return success();
}

Type CountsType::parse(AsmParser &parser) { return parseCounts<CountsType>(parser); }
void CountsType::print(AsmPrinter &printer) const { printCounts(printer, *this); }
Type OffsetsType::parse(AsmParser &parser) { return parseCounts<OffsetsType>(parser); }
void OffsetsType::print(AsmPrinter &printer) const { printCounts(printer, *this); }
