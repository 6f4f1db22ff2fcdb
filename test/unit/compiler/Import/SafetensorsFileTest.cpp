// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "TinyLlama.h"

#include "compiler/Import/HuggingFace/JsonFile.h"
#include "compiler/Import/HuggingFace/SafetensorsFile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

using namespace muster;
using namespace muster::test;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

namespace {

llvm::Expected<std::unique_ptr<huggingface::SafetensorsFile>> parse(const std::string &text) {
  return huggingface::SafetensorsFile::parse(llvm::MemoryBuffer::getMemBufferCopy(text, "test.safetensors"));
}

std::string fileOf(const std::string &header, size_t dataBytes) {
  return raw<uint64_t>(header.size()) + header + std::string(dataBytes, '\0');
}

std::string headerError(const std::string &header, size_t dataBytes) {
  return errorOf(parse(fileOf(header, dataBytes)));
}

TEST(SafetensorsFileTest, ReadsTensors) {
  auto file = llvm::cantFail(parse(safetensors({{"", "b", {2, 3}, {1, 2, 3, 4, 5, 6}}, {"", "a", {2}, {7, 8}}})));
  ASSERT_EQ(file->tensors().size(), 2u);
  EXPECT_EQ(file->tensors()[0].name, "b");
  EXPECT_THAT(file->findTensor("b")->shape, ElementsAre(2, 3));
  float row[3];
  decodeRows(*file->findTensor("b"), 1, 1, row);
  EXPECT_THAT(row, ElementsAre(4, 5, 6));
  EXPECT_EQ(file->findTensor("c"), nullptr);
}

TEST(SafetensorsFileTest, ReadsEveryTypeAtAnyAlignment) {
  const std::string header = R"({"h":{"dtype":"F16","shape":[1],"data_offsets":[0,2]},)"
                             R"("f":{"dtype":"F32","shape":[1],"data_offsets":[2,6]},)"
                             R"("b":{"dtype":"BF16","shape":[1],"data_offsets":[6,8]},)"
                             R"("e":{"dtype":"BF16","shape":[0,3],"data_offsets":[6,6]}} )";
  const std::string data = raw<uint16_t>(0x3E00) + raw(-2.5f) + raw<uint16_t>(0x40A0);
  auto file = llvm::cantFail(parse(raw<uint64_t>(header.size()) + header + data));
  float value = 0;
  decodeRows(*file->findTensor("h"), 0, 1, &value);
  EXPECT_EQ(value, 1.5f);
  decodeRows(*file->findTensor("f"), 0, 1, &value);
  EXPECT_EQ(value, -2.5f);
  decodeRows(*file->findTensor("b"), 0, 1, &value);
  EXPECT_EQ(value, 5.0f);
  EXPECT_TRUE(file->findTensor("e")->bytes.empty());
}

TEST(SafetensorsFileTest, RefusesBadHeaders) {
  EXPECT_THAT(errorOf(parse("")), StartsWith("E3103 test.safetensors: expected 8 bytes of header length but got 0"));
  EXPECT_THAT(errorOf(parse(raw<uint64_t>(9) + "{}")),
              StartsWith("E3103 test.safetensors: expected 9 bytes of header but got 2"));
  EXPECT_THAT(errorOf(parse(raw<uint64_t>(~uint64_t(0)) + "{}")), StartsWith("E3103"));
  for (const char *header : {"", "{", "[]", "3", "{\"a\":}", "\xff\xfe", "nonsense"})
    EXPECT_THAT(headerError(header, 0), StartsWith("E3102")) << header;
  EXPECT_EQ(headerError("{}", 0), "");
  // llvm::json would recurse once a level.
  EXPECT_THAT(headerError(std::string(1000000, '['), 0),
              HasSubstr("expected JSON of at most 64 levels but got 1000000"));
  EXPECT_THAT(headerError(R"({"a":"[[[[\"[[[[)" + std::string(100, '[') + "\"}", 0), StartsWith("E3104"));
}

TEST(SafetensorsFileTest, RefusesBadEntries) {
  auto entry = [](const std::string &dtype, const std::string &shape, const std::string &offsets, size_t dataBytes) {
    return headerError(R"({"t":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}",
                       dataBytes);
  };
  EXPECT_EQ(entry("\"F32\"", "[2]", "[0,8]", 8), "");
  EXPECT_THAT(headerError(R"({"t":3})", 0), StartsWith("E3104"));
  EXPECT_THAT(headerError(R"({"t":{}})", 0), StartsWith("E3104"));
  EXPECT_THAT(entry("3", "[2]", "[0,8]", 8), StartsWith("E3104"));
  for (const char *shape : {"3", "[-1]", "[\"2\"]", "[2.5]", "[18446744073709551616]", "null", "[4611686018427387904]",
                            "[4294967296,4294967296]"})
    EXPECT_THAT(entry("\"F32\"", shape, "[0,8]", 8), StartsWith("E3104")) << shape;
  for (const char *offsets : {"3", "[0]", "[0,4,8]", "[-8,0]", "[0,\"8\"]", "null"})
    EXPECT_THAT(entry("\"F32\"", "[2]", offsets, 8), StartsWith("E3104")) << offsets;
  EXPECT_EQ(entry("\"I64\"", "[1]", "[0,8]", 8),
            "E3105 test.safetensors: unsupported type 'I64' of tensor 't', expected F32, F16 or BF16");
  EXPECT_THAT(entry("\"F32\"", "[2]", "[0,8]", 7), HasSubstr("at [0, 8) inside the data but got 7 bytes"));
  EXPECT_THAT(entry("\"F32\"", "[2]", "[8,0]", 8), StartsWith("E3106"));
  EXPECT_THAT(entry("\"F32\"", "[2]", "[9223372036854775800,9223372036854775807]", 8), StartsWith("E3106"));
  EXPECT_THAT(entry("\"F32\"", "[2]", "[0,12]", 12), HasSubstr("and shape [2] but got 12"));
  EXPECT_THAT(entry("\"F32\"", "[2]", "[0,4]", 8),
              HasSubstr("expected 8 bytes for tensor 't' of type F32 and shape [2] but got 4"));
}

TEST(SafetensorsFileTest, TensorsCoverTheDataExactly) {
  auto two = [](const char *first, const char *second, size_t dataBytes) {
    return headerError(std::string(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":)") + first +
                           R"(},"b":{"dtype":"F32","shape":[1],"data_offsets":)" + second + "}}",
                       dataBytes);
  };
  EXPECT_EQ(two("[4,8]", "[0,4]", 8), "");
  EXPECT_THAT(two("[0,4]", "[8,12]", 12),
              StartsWith("E3106 test.safetensors: expected tensor 'b' to start at data offset 4"));
  EXPECT_THAT(two("[0,4]", "[0,4]", 8), StartsWith("E3106"));
  EXPECT_THAT(two("[0,4]", "[2,6]", 8), StartsWith("E3106"));
  EXPECT_THAT(two("[0,4]", "[4,8]", 9), StartsWith("E3106 test.safetensors: expected 8 bytes of data in all tensors"));
  // A second entry of the same name leaves a hole where the first was.
  EXPECT_THAT(headerError(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                          R"("a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                          8),
              StartsWith("E3106"));
}

TEST(SafetensorsFileTest, EveryCutIsRefused) {
  const std::string text = safetensors(TinyLlama().tensors);
  for (size_t size = 0; size < text.size(); size += size < 4096 ? 1 : 37)
    ASSERT_THAT(errorOf(parse(text.substr(0, size))), ::testing::AnyOf(StartsWith("E3103"), StartsWith("E3106")))
        << size;
}

TEST(SafetensorsFileTest, MutatedHeadersNeverCrash) {
  const std::string text = safetensors({{"", "model.a", {2, 3}, {1, 2, 3, 4, 5, 6}}, {"", "model.b", {2}, {7, 8}}});
  const size_t header = text.size() - 32;
  for (uint32_t seed = 0; seed < 20000; ++seed) {
    std::mt19937 random(seed);
    std::string mutated = text;
    for (uint32_t changes = 1 + random() % 4; changes > 0; --changes)
      mutated[random() % header] = random() % 2 ? "0123456789-[]{},:\"e."[random() % 20] : static_cast<char>(random());
    auto file = parse(mutated);
    if (!file) {
      const std::string error = llvm::toString(file.takeError());
      ASSERT_THAT(error, StartsWith("E31")) << "seed " << seed;
      ASSERT_EQ(error.find('\n'), std::string::npos) << error;
      continue;
    }
    for (const CheckpointTensor &tensor : (*file)->tensors()) {
      std::vector<float> out(tensor.bytes.size() / 2);
      if (!tensor.shape.empty())
        decodeRows(tensor, 0, tensor.shape.front(), out.data());
    }
  }
}

} // namespace
