// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A work item is a block of consecutive tokens of one sequence and one key-value head; its rows are the block's tokens
// times the query heads of the group, so that keys are read once for all of them. For each tile of keys:
//
//   1. the tile's keys are transposed to [headDim][keys] on the stack (that makes scores a product of register tiles
//      without sums across lanes),
//   2. for each four rows: scores [4][keys] in registers, masked by select; running maximum and sum; weights to the
//   stack;
//      the accumulated values are rescaled and take the tile's values, key by key in order.
//
// What a row computes depends on its own position only: tiles lie at fixed positions, a tile behind its position
// changes nothing (weights 0, factor exp(0) = 1), and within a tile the row takes exactly the keys up to its position.
// Hence equal bits for every grouping of rows.
//
// Items go to workers by their estimated cost: the item that begins at share x of the total belongs to worker
// floor(x * workers), so that one long sequence is spread evenly.

#include "compiler/Codegen/Host/Attention.h"

#include <algorithm>
#include <limits>

#include "compiler/Codegen/Host/BufferKernelBuilder.h"
#include "compiler/Codegen/Host/HostPipeline.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace muster::codegen {

namespace {

using Values = BufferKernelBuilder::Values;

constexpr int64_t tileKeys = attentionTileKeys;
// Rows whose scores and sums are in registers at once.
constexpr int64_t rowsAtOnce = 4;
// Rows of a work item, about: enough to repay the transposition of a tile, few enough to stay in the first cache.
constexpr int64_t rowsPerItem = 48;

class AttentionBuilder {
public:
  AttentionBuilder(ModuleOp module, StringRef name, const AttentionSpec &spec, const HostTarget &target)
      : spec(spec), context(module.getContext()), f32(Float32Type::get(context)), i32(IntegerType::get(context, 32)),
        b(module, name, {f32, f32, f32, i32, i32, i32, f32}, 2, {spec.kvHeads, 0}, target.vectorLanes), lanes(b.lanes),
        group(spec.heads / spec.kvHeads), dim(spec.headDim), paddedDim(llvm::alignTo(dim, lanes)),
        blockTokens(std::max<int64_t>(1, rowsPerItem / group)), rows(llvm::alignTo(blockTokens * group, rowsAtOnce)),
        registers(target.hasFeature("avx512f") ? 4 : 2) {
    query = b.binding(0), keys = b.binding(1), values = b.binding(2), positions = b.binding(3), starts = b.binding(4);
    table = b.binding(5), result = b.binding(6);
    Type index = IndexType::get(context);
    scaled = b.stack(rows * paddedDim, f32), sums = b.stack(rows * paddedDim, f32);
    transposed = b.stack(paddedDim * tileKeys, f32), weights = b.stack(rowsAtOnce * tileKeys, f32);
    maxima = b.stack(rows, f32), totals = b.stack(rows * lanes, f32), factors = b.stack(rowsAtOnce, f32);
    offsets = b.stack(tileKeys, index), rowPositions = b.stack(rows, index);
  }

  int64_t stackBytes() const {
    return 4 * (2 * rows * paddedDim + paddedDim * tileKeys + rowsAtOnce * tileKeys + rows * (lanes + 4)) +
           8 * tileKeys;
  }
  func::FuncOp function() const { return b.function(); }

  void build() {
    Value zero = b.index(0);
    // First the cost of everything, then the walk that picks this worker's share.
    Value total = forEachBlock(
        zero, [&](Value, Value, Value, Value cost, Value sum) { return b.add(sum, b.mul(cost, spec.kvHeads)); });
    Value low = b.mul(total, b.worker()), high = b.mul(total, b.add(b.worker(), 1));
    forEachBlock(zero, [&](Value sequence, Value first, Value end, Value cost, Value sum) {
      return b
          .loop(zero, b.index(spec.kvHeads), 1, {sum},
                [&](Value head, Values carried) -> Values {
                  Value begin = b.mul(carried[0], b.workers());
                  Value mine = b.both(b.less(begin, high), b.less(low, b.add(begin, 1)));
                  b.when(mine, [&] { item(sequence, first, end, head); });
                  return {b.add(carried[0], cost)};
                })
          .front();
    });
  }

private:
  // Calls body(sequence, first token, end token, cost, sum) for every block of tokens; it returns the next sum.
  Value forEachBlock(Value initial, const std::function<Value(Value, Value, Value, Value, Value)> &body) {
    return b
        .loop(b.index(0), b.size(1), 1, {initial},
              [&](Value sequence, Values outer) -> Values {
                Value begin = b.loadIndex(starts, sequence), end = b.loadIndex(starts, b.add(sequence, 1));
                return b.loop(begin, end, blockTokens, outer, [&](Value first, Values inner) -> Values {
                  Value stop = b.min(b.add(first, blockTokens), end);
                  Value last = b.max(b.loadIndex(positions, b.add(stop, -1)), b.index(0));
                  // Transposing a tile costs about as much as three times four rows of it.
                  Value fours = b.ceilDiv(b.mul(b.sub(stop, first), group), rowsAtOnce);
                  Value cost = b.add(b.mul(b.add(b.div(last, tileKeys), 1), b.add(fours, 3)), 1);
                  return {body(sequence, first, stop, cost, inner[0])};
                });
              })
        .front();
  }

