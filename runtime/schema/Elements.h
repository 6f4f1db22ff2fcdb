// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the enumerators of plan.fbs's ElementType stand for.
#ifndef MUSTER_RUNTIME_SCHEMA_ELEMENTS_H
#define MUSTER_RUNTIME_SCHEMA_ELEMENTS_H

#include "runtime/schema/plan_generated.h"

#include <cstdint>
#include <string_view>

namespace muster::schema {

/// Bytes of an element; 0 for an unknown type.
constexpr uint64_t elementBytes(ElementType element) {
  switch (element) {
  case ElementType::F64:
  case ElementType::I64:
    return 8;
  case ElementType::F32:
  case ElementType::I32:
    return 4;
  case ElementType::F16:
  case ElementType::BF16:
    return 2;
  case ElementType::I8:
  case ElementType::U8:
  case ElementType::Bool:
    return 1;
  }
  return 0;
}

/// "f32", "i32", ...; "unknown".
constexpr std::string_view elementName(ElementType element) {
  switch (element) {
  case ElementType::F32:
    return "f32";
  case ElementType::F16:
    return "f16";
  case ElementType::BF16:
    return "bf16";
  case ElementType::F64:
    return "f64";
  case ElementType::I8:
    return "i8";
  case ElementType::U8:
    return "u8";
  case ElementType::I32:
    return "i32";
  case ElementType::I64:
    return "i64";
  case ElementType::Bool:
    return "bool";
  }
  return "unknown";
}

} // namespace muster::schema

#endif // MUSTER_RUNTIME_SCHEMA_ELEMENTS_H
