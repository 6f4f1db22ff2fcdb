// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How fast SmolLM2's tokenizer encodes a megabyte, in bytes of text a second and one thread:
//   encode/english    the licence of this repository, again and again: words
//   encode/unicode    the golden texts: many scripts, emoji, runs of white space
//   encode/one-word   a single piece, which a quadratic merge would not finish
//   decode            ids of the English text back to it (bytes of text)
//   load              checking and reading the tokenizer's section (bytes of section)
//   copy              the baseline: one memcpy of the same text
// Every result is checked before it is timed.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "compiler/Import/Tokenizer/TokenizerImport.h"
#include "runtime/text/Tokenizer.h"

#include "llvm/Support/JSON.h"

using namespace muster;

namespace {

constexpr size_t textBytes = 1 << 20;

[[noreturn]] void fail(const std::string &text) {
  std::fprintf(stderr, "%s\n", text.c_str());
  std::exit(1);
}

std::string readFile(const std::string &path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer)
    fail("cannot read " + path);
  return (*buffer)->getBuffer().str();
}

std::string repeated(const std::string &text) {
  std::string out;
  while (out.size() < textBytes)
    out += text;
  return out;
}

std::string goldenTexts() {
  auto root = llvm::json::parse(readFile(MUSTER_SOURCE_ROOT "/test/unit/runtime/text/Inputs/golden.json"));
  if (!root)
    fail(llvm::toString(root.takeError()));
  std::string out;
  for (const llvm::json::Value &text : *root->getAsObject()->getArray("texts"))
    // SmolLM2 has no tokens of some bytes of control characters and of the higher planes.
    if (llvm::none_of(*text.getAsString(),
                      [](char c) { return (c > 0 && c < ' ' && !std::strchr("\t\n\r", c)) || c == 0; }) &&
        !text.getAsString()->contains("\xF3"))
      out += text.getAsString()->str() + "\n";
  return out;
}

void encode(benchmark::State &state, const Tokenizer &tokenizer, const std::string &text) {
  Result<std::vector<int32_t>> ids = tokenizer.encode(text, false);
  if (!ids.isOk() || *tokenizer.decode(*ids) != text)
    return state.SkipWithError("the text does not come back from its ids");
  for (auto _ : state)
    benchmark::DoNotOptimize(tokenizer.encode(text, false)->data());
  state.SetBytesProcessed(state.iterations() * text.size());
  state.counters["bytes/token"] = static_cast<double>(text.size()) / ids->size();
}

void decode(benchmark::State &state, const Tokenizer &tokenizer, const std::string &text) {
  std::vector<int32_t> ids = *tokenizer.encode(text, false);
  if (*tokenizer.decode(ids) != text)
    return state.SkipWithError("the text does not come back from its ids");
  for (auto _ : state)
    benchmark::DoNotOptimize(tokenizer.decode(ids)->data());
  state.SetBytesProcessed(state.iterations() * text.size());
}

void load(benchmark::State &state, std::span<const uint8_t> section) {
  for (auto _ : state)
    benchmark::DoNotOptimize(Tokenizer::load(section)->vocabularySize());
  state.SetBytesProcessed(state.iterations() * section.size());
}

void copy(benchmark::State &state, const std::string &text) {
  std::string out(text.size(), 0);
  for (auto _ : state) {
    std::memcpy(out.data(), text.data(), text.size());
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * text.size());
}

} // namespace

int main(int argc, char **argv) {
  auto file = gguf::GgufFile::open(MUSTER_SOURCE_ROOT "/build/models/SmolLM2-135M-Instruct.Q4_1.gguf");
  if (!file)
    fail(llvm::toString(file.takeError()));
  auto section = tokenizers::importGguf(**file);
  if (!section)
    fail(llvm::toString(section.takeError()));
  std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t *>((*section)->data()), (*section)->size());
  Result<Tokenizer> tokenizer = Tokenizer::load(bytes);
  if (!tokenizer.isOk())
    fail(tokenizer.status().text());
  if (*tokenizer->encode("The capital of France is", true) != std::vector<int32_t>{504, 3575, 282, 4649, 314})
    fail("expected tokens 504 3575 282 4649 314 but got others");

  const std::string english = repeated(readFile(MUSTER_SOURCE_ROOT "/LICENSE")), unicode = repeated(goldenTexts()),
                    word(textBytes, 'a');
  benchmark::RegisterBenchmark("encode/english", encode, std::cref(*tokenizer), std::cref(english));
  benchmark::RegisterBenchmark("encode/unicode", encode, std::cref(*tokenizer), std::cref(unicode));
  benchmark::RegisterBenchmark("encode/one-word", encode, std::cref(*tokenizer), std::cref(word));
  benchmark::RegisterBenchmark("decode", decode, std::cref(*tokenizer), std::cref(english));
  benchmark::RegisterBenchmark("load", load, bytes);
  benchmark::RegisterBenchmark("copy", copy, std::cref(english));
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
