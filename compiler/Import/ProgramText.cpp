// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Import/ProgramText.h"

#include "mlir/Parser/Parser.h"
#include "mlir/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;
using namespace muster;

namespace {

struct Nesting {
  int64_t depth = 0;
  size_t at = 0; ///< the first bracket of that depth
};

/// Brackets in strings and comments are none. `<` and `>` are operators, too, and stand in types that are shallow.
Nesting deepestNesting(StringRef text) {
  Nesting deepest;
  int64_t depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"')
      for (++i; i < text.size() && text[i] != '"'; ++i)
        i += text[i] == '\\';
    else if (text.substr(i).starts_with("//"))
      i = std::min(text.find('\n', i), text.size());
    else if (text[i] == '{' || text[i] == '(' || text[i] == '[')
      ++depth;
    else if (text[i] == '}' || text[i] == ')' || text[i] == ']')
      --depth;
    if (depth > deepest.depth)
      deepest = {depth, i};
  }
  return deepest;
}

} // namespace

OwningOpRef<ModuleOp> muster::parseProgram(StringRef path, llvm::SourceMgr &sources, MLIRContext *context) {
  std::string reason;
  std::unique_ptr<llvm::MemoryBuffer> text = openInputFile(path, &reason);
  if (!text) {
    emitError(UnknownLoc::get(context)) << reason;
    return {};
  }
  StringRef content = text->getBuffer();
  if (Nesting nesting = deepestNesting(content); nesting.depth > mostNestedBrackets) {
    StringRef before = content.take_front(nesting.at);
    auto line = static_cast<unsigned>(before.count('\n') + 1);
    emitError(FileLineColLoc::get(context, text->getBufferIdentifier(), line, 1))
        << "E1001 expected at most " << mostNestedBrackets << " brackets inside each other but got " << nesting.depth;
    return {};
  }
  sources.AddNewSourceBuffer(std::move(text), llvm::SMLoc());
  return parseSourceFile<ModuleOp>(sources, ParserConfig(context));
}
