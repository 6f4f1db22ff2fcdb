// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Making, moving and reshaping tensors.
#include "compiler/Reference/ScalarBody.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

#include <limits>
#include <numeric>
#include <optional>

using namespace mlir;
using namespace muster::reference;

using Shape = SmallVector<int64_t>;

static LocalResults one(Tensor tensor) {
  SmallVector<Tensor, 1> results;
  results.push_back(std::move(tensor));
  return results;
}

static LocalResults one(llvm::Expected<Tensor> tensor) {
  if (!tensor)
    return tensor.takeError();
  return one(std::move(*tensor));
}

static int64_t count(ArrayRef<int64_t> shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t(1), std::multiplies<>());
}

static RankedTensorType getType(Value value) { return cast<RankedTensorType>(value.getType()); }

//===----------------------------------------------------------------------===//
// Making
//===----------------------------------------------------------------------===//

/// A tensor of the static sizes of a type, and the given values for its dynamic ones.
static llvm::Expected<Tensor> make(Operation *op, ValueRange dynamic, const RankView &view,
                                   std::optional<Number> fill = {}) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  Shape shape(type.getShape());
  auto next = dynamic.begin();
  for (int64_t &size : shape)
    if (ShapedType::isDynamic(size))
      size = view.getInteger(*next++);
  if (std::string reason = whyNoTensor(shape); !reason.empty())
    return failAt(op, reason);
  return Tensor(shape, type.getElementType(), fill.value_or(getUndefined(type.getElementType())));
}

static LocalResults makeGenerated(tensor::GenerateOp op, const RankView &view) {
  auto result = make(op, op.getDynamicExtents(), view);
  if (!result)
    return result.takeError();
  auto body = ScalarBody::create(op.getBody().front(), view);
  if (!body)
    return body.takeError();
  llvm::Error error = llvm::Error::success();
  forEachIndex(result->getShape(), [&](ArrayRef<int64_t> index) {
    if (error)
      return;
    auto numbers = llvm::map_to_vector(index, [](int64_t i) { return Number::ofInteger(i); });
    if (auto values = body->run(numbers, index))
      result->at(index) = values->front();
    else
      error = values.takeError();
  });
  if (error)
    return error;
  return one(std::move(*result));
}

static LocalResults makeFromElements(tensor::FromElementsOp op, const RankView &view) {
  Tensor result(getType(op.getResult()).getShape(), getType(op.getResult()).getElementType());
  for (auto [element, value] : llvm::zip_equal(result.getElements(), op.getElements()))
    element = view.get(value).getScalar();
  return one(std::move(result));
}

//===----------------------------------------------------------------------===//
// Reshapes
//===----------------------------------------------------------------------===//

static LocalResults reshape(Operation *op, const Tensor &source, ArrayRef<int64_t> shape) {
  if (llvm::any_of(shape, [](int64_t size) { return size < 0; }) || count(shape) != source.getElementCount())
    return failAt(op, "cannot reshape " + formatShape(source.getShape()) + " to " + formatShape(shape) +
                          " because the numbers of elements differ");
  return one(source.reshaped(shape));
}

static LocalResults expand(tensor::ExpandShapeOp op, const RankView &view) {
  const Tensor &source = view.get(op.getSrc());
  Shape shape = view.getIntegers(op.getMixedOutputShape());
  for (auto [dim, group] : llvm::enumerate(op.getReassociationIndices())) {
    int64_t product = 1;
    for (int64_t i : group)
      product *= shape[i];
    if (product != source.getDimSize(static_cast<int64_t>(dim)))
      return failAt(op, "expected dim " + Twine(dim) + " of size " +
                            Twine(source.getDimSize(static_cast<int64_t>(dim))) +
                            " to be the product of its parts but got " + Twine(product));
  }
  return reshape(op, source, shape);
}

static LocalResults collapse(tensor::CollapseShapeOp op, const RankView &view) {
  const Tensor &source = view.get(op.getSrc());
  Shape shape;
  for (ReassociationIndices group : op.getReassociationIndices()) {
    int64_t product = 1;
    for (int64_t dim : group)
      product *= source.getDimSize(dim);
    shape.push_back(product);
  }
  return reshape(op, source, shape);
}

static LocalResults reshapeTo(tensor::ReshapeOp op, const RankView &view) {
  auto shape = llvm::map_to_vector(view.get(op.getShape()).getElements(), [](Number size) { return size.integer; });
  return reshape(op, view.get(op.getSource()), shape);
}

//===----------------------------------------------------------------------===//
// Slices
//===----------------------------------------------------------------------===//

