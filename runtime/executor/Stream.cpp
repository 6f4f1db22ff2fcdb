// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/executor/Stream.h"

#if defined(MUSTER_HAS_STREAMED_STORES)

#include <algorithm>
#include <cstring>
#include <emmintrin.h>

namespace muster::executor {

namespace {

constexpr size_t lineBytes = 64;
/// How far ahead of the copy rows are requested: several times what memory delivers in its latency.
constexpr size_t aheadBytes = 8192;
/// Runs are copied in pieces, each with one distance to what is requested meanwhile.
constexpr size_t pieceBytes = 4096;

enum class Level : uint8_t {
  /// Into the cache next to the core. It can have the fewest requests under way.
  first = 3,
  outer = 1
};

/// Copies `bytes` and requests as many from `ahead` on. Prefetches of addresses that do not exist do nothing.
template <Level level>
[[gnu::always_inline]] inline void streamPiece(const std::byte *source, const std::byte *ahead, std::byte *destination,
                                               size_t bytes) {
  size_t head = std::min(bytes, static_cast<size_t>(-reinterpret_cast<uintptr_t>(destination)) % lineBytes);
  if (head != 0)
    std::memcpy(destination, source, head);
  size_t i = head;
  for (; i + lineBytes <= bytes; i += lineBytes) {
    __builtin_prefetch(ahead + i, 0, static_cast<int>(level));
    // Four stores fill a line of the write-combining buffer; wider ones are no faster.
    __m128i vectors[4];
    for (size_t j = 0; j != 4; ++j)
      vectors[j] = _mm_loadu_si128(reinterpret_cast<const __m128i *>(source + i) + j);
    for (size_t j = 0; j != 4; ++j)
      _mm_stream_si128(reinterpret_cast<__m128i *>(destination + i) + j, vectors[j]);
  }
  if (i != bytes)
    std::memcpy(destination + i, source + i, bytes - i);
}

/// Every other row of a contiguous region, in short rows: the prefetchers fetch the whole region anyway, and do so best
/// when asked for it in order.
void streamEveryOther(const std::byte *source, std::byte *destination, int64_t destinationPitch, int64_t rows,
                      size_t bytes) {
  size_t pitch = 2 * bytes, distance = std::max<size_t>(1, pieceBytes / bytes) * pitch;
  for (int64_t row = 0; row != rows; ++row, source += pitch, destination += destinationPitch) {
    streamPiece<Level::first>(source, source + distance, destination, bytes);
    for (size_t i = bytes; i < pitch; i += lineBytes)
      __builtin_prefetch(source + distance + i, 0, static_cast<int>(Level::first));
  }
}

/// A run longer than a piece; `next` is where the source goes on.
void streamRun(const std::byte *source, const std::byte *next, std::byte *destination, size_t bytes) {
  for (size_t begin = 0; begin < bytes; begin += pieceBytes) {
    size_t target = begin + aheadBytes;
    streamPiece<Level::outer>(source + begin, target < bytes ? source + target : next + (target - bytes),
                              destination + begin, std::min(pieceBytes, bytes - begin));
  }
}

} // namespace

void streamRows(const std::byte *source, int64_t sourcePitch, std::byte *destination, int64_t destinationPitch,
                int64_t rows, size_t bytes) {
  if (sourcePitch == 2 * static_cast<int64_t>(bytes) && bytes <= 1024) {
    streamEveryOther(source, destination, destinationPitch, rows, bytes);
  } else if (bytes <= pieceBytes) {
    int64_t distance = static_cast<int64_t>(aheadBytes / bytes) * sourcePitch;
    for (int64_t row = 0; row != rows; ++row, source += sourcePitch, destination += destinationPitch)
      streamPiece<Level::outer>(source, source + distance, destination, bytes);
  } else {
    for (int64_t row = 0; row != rows; ++row, source += sourcePitch, destination += destinationPitch)
      streamRun(source, source + sourcePitch, destination, bytes);
  }
  _mm_sfence(); // publishing progress orders ordinary stores only
}

} // namespace muster::executor

#endif