  void item(Value sequence, Value first, Value end, Value head) {
    Value zero = b.index(0);
    Value tokens = b.sub(end, first), used = b.mul(tokens, group);
    Value padded = b.mul(b.ceilDiv(used, rowsAtOnce), rowsAtOnce);
    Value greatest = loadRows(first, used, padded, head);
    Value limit = b.add(greatest, 1);
    b.loop(zero, limit, tileKeys, [&](Value base) {
      locateKeys(sequence, head, base, limit);
      transposeKeys();
      b.loop(zero, padded, rowsAtOnce, [&](Value row) {
        scores(row);
        b.loop(zero, b.index(rowsAtOnce), 1, [&](Value r) { normalise(row, r, base); });
        accumulate(row, base);
      });
    });
    b.loop(zero, used, 1, [&](Value row) {
      Value total = b.allLanes(b.loadVector(totals, b.mul(row, lanes)), [&](Value x, Value y) { return b.addf(x, y); });
      Value to = rowOffset(first, row, head);
      forVectors([&](int64_t d, int64_t count) {
        Value sum = b.loadVector(sums, b.add(b.mul(row, paddedDim), d));
        b.storeVector(b.divf(sum, total), result, b.add(to, d), count);
      });
    });
  }

  // Unrolled over the vectors of a head: body(offset, elements in this vector).
  void forVectors(const std::function<void(int64_t, int64_t)> &body) {
    for (int64_t d = 0; d < dim; d += lanes)
      body(d, std::min<int64_t>(lanes, dim - d));
  }

  // Where row `row` of an item lies in q and result.
  Value rowOffset(Value first, Value row, Value head) {
    Value token = b.add(first, b.div(row, group));
    Value queryHead = b.add(b.mul(head, group), b.rem(row, group));
    return b.mul(b.add(b.mul(token, spec.heads), queryHead), dim);
  }

  // Copies the item's queries, scaled, and clears its sums. Rows up to `padded` repeat the last one; nobody reads their
  // results. Returns the greatest position.
  Value loadRows(Value first, Value used, Value padded, Value head) {
    Value last = b.add(used, -1);
    return b
        .loop(b.index(0), padded, 1, {b.index(-1)},
              [&](Value i, Values carried) -> Values {
                Value row = b.min(i, last);
                Value position = b.loadIndex(positions, b.add(first, b.div(row, group)));
                b.store(position, rowPositions, i);
                b.store(b.number(-std::numeric_limits<float>::infinity()), maxima, i);
                b.storeVector(b.splat(0.0f), totals, b.mul(i, lanes));
                Value from = rowOffset(first, row, head), to = b.mul(i, paddedDim);
                forVectors([&](int64_t d, int64_t count) {
                  Value value = b.mulf(b.loadVector(query, b.add(from, d), count), b.splat(spec.scale));
                  b.storeVector(value, scaled, b.add(to, d));
                  b.storeVector(b.splat(0.0f), sums, b.add(to, d));
                });
                return {b.max(carried[0], position)};
              })
        .front();
  }