struct Box {
  Shape offsets, sizes, strides;
};

/// The box of a slice, checked to lie inside `shape`.
static llvm::Expected<Box> getBox(OffsetSizeAndStrideOpInterface op, ArrayRef<int64_t> shape, const RankView &view) {
  Box box{view.getIntegers(op.getMixedOffsets()), view.getIntegers(op.getMixedSizes()),
          view.getIntegers(op.getMixedStrides())};
  for (auto [dim, size] : llvm::enumerate(shape)) {
    int64_t length = box.sizes[dim], first = box.offsets[dim], last = 0;
    bool isFar = llvm::MulOverflow(std::max<int64_t>(length, 1) - 1, box.strides[dim], last) ||
                 llvm::AddOverflow(first, last, last);
    if (length < 0 || (length > 0 && (isFar || std::min(first, last) < 0 || std::max(first, last) >= size)))
      return failAt(op, "expected the slice to lie inside dim " + Twine(dim) + " of size " + Twine(size) +
                            " but got offset " + Twine(first) + ", size " + Twine(length) + ", stride " +
                            Twine(box.strides[dim]));
  }
  // With stride 0 a slice may be longer than its tensor.
  if (std::string reason = whyNoTensor(box.sizes); !reason.empty())
    return failAt(op, reason);
  return box;
}

static Shape place(const Box &box, ArrayRef<int64_t> index) {
  Shape target;
  for (auto [offset, i, stride] : llvm::zip_equal(box.offsets, index, box.strides))
    target.push_back(offset + i * stride);
  return target;
}

static LocalResults extractSlice(tensor::ExtractSliceOp op, const RankView &view) {
  const Tensor &source = view.get(op.getSource());
  auto box = getBox(op, source.getShape(), view);
  if (!box)
    return box.takeError();
  Tensor full(box->sizes, source.getElementType());
  forEachIndex(box->sizes, [&](ArrayRef<int64_t> index) { full.at(index) = source.at(place(*box, index)); });
  llvm::SmallBitVector dropped = op.getDroppedDims();
  Shape shape;
  for (auto [dim, size] : llvm::enumerate(box->sizes))
    if (!dropped.test(dim))
      shape.push_back(size);
  return reshape(op, full, shape);
}

static LocalResults insertSlice(tensor::InsertSliceOp op, const RankView &view) {
  Tensor result = view.get(op.getDest());
  auto box = getBox(op, result.getShape(), view);
  if (!box)
    return box.takeError();
  const Tensor &source = view.get(op.getSource());
  if (source.getElementCount() != count(box->sizes))
    return failAt(op, "expected a source of shape " + formatShape(box->sizes) + " but got " +
                          formatShape(source.getShape()));
  Tensor full = source.reshaped(box->sizes);
  forEachIndex(box->sizes, [&](ArrayRef<int64_t> index) { result.at(place(*box, index)) = full.at(index); });
  return one(std::move(result));
}

static LocalResults concatenate(tensor::ConcatOp op, const RankView &view) {
  int64_t dim = static_cast<int64_t>(op.getDim()), offset = 0;
  Shape shape(view.get(op.getInputs().front()).getShape());
  shape[dim] = 0;
  for (Value input : op.getInputs())
    shape[dim] += view.get(input).getDimSize(dim);
  if (std::string reason = whyNoTensor(shape); !reason.empty())
    return failAt(op, reason);
  Tensor result(shape, getType(op.getResult()).getElementType());
  for (Value input : op.getInputs()) {
    const Tensor &part = view.get(input);
    for (int64_t other = 0; other < part.getRank(); ++other)
      if (other != dim && part.getDimSize(other) != shape[other])
        return failAt(op, "expected dim " + Twine(other) + " of every input to have size " + Twine(shape[other]) +
                              " but got " + Twine(part.getDimSize(other)));
    forEachIndex(part.getShape(), [&](ArrayRef<int64_t> index) {
      Shape target(index);
      target[dim] += offset;
      result.at(target) = part.at(index);
    });
    offset += part.getDimSize(dim);
  }
  return one(std::move(result));
}

