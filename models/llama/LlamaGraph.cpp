// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "models/llama/LlamaGraph.h"

#include "dialects/Muster/IR/MusterDialect.h"
#include "dialects/NN/IR/NNDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Verifier.h"

#include <cmath>

using namespace mlir;
using namespace muster;
using namespace muster::llama;

namespace {

constexpr int64_t dynamic = ShapedType::kDynamic;

/// Emits one module.
class GraphBuilder {
public:
  GraphBuilder(MLIRContext *context, const LlamaConfig &config, const LlamaGraphOptions &options,
               const LlamaLayouts &layouts)
      : config(config), options(options), layouts(layouts), symbols(UnknownLoc::get(context), context),
        body(UnknownLoc::get(context), context), floatType(symbols.getF32Type()), indexType(symbols.getI32Type()) {}

  OwningOpRef<ModuleOp> build();

private:
  // Names and types.
  LayoutAttr layout(StringRef text) { return LayoutAttr::parseText(symbols.getContext(), text); }
  RankedTensorType local(RankedTensorType logical, LayoutAttr layout);
  RankedTensorType tensor(ArrayRef<int64_t> shape) { return RankedTensorType::get(shape, floatType); }
  RankedTensorType indices(ArrayRef<int64_t> shape) { return RankedTensorType::get(shape, indexType); }
  /// What is emitted next is for this part of the model: "layers.3.attention.o_proj".
  void at(const Twine &name);

  // Symbols.
  WeightOp declareWeight(StringRef name, ArrayRef<int64_t> shape, LayoutAttr layout);
  void declareState(StringRef name);
  Value load(StringRef name, ArrayRef<int64_t> shape, LayoutAttr layout, ArrayRef<std::string> sources);
  Value loadPlain(const Twine &name, ArrayRef<int64_t> shape, StringRef layoutText);
  Value loadTable(StringRef name);
  using Segments = ArrayRef<PackedSegment>;
  Value loadPacked(StringRef name, Segments segments, StringRef suffix, bool matrix);

  // Pieces of the step.
  func::FuncOp declareStep();
  Value redistribute(Value input, StringRef from, StringRef to, RankedTensorType logical);
  Value norm(const Twine &name, Value input);
  Value matmul(Value input, Value weight);
  Value elementwise(ValueRange inputs, Value like, Value rows,
                    function_ref<Value(OpBuilder &, Location, ValueRange)> combine);
  Value addBias(Value input, Value bias);
  SmallVector<Value> packedProduct(StringRef name, Value input, Value rows, Segments segments, bool bias);
  /// A block's last matrix: its inputs, its layout, and that of its product.
  struct RowMatrix {
    int64_t inputs;
    StringRef layout, output;
  };
  Value rowProduct(StringRef location, const Twine &name, Value input, const RowMatrix &matrix, bool bias,
                   Value residual);
  Value splitHeads(Value input, int64_t heads, StringRef layoutText);
  /// Rows of `value` on the rank: one operation for all values whose rows lie alike.
  Value rowsOf(Value value, StringRef layoutText);
  Value firstRow(LayoutAttr layout, Value rowsOfRank);
  Value embed();
  Value attention(Value residual);
  Value feedForward(Value residual);
  Value head(Value residual);

  const LlamaConfig &config;
  const LlamaGraphOptions &options;
  const LlamaLayouts &layouts;
  MeshAttr mesh;
  /// Two places of insertion: symbols stand in front of the step, in the order in which it first needs them.
  ImplicitLocOpBuilder symbols, body;
  Type floatType, indexType;

