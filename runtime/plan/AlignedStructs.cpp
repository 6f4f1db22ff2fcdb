// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/plan/AlignedStructs.h"

#include <cstdint>

namespace muster::plan {

namespace {

template <typename T>
bool isAligned(const flatbuffers::Vector<const T *> *vector) {
  return !vector || vector->size() == 0 || reinterpret_cast<uintptr_t>(vector->Data()) % alignof(T) == 0;
}

bool isAligned(const flatbuffers::Vector<int64_t> *vector) {
  return !vector || vector->size() == 0 || reinterpret_cast<uintptr_t>(vector->Data()) % alignof(int64_t) == 0;
}

bool isAligned(const schema::Amount *amount) { return !amount || isAligned(amount->terms()); }

/// All elements of a vector of tables that may be absent.
template <typename T, typename Check>
bool all(const flatbuffers::Vector<flatbuffers::Offset<T>> *vector, const Check &check) {
  if (vector)
    for (const T *element : *vector)
      if (!check(*element))
        return false;
  return true;
}

bool isAligned(const schema::Transfer &transfer) {
  return isAligned(transfer.source_offset()) && isAligned(transfer.destination_offset()) &&
         all(transfer.box(), [](const schema::BoxDim &dim) {
           return isAligned(dim.extent()) && isAligned(dim.source_stride()) && isAligned(dim.destination_stride());
         });
}

bool isAligned(const schema::Step &step) {
  if (const schema::Launch *launch = step.action_as_Launch())
    return isAligned(launch->bindings()) && isAligned(launch->grid());
  if (const schema::Matmul *matmul = step.action_as_Matmul())
    return isAligned(matmul->rows());
  if (const schema::Transfer *transfer = step.action_as_Transfer())
    return isAligned(*transfer);
  return true;
}

bool isAligned(const schema::Variant &variant) {
  return isAligned(variant.bounds()) && isAligned(variant.inputs()) && isAligned(variant.results()) &&
         all(variant.steps(), [](const schema::Step &step) { return isAligned(step); });
}

bool isAligned(const schema::Port &port) {
  return all(port.dims(), [](const schema::PortDim &dim) { return isAligned(dim.size()); });
}

} // namespace

bool hasAlignedStructs(const schema::Plan &plan) {
  auto isPortAligned = [](const schema::Port &port) { return isAligned(port); };
  auto isWeightAligned = [](const schema::Weight &weight) {
    return isAligned(weight.shape()) && isAligned(weight.logical_shape());
  };
  auto isStateAligned = [](const schema::State &state) { return isAligned(state.shape()); };
  return isAligned(plan.counts()->instructions()) && all(plan.weights(), isWeightAligned) &&
         all(plan.states(), isStateAligned) && all(plan.entries(), [&](const schema::Entry &entry) {
           return all(entry.inputs(), isPortAligned) && all(entry.results(), isPortAligned) &&
                  all(entry.variants(), [](const schema::Variant &variant) { return isAligned(variant); });
         });
}

} // namespace muster::plan