  // Element offsets of the tile's keys. Behind the last position any key of the sequence will do: it is masked.
  void locateKeys(Value sequence, Value head, Value base, Value limit) {
    b.loop(b.index(0), b.index(tileKeys), 1, [&](Value j) {
      Value key = b.min(b.add(base, j), b.add(limit, -1));
      Value entry = b.add(b.mul(sequence, spec.pagesPerSequence), b.div(key, spec.pageSlots));
      Value slot = b.add(b.mul(b.loadIndex(table, entry), spec.pageSlots), b.rem(key, spec.pageSlots));
      b.store(b.mul(b.add(b.mul(slot, spec.kvHeads), head), dim), offsets, j);
    });
  }

  void transposeKeys() {
    b.loop(b.index(0), b.index(tileKeys), lanes, [&](Value key) {
      Values from;
      for (int64_t i = 0; i < lanes; ++i)
        from.push_back(b.load(offsets, b.add(key, i)));
      auto square = [&](Value d, int64_t count) {
        Values square;
        for (int64_t i = 0; i < lanes; ++i)
          square.push_back(b.loadVector(keys, b.add(from[i], d), count));
        b.transpose(square);
        for (int64_t i = 0; i < lanes; ++i)
          b.storeVector(square[i], transposed, b.add(b.mul(b.add(d, i), tileKeys), key));
      };
      int64_t whole = dim / lanes * lanes;
      b.loop(b.index(0), b.index(whole), lanes, [&](Value d) { square(d, lanes); });
      if (whole < dim)
        square(b.index(whole), dim - whole);
    });
  }

  // weights[r][key] = q[row + r] . k[key]
  void scores(Value row) {
    b.loop(b.index(0), b.index(tileKeys), registers * lanes, [&](Value key) {
      Values initial(rowsAtOnce * registers, b.splat(0.0f));
      Values done = b.loop(b.index(0), b.index(dim), 1, initial, [&](Value d, Values sums) -> Values {
        Values column;
        for (int64_t k = 0; k < registers; ++k)
          column.push_back(b.loadVector(transposed, b.add(b.add(b.mul(d, tileKeys), key), k * lanes)));
        for (int64_t r = 0; r < rowsAtOnce; ++r) {
          Value q = b.splat(b.load(scaled, b.add(b.mul(b.add(row, r), paddedDim), d)));
          for (int64_t k = 0; k < registers; ++k)
            sums[r * registers + k] = b.fma(q, column[k], sums[r * registers + k]);
        }
        return sums;
      });
      for (int64_t r = 0; r < rowsAtOnce; ++r)
        for (int64_t k = 0; k < registers; ++k)
          b.storeVector(done[r * registers + k], weights, b.add(b.add(key, k * lanes), r * tileKeys));
    });
  }

  // Scores of one row to weights relative to its new maximum; its sum of weights; the factor for what it had before.
  void normalise(Value row, Value r, Value base) {
    const int64_t vectors = tileKeys / lanes;
    Value at = b.mul(r, tileKeys), self = b.add(row, r);
    Value visible = b.add(b.sub(b.load(rowPositions, self), base), 1);
    Value lowest = b.splat(-std::numeric_limits<float>::infinity());
    Values masks, scores;
    Value top;
    for (int64_t k = 0; k < vectors; ++k) {
      masks.push_back(b.lanesBelow(b.add(visible, -k * lanes)));
      scores.push_back(b.select(masks[k], b.loadVector(weights, b.add(at, k * lanes)), lowest));
      top = k == 0 ? scores[k] : b.greater(scores[k], top);
    }
    top = b.allLanes(top, [&](Value x, Value y) { return b.greater(x, y); });
    Value before = b.splat(b.load(maxima, self));
    Value maximum = b.greater(top, before);
    Value factor = b.exp(b.subf(before, maximum));
    Value sum;
    for (int64_t k = 0; k < vectors; ++k) {
      Value weight = b.select(masks[k], b.exp(b.subf(scores[k], maximum)), b.splat(0.0f));
      b.storeVector(weight, weights, b.add(at, k * lanes));
      sum = k == 0 ? weight : b.addf(sum, weight);
    }
    Value total = b.fma(b.loadVector(totals, b.mul(self, lanes)), factor, sum);
    b.storeVector(total, totals, b.mul(self, lanes));
    b.store(b.firstLane(maximum), maxima, self);
    b.store(b.firstLane(factor), factors, r);
  }

