// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Import/HuggingFace/JsonFile.h"

#include "compiler/Import/ImportError.h"

#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>

namespace muster::huggingface {

namespace {

constexpr int maximumDepth = 64;

int nestingDepth(llvm::StringRef text) {
  int depth = 0, deepest = 0;
  bool inString = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char character = text[i];
    if (inString) {
      if (character == '\\')
        ++i;
      else if (character == '"')
        inString = false;
      continue;
    }
    if (character == '"')
      inString = true;
    else if (character == '[' || character == '{')
      deepest = std::max(deepest, ++depth);
    else if (character == ']' || character == '}')
      --depth;
  }
  return deepest;
}

} // namespace

llvm::Expected<llvm::json::Object> parseJsonObject(llvm::StringRef text, llvm::StringRef source) {
  if (int depth = nestingDepth(text); depth > maximumDepth)
    return wrongInput("E3102 {}: expected JSON of at most {} levels but got {}", source.str(), maximumDepth, depth);
  llvm::Expected<llvm::json::Value> value = llvm::json::parse(text);
  if (!value)
    return wrongInput("E3102 {}: expected JSON but got {}", source.str(), llvm::toString(value.takeError()));
  if (llvm::json::Object *object = value->getAsObject())
    return std::move(*object);
  return wrongInput("E3102 {}: expected a JSON object but got {}", source.str(), jsonText(&*value));
}

llvm::Expected<llvm::json::Object> readJsonObject(llvm::StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return wrongInput("E3110 {}: cannot open because {}", path.str(), buffer.getError().message());
  return parseJsonObject((*buffer)->getBuffer(), path);
}

std::string jsonText(const llvm::json::Value *value) {
  if (!value)
    return "nothing";
  std::string text;
  llvm::raw_string_ostream(text) << *value;
  constexpr size_t maximumBytes = 120;
  return text.size() > maximumBytes ? text.substr(0, maximumBytes) + "..." : text;
}

} // namespace muster::huggingface
