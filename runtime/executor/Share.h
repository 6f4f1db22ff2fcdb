// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How the workers of a rank share a box.

#ifndef MUSTER_RUNTIME_EXECUTOR_SHARE_H
#define MUSTER_RUNTIME_EXECUTOR_SHARE_H

#include "runtime/executor/Copy.h"

#include <algorithm>
#include <span>

namespace muster::executor {

struct ShareLimits {
  /// As many as the loader lets a box have.
  static constexpr size_t greatestDims = 16;
};

/// Where a worker's part of a box begins, in elements.
struct Share {
  int64_t sourceOffset = 0;
  int64_t destinationOffset = 0;
  bool isEmpty = false;
};

/// Cuts the outermost dimension that is long enough (else the longest) into `workers` ranges and writes worker
/// `worker`'s box to `own` (as many dimensions as `dims`). A contiguous run is cut at cache lines.
inline Share shareOf(std::span<const BoxDim> dims, BoxDim *own, uint64_t elementBytes, uint32_t worker,
                     uint32_t workers) {
  std::copy(dims.begin(), dims.end(), own);
  Share share;
  if (workers == 1)
    return share;
  if (dims.empty()) {
    share.isEmpty = worker != 0;
    return share;
  }
  size_t cut = 0;
  for (size_t i = 0; i != dims.size() && dims[cut].extent < workers; ++i)
    if (dims[i].extent > dims[cut].extent)
      cut = i;
  BoxDim &dim = own[cut];
  int64_t grain = dim.destinationStride == 1 ? std::max<int64_t>(1, 64 / static_cast<int64_t>(elementBytes)) : 1;
  int64_t grains = (dim.extent + grain - 1) / grain;
  int64_t begin = std::min(grains * worker / workers * grain, dim.extent);
  int64_t end = std::min(grains * (worker + 1) / workers * grain, dim.extent);
  share.sourceOffset = begin * dim.sourceStride;
  share.destinationOffset = begin * dim.destinationStride;
  dim.extent = end - begin;
  share.isEmpty = dim.extent == 0;
  return share;
}

} // namespace muster::executor

#endif // MUSTER_RUNTIME_EXECUTOR_SHARE_H
