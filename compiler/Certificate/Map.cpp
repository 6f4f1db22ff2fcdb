// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Certificate/Map.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/raw_ostream.h"

namespace muster::certificate {

Run meshDigits(const Map &map) {
  Run digits = map.pending;
  for (const Dim &dim : map.dims) {
    Run own; // Parts of a packed dim may be divided alike.
    for (const Run &run : dim)
      for (const Digit &digit : run)
        if (digit.isMesh() && llvm::none_of(own, [&](const Digit &other) {
              return &run != &dim.front() && other.axis == digit.axis && other.weight == digit.weight &&
                     other.count == digit.count;
            }))
          own.push_back(digit);
    llvm::append_range(digits, own);
  }
  return digits;
}

bool continues(const Digit &digit, const Digit &next) {
  return digit.space == next.space && next.stride != 0 && digit.stride == next.count * next.stride;
}

void merge(Run &run) {
  llvm::erase_if(run, [](const Digit &digit) { return digit.count == 1 || (digit.isMesh() && digit.stride == 0); });
  for (Digit &digit : run)
    if (digit.stride == 0)
      digit.space.clear();
  for (size_t i = run.size(); i-- > 1;) {
    const Digit &major = run[i - 1], &minor = run[i];
    if (major.axis != minor.axis || major.space != minor.space || major.stride != minor.count * minor.stride ||
        (major.isMesh() && major.weight != minor.count * minor.weight))
      continue;
    run[i].count *= major.count;
    run.erase(run.begin() + static_cast<ptrdiff_t>(i) - 1);
  }
}

void normalise(Map &map) {
  for (Dim &dim : map.dims)
    for (Run &run : dim) {
      merge(run);
      for (size_t moves = run.size(), i = 0; i < run.size() && moves > 0; ++i) {
        if (!run[i].isMesh() || (i + 1 < run.size() && continues(run[i], run[i + 1])))
          continue;
        auto next = llvm::find_if(run, [&](const Digit &other) { return continues(run[i], other); });
        if (next == run.end())
          continue;
        auto own = run.begin() + static_cast<ptrdiff_t>(i);
        next < own ? std::rotate(next, own, own + 1) : std::rotate(own, own + 1, next);
        --moves, i = size_t(-1); // from the start again
      }
      merge(run);
    }
}

Size localSize(const Run &run) {
  Size size(1);
  for (const Digit &digit : run)
    size *= digit.isMesh() ? Size(1) : digit.count;
  return size;
}

Size localSize(const Dim &dim) {
  Size size(0);
  for (const Run &run : dim)
    size += localSize(run);
  return size;
}

bool areDisjoint(const Run &digits) {
  for (size_t i = 0; i < digits.size(); ++i)
    for (size_t k = 0; k < i; ++k)
      if (const Digit &a = digits[i], &b = digits[k];
          a.axis == b.axis && !divides(a.weight * a.count, b.weight) && !divides(b.weight * b.count, a.weight))
        return false;
  return true;
}

Map parseMap(const llvm::json::Value &text, const std::map<std::string, Size> &symbols) {
  bool isFine = true;
  auto listOf = [&](const llvm::json::Value *value) {
    const llvm::json::Array *items = value ? value->getAsArray() : nullptr;
    isFine &= items != nullptr;
    return items ? *items : llvm::json::Array();
  };
  auto sizeOf = [&](const llvm::json::Value &value) {
    Size size(1);
    for (const llvm::json::Value &factor : value.getAsArray() ? *value.getAsArray() : llvm::json::Array{value}) {
      auto symbol = symbols.find(factor.getAsString().value_or("").str());
      int64_t number = factor.getAsInteger().value_or(-1);
      isFine &= symbol != symbols.end() || (number >= 0 && number < int64_t(1) << 48);
      size *= symbol != symbols.end() ? symbol->second : Size(number);
    }
    return size;
  };
  auto runOf = [&](const llvm::json::Value *value) {
    Run run;
    for (const llvm::json::Value &item : listOf(value)) {
      llvm::json::Array parts = listOf(&item);
      isFine &= parts.size() >= 3 && parts.size() <= 5;
      while (parts.size() < 5)
        parts.push_back(nullptr);
      auto word = [&](size_t i) { return parts[i].getAsString().value_or("").str(); };
      run.push_back(
          {sizeOf(parts[0]), sizeOf(parts[1]), word(2), word(3), parts[4].getAsNull() ? Size(1) : sizeOf(parts[4])});
      isFine &= run.back().count > 0 && run.back().weight > 0;
    }
    return run;
  };
  Map map;
  const llvm::json::Object *object = text.getAsObject();
  for (const llvm::json::Value &dim : listOf(object ? object->get("dims") : nullptr)) {
    map.dims.emplace_back();
    if (const llvm::json::Object *packed = dim.getAsObject())
      for (const llvm::json::Value &part : listOf(packed->get("packed")))
        map.dims.back().push_back(runOf(&part));
    else
      map.dims.back().push_back(runOf(&dim));
    isFine &= !map.dims.back().empty();
  }
  if (object && object->get("pending"))
    map.pending = runOf(object->get("pending"));
  map.kind = isFine ? Map::Digits : Map::None;
  normalise(map);
  return map;
}

std::string print(const Dim &dim) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  for (const Run &run : dim) {
    stream << (&run == &dim.front() ? "[" : "|");
    for (const Digit &digit : run)
      stream << "(" << digit.count << " : " << digit.stride << " @" << digit.space << (digit.isMesh() ? ", " : "")
             << digit.axis << ")";
  }
  return text + "]";
}

} // namespace muster::certificate