  Value tokens, positions, queryStarts, blockTable, writeSlots, logitRows;
  /// How many rows a rank has, by dim 0 of the layout.
  llvm::DenseMap<Attribute, Value> rowCounts;
  Value ropeCos, ropeSin;
  /// "layers.3".
  std::string layer;
};

RankedTensorType GraphBuilder::local(RankedTensorType logical, LayoutAttr layout) {
  FailureOr<RankedTensorType> type = getLocalType(logical, layout, mesh, [](const Twine &) {});
  assert(succeeded(type) && "verify() admits only meshes that divide the model");
  return *type;
}

void GraphBuilder::at(const Twine &name) {
  Location location = NameLoc::get(symbols.getStringAttr(name));
  symbols.setLoc(location);
  body.setLoc(location);
}

//===----------------------------------------------------------------------===//
// Symbols
//===----------------------------------------------------------------------===//

WeightOp GraphBuilder::declareWeight(StringRef name, ArrayRef<int64_t> shape, LayoutAttr layout) {
  return WeightOp::create(symbols, name, tensor(shape), layout, /*packing=*/StringAttr());
}

void GraphBuilder::declareState(StringRef name) {
  StateOp::create(symbols, name, tensor({dynamic, options.pageSlots, config.kvHeads, config.headDim}),
                  layout(layouts.cache));
}

Value GraphBuilder::load(StringRef name, ArrayRef<int64_t> shape, LayoutAttr layout, ArrayRef<std::string> sources) {
  SmallVector<StringRef> names(sources.begin(), sources.end());
  declareWeight(name, shape, layout)->setAttr(attribute::sources, symbols.getStrArrayAttr(names));
  return LoadOp::create(body, local(tensor(shape), layout), name);
}

Value GraphBuilder::loadPlain(const Twine &name, ArrayRef<int64_t> shape, StringRef layoutText) {
  std::string text = name.str();
  return load(text, shape, layout(layoutText), {text});
}

Value GraphBuilder::loadTable(StringRef name) {
  SmallVector<int64_t> shape = {options.maxContext, config.headDim / 2};
  declareWeight(name, shape, layout(layouts.ropeTable))->setAttr(attribute::generator, symbols.getStringAttr(name));
  return LoadOp::create(body, tensor(shape), name);
}

Value GraphBuilder::loadPacked(StringRef name, Segments segments, StringRef suffix, bool matrix) {
  int64_t total = 0;
  SmallVector<std::string> sources;
  for (const PackedSegment &segment : segments) {
    total += segment.rows;
    sources.push_back(layer + "." + segment.name.str() + suffix.str());
  }
  SmallVector<int64_t> shape = {total};
  if (matrix)
    shape.push_back(config.hidden);
  return load(layer + "." + name.str() + suffix.str(), shape, layout(packedLayout(segments, matrix)), sources);
}

//===----------------------------------------------------------------------===//
// Pieces
//===----------------------------------------------------------------------===//

Value GraphBuilder::redistribute(Value input, StringRef from, StringRef to, RankedTensorType logical) {
  if (from == to)
    return input;
  return RedistributeOp::create(body, local(logical, layout(to)), input, layout(from), layout(to));
}

Value GraphBuilder::norm(const Twine &name, Value input) {
  Value scale = loadPlain(name, {config.hidden}, layouts.norm);
  return nn::RmsNormOp::create(body, input.getType(), input, scale, body.getF64FloatAttr(config.rmsEpsilon));
}

Value GraphBuilder::matmul(Value input, Value weight) {
  int64_t outputs = cast<RankedTensorType>(weight.getType()).getDimSize(0);
  return nn::MatmulOp::create(body, tensor({dynamic, outputs}), input, weight);
}

/// `inputs` are matrices of `rows` rows like `like`, or vectors along its columns.
Value GraphBuilder::elementwise(ValueRange inputs, Value like, Value rows,
                                function_ref<Value(OpBuilder &, Location, ValueRange)> combine) {
  auto type = cast<RankedTensorType>(like.getType());
  AffineMap matrix = AffineMap::getMultiDimIdentityMap(2, body.getContext());
  AffineMap columns = AffineMap::get(2, 0, body.getAffineDimExpr(1));
  SmallVector<AffineMap> maps;
  for (Value input : inputs)
    maps.push_back(cast<RankedTensorType>(input.getType()).getRank() == 1 ? columns : matrix);
  maps.push_back(matrix);
  Value empty =
      tensor::EmptyOp::create(body, SmallVector<OpFoldResult>{rows, body.getIndexAttr(type.getDimSize(1))}, floatType);
  SmallVector<utils::IteratorType> iterators(2, utils::IteratorType::parallel);
  return linalg::GenericOp::create(body, TypeRange{type}, inputs, ValueRange{empty}, maps, iterators,
                                   [&](OpBuilder &builder, Location loc, ValueRange arguments) {
                                     linalg::YieldOp::create(builder, loc,
                                                             combine(builder, loc, arguments.drop_back()));
                                   })
      .getResult(0);
}

static Value sum(OpBuilder &builder, Location loc, ValueRange values) {
  Value total = values.front();
  for (Value value : values.drop_front())
    total = arith::AddFOp::create(builder, loc, total, value);
  return total;
}

/// gate / (1 + exp(-gate)) * up
static Value swiglu(OpBuilder &builder, Location loc, ValueRange values) {
  Value gate = values[0], up = values[1];
  Value one = arith::ConstantOp::create(builder, loc, builder.getFloatAttr(gate.getType(), 1.0));
  Value exponential = math::ExpOp::create(builder, loc, arith::NegFOp::create(builder, loc, gate));
  Value silu = arith::DivFOp::create(builder, loc, gate, arith::AddFOp::create(builder, loc, one, exponential));
  return arith::MulFOp::create(builder, loc, silu, up);
}

/// One matrix product with the rows of several tensors, then the rank's part of each. `name` is the packed weight's.
SmallVector<Value> GraphBuilder::packedProduct(StringRef name, Value input, Value rows, Segments segments, bool bias) {
  Value product = matmul(input, loadPacked(name, segments, "", /*matrix=*/true));
  if (bias)
    product = elementwise({product, loadPacked(name, segments, "_bias", /*matrix=*/false)}, product, rows, sum);
  SmallVector<Value> parts;
  int64_t offset = 0;
  LayoutAttr packed = layout(packedLayout(segments, /*matrix=*/true));
  for (LayoutTermAttr segment : packed.getDims()[0].getTerms()) {
    int64_t part = segment.getExtent();
    for (AxisRefAttr axis : segment.getAxes())
      part /= findAxisPart(mesh, getAxisName(axis))->size;
    SmallVector<OpFoldResult> offsets = {body.getIndexAttr(0), body.getIndexAttr(offset)};
    SmallVector<OpFoldResult> sizes = {rows, body.getIndexAttr(part)};
    SmallVector<OpFoldResult> strides = {body.getIndexAttr(1), body.getIndexAttr(1)};
    parts.push_back(tensor::ExtractSliceOp::create(body, tensor({dynamic, part}), product, offsets, sizes, strides));
    offset += part;
  }
  return parts;
}

/// A block's last matrix product, summed over the ranks, plus bias and residual. `part` is its place in the layer,
/// `name` its weight.
Value GraphBuilder::rowProduct(StringRef part, const Twine &name, Value input, const RowMatrix &matrix, bool bias,
                               Value residual) {
  std::string weightName = layer + "." + name.str();
  at(layer + "." + part);
  Value product = matmul(input, loadPlain(weightName, {config.hidden, matrix.inputs}, matrix.layout));
  product = redistribute(product, matrix.output, layouts.residual, tensor({dynamic, config.hidden}));
  SmallVector<Value> terms = {residual, product};
  if (bias)
    terms.push_back(loadPlain(weightName + "_bias", {config.hidden}, layouts.rowBias));
  at(layer + "." + part.split('.').first + ".residual");
  return elementwise(terms, residual, rowsOf(residual, layouts.residual), sum);
}

Value GraphBuilder::splitHeads(Value input, int64_t heads, StringRef layoutText) {
  RankedTensorType type = local(tensor({dynamic, heads, config.headDim}), layout(layoutText));
  return nn::SplitHeadsOp::create(body, type, input, heads, config.headDim);
}

Value GraphBuilder::rowsOf(Value value, StringRef layoutText) {
  Value &rows = rowCounts[layout(layoutText).getDims()[0]];
  if (!rows)
    rows = tensor::DimOp::create(body, value, 0);
  return rows;
}

/// The axes that divide dim 0.
static ArrayRef<AxisRefAttr> axesOf(LayoutAttr layout) { return layout.getDims()[0].getTerms().front().getAxes(); }

/// Where the rank's rows of a table begin, whose dim 0 is divided as in `layout`; null where each rank has all rows.
Value GraphBuilder::firstRow(LayoutAttr layout, Value rowsOfRank) {
  Value first;
  LayoutTermAttr rows = layout.getDims()[0].getTerms().front();
  if (rows.isRagged()) {
    auto declared = LayoutAttr::get(layout.getContext(), layout.getDims().take_front(), {});
    return FirstRowOp::create(body, declared);
  }
  Value stride = rowsOfRank;
  for (AxisRefAttr axis : llvm::reverse(axesOf(layout))) {
    std::string name = getAxisName(axis);
    Value part = arith::MulIOp::create(body, CoordinateOp::create(body, name), stride);
    first = first ? arith::AddIOp::create(body, first, part).getResult() : part;
    stride = arith::MulIOp::create(body, stride, arith::ConstantIndexOp::create(body, findAxisPart(mesh, name)->size));
  }
  return first;
}

//===----------------------------------------------------------------------===//
// The step
//===----------------------------------------------------------------------===//

func::FuncOp GraphBuilder::declareStep() {
  at(stepEntry);
  struct Port {
    StringRef name;
    RankedTensorType type;
    StringRef layout;
  };
  Port inputs[] = {{"tokens", indices({dynamic}), layouts.tokens},
                   {"positions", indices({dynamic}), layouts.perToken},
                   {"query_starts", indices({dynamic}), layouts.starts},
                   {"block_table", indices({dynamic, options.pagesPerSequence()}), layouts.blockTable},
                   {"write_slots", indices({dynamic}), layouts.perToken},
                   {"logit_rows", indices({dynamic}), layouts.perLogits}};
  Port output = {"logits", tensor({dynamic, config.vocabulary}), layouts.logits};
  SmallVector<Type> inputTypes;
  for (const Port &port : inputs)
    inputTypes.push_back(local(port.type, layout(port.layout)));
  auto type = symbols.getFunctionType(inputTypes, local(output.type, layout(output.layout)));
  auto step = func::FuncOp::create(symbols, stepEntry, type);
  step->setAttr(attribute::mesh, FlatSymbolRefAttr::get(symbols.getContext(), "mesh"));
  auto bound = [&](StringRef dim, int64_t greatest) {
    return symbols.getNamedAttr(dim, symbols.getI64IntegerAttr(greatest));
  };
  SmallVector<NamedAttribute> bounds = {bound("t", options.rankRows(options.maxStepTokens)),
                                        bound("starts", options.maxSequences + 1), bound("s", options.maxSequences),
                                        bound("r", options.logitRows())};
  if (options.axisSize("sp") > 1)
    bounds.push_back(bound("t.total", options.maxStepTokens));
  step->setAttr(attribute::bounds, symbols.getDictionaryAttr(bounds));
  for (auto [index, port] : llvm::enumerate(inputs)) {
    step.setArgAttr(index, attribute::name, symbols.getStringAttr(port.name));
    step.setArgAttr(index, attribute::layout, layout(port.layout));
  }
  step.setResultAttr(0, attribute::name, symbols.getStringAttr(output.name));
  step.setResultAttr(0, attribute::layout, layout(output.layout));

  Block *entry = step.addEntryBlock();
  for (auto [value, argument] : llvm::zip_equal(
           std::initializer_list<Value *>{&tokens, &positions, &queryStarts, &blockTable, &writeSlots, &logitRows},
           entry->getArguments()))
    *value = argument;
  body.setInsertionPointToStart(entry);
  return step;
}

Value GraphBuilder::embed() {
  at("token_embedding");
  LayoutAttr tableLayout = layout(layouts.embedding);
  Value table = loadPlain("token_embedding", {config.vocabulary, config.hidden}, layouts.embedding);
  // The rank's rows are consecutive; rows of others come out as zeros, so that the ranks' sum is the look-up.
  Value first;
  if (!axesOf(tableLayout).empty()) {
    int64_t rowsOfRank = local(tensor({config.vocabulary, config.hidden}), tableLayout).getDimSize(0);
    first = firstRow(tableLayout, arith::ConstantIndexOp::create(body, rowsOfRank));
  }
  RankedTensorType type = tensor({dynamic, config.hidden});
  Value ids = redistribute(tokens, layouts.tokens, layouts.embeddedTokens, indices({dynamic}));
  Value embedded = nn::GatherRowsOp::create(body, type, table, ids, first);
  return redistribute(embedded, layouts.embedded, layouts.residual, type);
}

Value GraphBuilder::attention(Value residual) {
  int64_t queryRows = config.heads * config.headDim, keyRows = config.kvHeads * config.headDim;
  std::string keys = layer + ".keys", values = layer + ".values";
  at(layer + ".attention.norm");
  Value input = norm(layer + ".attention_norm", residual);
  input = redistribute(input, layouts.residual, layouts.attentionInput, tensor({dynamic, config.hidden}));
  at(layer + ".attention.qkv_proj");
  SmallVector<Value> parts = packedProduct(
      "qkv", input, rowsOf(input, layouts.attentionInput),
      {{"q", queryRows, layouts.queryAxes}, {"k", keyRows, layouts.keyAxes}, {"v", keyRows, layouts.keyAxes}},
      config.attentionBias);
  Value query = splitHeads(parts[0], config.heads, layouts.queryRows),
        key = splitHeads(parts[1], config.kvHeads, layouts.keyRows),
        value = splitHeads(parts[2], config.kvHeads, layouts.keyRows);
  RankedTensorType queryType = tensor({dynamic, config.heads, config.headDim}),
                   keyType = tensor({dynamic, config.kvHeads, config.headDim});
  at(layer + ".attention.heads");
  query = redistribute(query, layouts.queryRows, layouts.queryHeads, queryType);
  key = redistribute(key, layouts.keyRows, layouts.keyHeads, keyType);
  value = redistribute(value, layouts.keyRows, layouts.keyHeads, keyType);
  at(layer + ".attention.rope");
  query = nn::RopeOp::create(body, query.getType(), query, ropeCos, ropeSin, positions);
  key = nn::RopeOp::create(body, key.getType(), key, ropeCos, ropeSin, positions);
  at(layer + ".attention.cache");
  declareState(keys);
  declareState(values);
  nn::CacheAppendOp::create(body, keys, key, writeSlots);
  nn::CacheAppendOp::create(body, values, value, writeSlots);
  at(layer + ".attention.core");
  Value output = nn::AttentionOp::create(body, query.getType(), query, keys, values, positions, queryStarts, blockTable,
                                         config.heads, config.kvHeads,
                                         APFloat(1.0 / std::sqrt(static_cast<double>(config.headDim))));
  at(layer + ".attention.rows");
  output = redistribute(output, layouts.queryHeads, layouts.queryRows, queryType);
  at(layer + ".attention.core");
  int64_t ownHeads = cast<RankedTensorType>(output.getType()).getDimSize(1);
  output = nn::MergeHeadsOp::create(body, tensor({dynamic, ownHeads * config.headDim}), output, config.heads,
                                    config.headDim);
  return rowProduct("attention.o_proj", "o", output, {queryRows, layouts.outputMatrix, layouts.attentionOutput},
                    config.attentionBias, residual);
}

Value GraphBuilder::feedForward(Value residual) {
  at(layer + ".feed_forward.norm");
  Value input = norm(layer + ".feed_forward_norm", residual);
  input = redistribute(input, layouts.residual, layouts.feedForwardInput, tensor({dynamic, config.hidden}));
  at(layer + ".feed_forward.gate_up_proj");
  Value rows = rowsOf(input, layouts.feedForwardInput);
  SmallVector<Value> parts = packedProduct(
      "gate_up", input, rows,
      {{"gate", config.feedForward, layouts.widthAxes}, {"up", config.feedForward, layouts.widthAxes}}, config.mlpBias);
  at(layer + ".feed_forward.swiglu");
  Value activated = elementwise(parts, parts[0], rows, swiglu);
  return rowProduct("feed_forward.down_proj", "down", activated,
                    {config.feedForward, layouts.downMatrix, layouts.feedForwardOutput}, config.mlpBias, residual);
}

/// Only the asked rows pass the last norm and the head.
Value GraphBuilder::head(Value residual) {
  at("logit_rows");
  RankedTensorType hidden = tensor({dynamic, config.hidden});
  residual = redistribute(residual, layouts.residual, layouts.askableRows, hidden);
  // Where all ranks ask for the same rows, each has some of them; where they ask for their own, all.
  Value first;
  if (!layout(layouts.askedRows).getPartials().empty())
    first = firstRow(layout(layouts.askableRows), rowsOf(residual, layouts.askableRows));
  Value asked = nn::GatherRowsOp::create(body, hidden, residual, logitRows, first);
  asked = redistribute(asked, layouts.askedRows, layouts.headInput, hidden);
  at("output_norm");
  asked = norm("output_norm", asked);
  at("output");
  SmallVector<int64_t> shape = {config.vocabulary, config.hidden};
  Value weight;
  LayoutAttr headLayout = layout(layouts.head);
  if (config.tiedEmbeddings && headLayout == layout(layouts.embedding))
    weight = LoadOp::create(body, local(tensor(shape), headLayout), "token_embedding");
  else
    weight = load("output", shape, headLayout, {config.tiedEmbeddings ? "token_embedding" : "output"});
  return redistribute(matmul(asked, weight), layouts.headOutput, layouts.logits, tensor({dynamic, config.vocabulary}));
}

OwningOpRef<ModuleOp> GraphBuilder::build() {
  OwningOpRef<ModuleOp> module = ModuleOp::create(symbols.getLoc());
  symbols.setInsertionPointToStart(module->getBody());
  SmallVector<MeshAxisAttr> axes;
  for (const auto &[name, size] : options.mesh)
    axes.push_back(MeshAxisAttr::get(symbols.getContext(), name, size));
  mesh = MeshAttr::get(symbols.getContext(), axes);
  at("mesh");
  MeshOp::create(symbols, "mesh", mesh);
  func::FuncOp step = declareStep();
  symbols.setInsertionPoint(step);

  rowsOf(tokens, layouts.tokens);
  at("rope");
  ropeCos = loadTable("rope_cos");
  ropeSin = loadTable("rope_sin");
  Value residual = embed();
  at("token_embedding");
  rowsOf(residual, layouts.residual);
  for (int64_t index = 0; index < config.layers; ++index) {
    layer = "layers." + std::to_string(index);
    residual = feedForward(attention(residual));
  }
  Value logits = head(residual);
  at(stepEntry);
  func::ReturnOp::create(body, logits);
  return module;
}

} // namespace

FailureOr<OwningOpRef<ModuleOp>> muster::llama::buildLlama(MLIRContext *context, const LlamaConfig &config,
                                                           const LlamaGraphOptions &options) {
  if (failed(verify(context, config, options)))
    return failure();
  warnOfRepetition(context, config, options);
  return buildLlama(context, config, options, chooseLayouts(config, options));
}

FailureOr<OwningOpRef<ModuleOp>> muster::llama::buildLlama(MLIRContext *context, const LlamaConfig &config,
                                                           const LlamaGraphOptions &options,
                                                           const LlamaLayouts &layouts) {
  if (failed(verify(context, config, options)))
    return failure();
  context->loadDialect<MusterDialect, nn::NNDialect, func::FuncDialect, linalg::LinalgDialect, arith::ArithDialect,
                       math::MathDialect, tensor::TensorDialect>();
  OwningOpRef<ModuleOp> module = GraphBuilder(context, config, options, layouts).build();
  if (failed(mlir::verify(*module)))
    return failure();
  return module;
}