  // sums[row + r] = factor[r] * sums[row + r] + sum over visible keys of weight * value. Keys that all four rows see
  // are taken together, then each row takes the rest of its own.
  void accumulate(Value row, Value base) {
    Values visible;
    Value common = b.index(tileKeys);
    for (int64_t r = 0; r < rowsAtOnce; ++r) {
      Value count = b.add(b.sub(b.load(rowPositions, b.add(row, r)), base), 1);
      visible.push_back(b.max(b.min(count, b.index(tileKeys)), b.index(0)));
      common = b.min(common, visible[r]);
    }
    forChunks([&](int64_t d, int64_t vectors) {
      Values all;
      for (int64_t r = 0; r < rowsAtOnce; ++r)
        all.push_back(b.add(row, r));
      addValues(all, {0, 1, 2, 3}, d, vectors, b.index(0), common, /*rescale=*/true);
      for (int64_t r = 0; r < rowsAtOnce; ++r)
        b.when(b.less(common, visible[r]),
               [&] { addValues({all[r]}, {r}, d, vectors, common, visible[r], /*rescale=*/false); });
    });
  }

  // Unrolled over pieces of a head that fit the registers: body(offset, vectors).
  void forChunks(const std::function<void(int64_t, int64_t)> &body) {
    const int64_t all = paddedDim / lanes;
    for (int64_t done = 0; done < all; done += registers)
      body(done * lanes, std::min(registers, all - done));
  }

  void addValues(const Values &rowIndices, ArrayRef<int64_t> weightRows, int64_t d, int64_t vectors, Value from,
                 Value to, bool rescale) {
    Values initial;
    for (auto [row, r] : llvm::zip(rowIndices, weightRows))
      for (int64_t c = 0; c < vectors; ++c) {
        Value sum = b.loadVector(sums, b.add(b.mul(row, paddedDim), d + c * lanes));
        initial.push_back(rescale ? b.mulf(sum, b.splat(b.load(factors, b.index(r)))) : sum);
      }
    Values done = b.loop(from, to, 1, initial, [&](Value key, Values carried) -> Values {
      Value offset = b.load(offsets, key);
      Values value;
      for (int64_t c = 0; c < vectors; ++c) {
        int64_t at = d + c * lanes;
        value.push_back(b.loadVector(values, b.add(offset, at), std::min<int64_t>(lanes, dim - at)));
      }
      for (size_t i = 0; i < weightRows.size(); ++i) {
        Value weight = b.splat(b.load(weights, b.add(key, weightRows[i] * tileKeys)));
        for (int64_t c = 0; c < vectors; ++c)
          carried[i * vectors + c] = b.fma(weight, value[c], carried[i * vectors + c]);
      }
      return carried;
    });
    for (size_t i = 0; i < rowIndices.size(); ++i)
      for (int64_t c = 0; c < vectors; ++c)
        b.storeVector(done[i * vectors + c], sums, b.add(b.mul(rowIndices[i], paddedDim), d + c * lanes));
  }

  AttentionSpec spec;
  MLIRContext *context;
  Type f32, i32;
  BufferKernelBuilder b;
  const int64_t lanes, group, dim, paddedDim, blockTokens, rows, registers;
  Value query, keys, values, positions, starts, table, result;
  Value scaled, sums, transposed, weights, maxima, totals, factors, offsets, rowPositions;
};

} // namespace

llvm::Expected<func::FuncOp> buildAttentionKernel(ModuleOp module, StringRef name, const AttentionSpec &spec,
                                                  const HostTarget &target) {
  if (spec.heads < 1 || spec.kvHeads < 1 || spec.headDim < 1 || spec.pageSlots < 1 || spec.pagesPerSequence < 1 ||
      spec.heads % spec.kvHeads != 0)
    return llvm::createStringError(
        "E4127 expected positive sizes of attention and heads divided by kvHeads but got heads "
        "%lld, kvHeads %lld, headDim %lld, pageSlots %lld, pagesPerSequence %lld",
        (long long)spec.heads, (long long)spec.kvHeads, (long long)spec.headDim, (long long)spec.pageSlots,
        (long long)spec.pagesPerSequence);
  AttentionBuilder builder(module, name, spec, target);
  if (builder.stackBytes() > stackLimitBytes) {
    builder.function().erase();
    return llvm::createStringError("E4124 expected at most %lld bytes of intermediate values in attention but got %lld",
                                   (long long)stackLimitBytes, (long long)builder.stackBytes());
  }
  builder.build();
  return builder.function();
}

} // namespace muster::codegen
