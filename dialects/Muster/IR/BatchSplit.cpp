// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/Muster/IR/BatchSplit.h"

using namespace mlir;
using namespace muster;

static constexpr llvm::StringLiteral classNames[] = {"slice", "recompute", "inherit", "drop"};

StringRef muster::stringifyFieldClass(FieldClass kind) { return classNames[static_cast<size_t>(kind)]; }

std::optional<FieldClass> muster::symbolizeFieldClass(StringRef name) {
  for (auto [index, known] : llvm::enumerate(classNames))
    if (known == name)
      return static_cast<FieldClass>(index);
  return std::nullopt;
}

std::optional<FieldClass> muster::fieldClassOf(FunctionOpInterface function, unsigned argument) {
  auto name = function.getArgAttrOfType<StringAttr>(argument, attribute::split);
  return name ? symbolizeFieldClass(name.getValue()) : std::nullopt;
}

std::optional<BatchSplit> BatchSplit::of(Operation *function) {
  auto attr = function->getAttrOfType<DictionaryAttr>(attribute::split);
  if (!attr)
    return std::nullopt;
  auto batch = [&](StringRef name) { return attr.getAs<FlatSymbolRefAttr>(name).getValue().str(); };
  return BatchSplit{batch("parent"), batch("first"), batch("second")};
}

DictionaryAttr BatchSplit::toAttribute(MLIRContext *context) const {
  Builder builder(context);
  auto named = [&](StringRef name, StringRef batch) {
    return builder.getNamedAttr(name, FlatSymbolRefAttr::get(context, batch));
  };
  return builder.getDictionaryAttr({named("parent", parent), named("first", first), named("second", second)});
}

StringRef BatchSplit::suffixOf(StringRef child) const {
  return child.starts_with(parent) ? child.drop_front(parent.size()) : StringRef();
}

StringRef BatchSplit::parentName(StringRef nameInFirst) const {
  StringRef suffix = suffixOf(first);
  return nameInFirst.ends_with(suffix) ? nameInFirst.drop_back(suffix.size()) : nameInFirst;
}
