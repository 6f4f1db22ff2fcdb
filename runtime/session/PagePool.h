// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pages of the key-value cache: which are free, and how many are promised.
//
// A sequence reserves all pages that it may ever need before its first step and takes them one by one as it grows, so
// that a running sequence never finds the pool empty and none has to be thrown out half done.

#ifndef MUSTER_RUNTIME_SESSION_PAGEPOOL_H
#define MUSTER_RUNTIME_SESSION_PAGEPOOL_H

#include <cstdint>
#include <vector>

namespace muster::session {

/// Not synchronised. Allocates in its constructor only.
class PagePool {
public:
  explicit PagePool(uint32_t pages);

  uint32_t pages() const { return pageCount; }
  /// Pages that are neither taken nor promised.
  uint32_t available() const { return static_cast<uint32_t>(freePages.size()) - promised; }
  uint32_t taken() const { return pageCount - static_cast<uint32_t>(freePages.size()); }

  /// Promises `count` pages to one caller; false, and nothing changes, where fewer are available.
  bool reserve(uint32_t count);
  /// Gives promised pages back that were not taken.
  void unreserve(uint32_t count);
  /// Takes one promised page.
  int32_t take();
  /// Returns a page that was taken.
  void giveBack(int32_t page);

private:
  uint32_t pageCount;
  uint32_t promised = 0;
  std::vector<int32_t> freePages; // the last one is taken next: lately used memory is in the cache
};

} // namespace muster::session

#endif // MUSTER_RUNTIME_SESSION_PAGEPOOL_H
