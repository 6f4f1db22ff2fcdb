// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/session/PagePool.h"

#include <cassert>

namespace muster::session {

PagePool::PagePool(uint32_t pages) : pageCount(pages) {
  freePages.reserve(pages);
  for (uint32_t page = pages; page != 0; --page)
    freePages.push_back(static_cast<int32_t>(page - 1));
}

bool PagePool::reserve(uint32_t count) {
  if (count > available())
    return false;
  promised += count;
  return true;
}

void PagePool::unreserve(uint32_t count) {
  assert(count <= promised && "more pages returned than promised");
  promised -= count;
}

int32_t PagePool::take() {
  assert(promised != 0 && "a page is taken that was not promised");
  --promised;
  int32_t page = freePages.back();
  freePages.pop_back();
  return page;
}

void PagePool::giveBack(int32_t page) {
  assert(page >= 0 && static_cast<uint32_t>(page) < pageCount && freePages.size() < pageCount && "not a taken page");
  freePages.push_back(page);
}

} // namespace muster::session
