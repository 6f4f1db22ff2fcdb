// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Layout/Parts.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <numeric>

using namespace muster::layout;

Coordinates muster::layout::coordinatesOf(llvm::ArrayRef<int64_t> mesh, int64_t rank) {
  Coordinates coordinates(mesh.size());
  for (size_t axis = mesh.size(); axis-- > 0; rank /= mesh[axis])
    coordinates[axis] = rank % mesh[axis];
  return coordinates;
}

int64_t muster::layout::rankOf(llvm::ArrayRef<int64_t> mesh, llvm::ArrayRef<int64_t> coordinates) {
  int64_t rank = 0;
  for (auto [size, coordinate] : llvm::zip_equal(mesh, coordinates))
    rank = rank * size + coordinate;
  return rank;
}

int64_t Deal::ranks() const {
  int64_t count = 1;
  for (const AxisDigit &digit : axes)
    count *= digit.count;
  return count;
}

int64_t Deal::positionOf(llvm::ArrayRef<int64_t> coordinates) const {
  int64_t position = 0;
  for (const AxisDigit &digit : axes)
    position = position * digit.count + coordinates[digit.axis] / digit.weight % digit.count;
  return position;
}

int64_t DealtDim::size() const {
  int64_t total = 0;
  for (const Segment &segment : segments)
    total += segment.size;
  return total;
}

int64_t DealtDim::localSize(llvm::ArrayRef<int64_t> coordinates) const {
  int64_t total = 0;
  for (const Run &run : runsOf(*this, coordinates))
    total += run.count;
  return total;
}

/// The chunk of this number, clipped to the segment.
static Run chunkAt(int64_t size, int64_t length, int64_t number) {
  int64_t start = std::min(number * length, size);
  return {start, 1, std::min(length, size - start), 0};
}

llvm::SmallVector<Run, 2> muster::layout::runsOf(const Segment &segment, int64_t position) {
  int64_t ranks = segment.deal.ranks(), length = llvm::divideCeilSigned(segment.size, segment.deal.chunks());
  llvm::SmallVector<Run, 2> runs;
  switch (segment.deal.order) {
  case ChunkOrder::Contiguous:
    runs = {chunkAt(segment.size, length, position)};
    break;
  case ChunkOrder::ZigZag:
    runs = {chunkAt(segment.size, length, position), chunkAt(segment.size, length, 2 * ranks - 1 - position)};
    runs[1].local = runs[0].count;
    break;
  case ChunkOrder::Stripe:
    if (position < segment.size)
      runs = {{position, ranks, llvm::divideCeilSigned(segment.size - position, ranks), 0}};
    break;
  }
  llvm::erase_if(runs, [](const Run &run) { return run.count <= 0; });
  return runs;
}

llvm::SmallVector<Run, 2> muster::layout::runsOf(const DealtDim &dim, llvm::ArrayRef<int64_t> coordinates) {
  llvm::SmallVector<Run, 2> runs;
  int64_t first = 0, local = 0;
  for (const Segment &segment : dim.segments) {
    int64_t held = 0;
    for (Run run : runsOf(segment, segment.deal.positionOf(coordinates))) {
      run.start += first;
      run.local += local;
      held += run.count;
      runs.push_back(run);
    }
    first += segment.size;
    local += held;
  }
  return runs;
}

/// x with a * x = 1 modulo `modulus`; a and modulus have no common divisor.
static int64_t inverseOf(int64_t a, int64_t modulus) {
  int64_t x = 1, y = 0, r = modulus;
  for (a %= modulus; r != 0;) {
    int64_t quotient = a / r;
    std::tie(a, r) = std::pair(r, a - quotient * r);
    std::tie(x, y) = std::pair(y, x - quotient * y);
  }
  return modulus == 1 ? 0 : (x % modulus + modulus) % modulus;
}

std::optional<Common> muster::layout::compose(const Run &source, const Run &target) {
  if (source.count <= 0 || target.count <= 0)
    return std::nullopt;
  int64_t divisor = std::gcd(source.step, target.step), step = source.step / divisor * target.step;
  int64_t distance = target.start - source.start;
  if (distance % divisor != 0)
    return std::nullopt;
  // The first position of both progressions: source.start + source.step * i with i = distance / source.step modulo
  // target.step, both without their common divisor.
  int64_t modulus = target.step / divisor;
  int64_t index = (distance / divisor % modulus + modulus) % modulus * inverseOf(source.step / divisor, modulus);
  int64_t first = source.start + source.step * (index % modulus);
  int64_t lower = std::max(source.start, target.start);
  int64_t upper =
      std::min(source.start + (source.count - 1) * source.step, target.start + (target.count - 1) * target.step);
  if (first < lower)
    first += llvm::divideCeilSigned(lower - first, step) * step;
  if (first > upper)
    return std::nullopt;
  return Common{(upper - first) / step + 1, source.local + (first - source.start) / source.step, step / source.step,
                target.local + (first - target.start) / target.step, step / target.step};
}

void muster::layout::forEachHolder(const Segment &segment, const Run &wanted,
                                   llvm::function_ref<void(int64_t, const Common &)> visit) {
  if (wanted.count <= 0)
    return;
  int64_t ranks = segment.deal.ranks(), length = llvm::divideCeilSigned(segment.size, segment.deal.chunks());
  auto meet = [&](int64_t position, const Run &held) {
    if (std::optional<Common> common = compose(held, wanted))
      visit(position, *common);
  };
  if (segment.deal.order == ChunkOrder::Stripe) {
    // The residues of the run come back after this many steps.
    int64_t period = ranks / std::gcd(ranks, wanted.step);
    for (int64_t i = 0; i < std::min(period, wanted.count); ++i) {
      int64_t position = (wanted.start + i * wanted.step) % ranks;
      for (const Run &held : runsOf(segment, position))
        meet(position, held);
    }
    return;
  }
  int64_t first = wanted.start / length, last = (wanted.start + (wanted.count - 1) * wanted.step) / length;
  for (int64_t chunk = first; chunk <= last; ++chunk) {
    Run held = chunkAt(segment.size, length, chunk);
    bool isSecond = segment.deal.order == ChunkOrder::ZigZag && chunk >= ranks;
    int64_t position = isSecond ? 2 * ranks - 1 - chunk : chunk;
    // The first chunk of a zig-zag part is whole where the second holds anything.
    held.local = isSecond ? length : 0;
    meet(position, held);
  }
}
