// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Large boxes: rows copied by stores that bypass the caches, with the next rows on their way from memory already.
//
// A cached store first reads the line that it overwrites, so a copy by such stores reads twice what it needs to. What
// then bounds a permuted copy is how many lines a core can have under way. The hardware's prefetchers do not help with
// short rows (they fetch what lies between them, and stop at the end of a page), so rows are requested here. Measured
// on one Zen 4 core, rows of 512 bytes with as much between them, 64 MiB, of one memcpy of as many bytes: cached 0.60,
// bypassing 0.58, with requests 0.9.

#ifndef MUSTER_RUNTIME_EXECUTOR_STREAM_H
#define MUSTER_RUNTIME_EXECUTOR_STREAM_H

#include <cstddef>
#include <cstdint>

namespace muster::executor {

/// Whether this processor has stores that bypass the caches; elsewhere streamRows does not exist.
#if defined(__x86_64__)
#define MUSTER_HAS_STREAMED_STORES 1

/// Copies `rows` rows of `bytes` bytes; pitches in bytes, any alignment. Returns when other threads that are
/// synchronised with in the ordinary way can see the result.
void streamRows(const std::byte *source, int64_t sourcePitch, std::byte *destination, int64_t destinationPitch,
                int64_t rows, size_t bytes);
#endif

} // namespace muster::executor

#endif // MUSTER_RUNTIME_EXECUTOR_STREAM_H