static LocalResults pad(tensor::PadOp op, const RankView &view) {
  const Tensor &source = view.get(op.getSource());
  Shape low = view.getIntegers(op.getMixedLowPad()), high = view.getIntegers(op.getMixedHighPad()), shape;
  for (auto [before, size, after] : llvm::zip_equal(low, source.getShape(), high)) {
    if (before < 0 || after < 0)
      return failAt(op, "expected padding of at least 0 but got " + Twine(std::min(before, after)));
    int64_t padded = 0;
    if (llvm::AddOverflow(before, size, padded) || llvm::AddOverflow(padded, after, padded))
      padded = std::numeric_limits<int64_t>::max();
    shape.push_back(padded);
  }
  if (std::string reason = whyNoTensor(shape); !reason.empty())
    return failAt(op, reason);
  auto body = ScalarBody::create(op.getRegion().front(), view);
  if (!body)
    return body.takeError();
  Tensor result(shape, source.getElementType());
  llvm::Error error = llvm::Error::success();
  forEachIndex(shape, [&](ArrayRef<int64_t> index) {
    if (error)
      return;
    Shape inner;
    for (auto [i, before] : llvm::zip_equal(index, low))
      inner.push_back(i - before);
    if (source.contains(inner)) {
      result.at(index) = source.at(inner);
      return;
    }
    auto numbers = llvm::map_to_vector(index, [](int64_t i) { return Number::ofInteger(i); });
    if (auto values = body->run(numbers, index))
      result.at(index) = values->front();
    else
      error = values.takeError();
  });
  if (error)
    return error;
  return one(std::move(result));
}

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

static llvm::Expected<Shape> getIndex(Operation *op, ValueRange indices, const Tensor &tensor, const RankView &view) {
  Shape index;
  for (Value value : indices)
    index.push_back(view.getInteger(value));
  if (!tensor.contains(index))
    return failAt(op, "expected an index inside " + formatShape(tensor.getShape()) + " but got " + formatShape(index));
  return index;
}

static LocalResults extract(tensor::ExtractOp op, const RankView &view) {
  const Tensor &tensor = view.get(op.getTensor());
  auto index = getIndex(op, op.getIndices(), tensor, view);
  if (!index)
    return index.takeError();
  return one(Tensor::scalar(tensor.getElementType(), tensor.at(*index)));
}

static LocalResults insert(tensor::InsertOp op, const RankView &view) {
  Tensor result = view.get(op.getDest());
  auto index = getIndex(op, op.getIndices(), result, view);
  if (!index)
    return index.takeError();
  result.at(*index) = view.get(op.getScalar()).getScalar();
  return one(std::move(result));
}

static LocalResults getDim(tensor::DimOp op, const RankView &view) {
  const Tensor &tensor = view.get(op.getSource());
  int64_t dim = view.getInteger(op.getIndex());
  if (dim < 0 || dim >= tensor.getRank())
    return failAt(op, "expected a dim below " + Twine(tensor.getRank()) + " but got " + Twine(dim));
  return one(Tensor::scalar(op.getResult().getType(), Number::ofInteger(tensor.getDimSize(dim))));
}

LocalResults muster::reference::interpretTensorOp(Operation *operation, const RankView &view) {
  return llvm::TypeSwitch<Operation *, LocalResults>(operation)
      .Case([&](tensor::EmptyOp op) { return one(make(op, op.getDynamicSizes(), view)); })
      .Case([&](tensor::SplatOp op) {
        return one(make(op, op.getDynamicSizes(), view, view.get(op.getInput()).getScalar()));
      })
      .Case([&](tensor::CastOp op) -> LocalResults { return one(view.get(op.getSource())); })
      .Case([&](tensor::RankOp op) -> LocalResults {
        return one(Tensor::scalar(op.getResult().getType(), Number::ofInteger(view.get(op.getTensor()).getRank())));
      })
      .Case([&](tensor::GenerateOp op) { return makeGenerated(op, view); })
      .Case([&](tensor::FromElementsOp op) { return makeFromElements(op, view); })
      .Case([&](tensor::ExpandShapeOp op) { return expand(op, view); })
      .Case([&](tensor::CollapseShapeOp op) { return collapse(op, view); })
      .Case([&](tensor::ReshapeOp op) { return reshapeTo(op, view); })
      .Case([&](tensor::ExtractSliceOp op) { return extractSlice(op, view); })
      .Case([&](tensor::InsertSliceOp op) { return insertSlice(op, view); })
      .Case([&](tensor::ConcatOp op) { return concatenate(op, view); })
      .Case([&](tensor::PadOp op) { return pad(op, view); })
      .Case([&](tensor::ExtractOp op) { return extract(op, view); })
      .Case([&](tensor::InsertOp op) { return insert(op, view); })
      .Case([&](tensor::DimOp op) { return getDim(op, view); })
      .Default([&](Operation *op) -> LocalResults { return failAt(op, "unsupported by the reference interpreter"); });
}
