// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tokenizer files for tests: the small ones that are committed, and what is made of them.

#ifndef MUSTER_TEST_UNIT_COMPILER_IMPORT_TOKENIZER_TOKENIZERFIXTURES_H
#define MUSTER_TEST_UNIT_COMPILER_IMPORT_TOKENIZER_TOKENIZERFIXTURES_H

#include "compiler/Import/Tokenizer/TokenizerImport.h"
#include "runtime/text/Tokenizer.h"
#include "test/unit/compiler/Import/GgufWriter.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <gtest/gtest.h>

#include <map>

namespace muster::test {

namespace json = llvm::json;

inline std::string sourcePath(const std::string &path) { return std::string(MUSTER_SOURCE_ROOT) + "/" + path; }
inline std::string inputPath(const std::string &name) { return sourcePath("test/unit/runtime/text/Inputs/" + name); }
inline std::string smollm2Path() { return sourcePath("build/models/SmolLM2-135M-Instruct.Q4_1.gguf"); }

inline std::string readText(const std::string &path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  EXPECT_TRUE(buffer) << path;
  return buffer ? (*buffer)->getBuffer().str() : std::string();
}

inline json::Value readJson(const std::string &path) {
  auto value = json::parse(readText(path));
  EXPECT_TRUE(static_cast<bool>(value)) << path;
  return value ? std::move(*value) : json::Value(nullptr);
}

/// A folder that is removed again.
class TemporaryFolder {
public:
  TemporaryFolder() { EXPECT_FALSE(llvm::sys::fs::createUniqueDirectory("muster-tokenizer", folder)); }
  ~TemporaryFolder() { llvm::sys::fs::remove_directories(folder); }
  TemporaryFolder(const TemporaryFolder &) = delete;
  TemporaryFolder &operator=(const TemporaryFolder &) = delete;

  std::string path() const { return folder.str().str(); }
  void write(const std::string &name, const std::string &text) const {
    std::error_code error;
    llvm::raw_fd_ostream stream(path() + "/" + name, error);
    EXPECT_FALSE(error);
    stream << text;
  }
  void write(const std::string &name, const json::Value &value) const {
    write(name, llvm::formatv("{0}", value).str());
  }

private:
  llvm::SmallString<128> folder;
};

/// The runtime's tokenizer of a section.
inline Tokenizer loadSection(llvm::Expected<std::optional<tokenizers::Section>> section) {
  std::string text;
  if (!section) {
    ADD_FAILURE() << llvm::toString(section.takeError());
    std::abort();
  }
  EXPECT_TRUE(section->has_value());
  auto bytes = llvm::ArrayRef(reinterpret_cast<const uint8_t *>((*section)->data()), (*section)->size());
  Result<Tokenizer> tokenizer = Tokenizer::load({bytes.data(), bytes.size()});
  if (!tokenizer.isOk()) {
    ADD_FAILURE() << tokenizer.status().text();
    std::abort();
  }
  return *std::move(tokenizer);
}

/// Tokenizer metadata that a test may change before it is written.
struct GgufVocabulary {
  std::string model = "gpt2", pre = "smollm", chatTemplate;
  std::vector<std::string> tokens, merges;
  std::vector<int32_t> types;
  std::map<std::string, uint32_t> integers;
  std::map<std::string, bool> flags;

  std::string file() const {
    GgufWriter writer;
    writer.string("general.architecture", "llama");
    writer.string("tokenizer.ggml.model", model);
    if (!pre.empty())
      writer.string("tokenizer.ggml.pre", pre);
    writer.strings("tokenizer.ggml.tokens", tokens);
    std::string bytes;
    for (int32_t type : types)
      bytes += raw(type);
    writer.array("tokenizer.ggml.token_type", ValueType::Int32, types.size(), bytes);
    writer.strings("tokenizer.ggml.merges", merges);
    for (const auto &[key, value] : integers)
      writer.integer("tokenizer.ggml." + key, value);
    for (const auto &[key, value] : flags)
      writer.value("tokenizer.ggml." + key, ValueType::Bool, std::string(1, value));
    if (!chatTemplate.empty())
      writer.string("tokenizer.chat_template", chatTemplate);
    return writer.file();
  }
};

/// A tokenizer.json as GGUF metadata, as llama.cpp's converter writes it.
inline GgufVocabulary ggufOf(const json::Value &value, const std::string &pre) {
  GgufVocabulary result;
  result.pre = pre;
  const json::Object &root = *value.getAsObject(), &model = *root.getObject("model");
  auto put = [&](int64_t id, llvm::StringRef text, int32_t type) {
    if (id >= static_cast<int64_t>(result.tokens.size())) {
      result.tokens.resize(id + 1);
      result.types.resize(id + 1);
    }
    result.tokens[id] = text.str();
    result.types[id] = type;
  };
  for (const auto &[text, id] : *model.getObject("vocab"))
    put(*id.getAsInteger(), text, 1);
  for (const json::Value &token : *root.getArray("added_tokens")) {
    const json::Object &object = *token.getAsObject();
    put(*object.getInteger("id"), *object.getString("content"), *object.getBoolean("special") ? 3 : 4);
  }
  for (const json::Value &merge : *model.getArray("merges")) {
    const json::Array *pair = merge.getAsArray();
    result.merges.push_back(((*pair)[0].getAsString()->str() + " ") + (*pair)[1].getAsString()->str());
  }
  result.integers = {{"bos_token_id", 0}, {"eos_token_id", 2}};
  return result;
}

} // namespace muster::test

#endif // MUSTER_TEST_UNIT_COMPILER_IMPORT_TOKENIZER_TOKENIZERFIXTURES_H
