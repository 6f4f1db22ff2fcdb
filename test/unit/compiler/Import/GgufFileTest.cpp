// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "GgufWriter.h"
#include "compiler/Import/ImportError.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

using namespace muster;
using namespace muster::test;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

namespace {

std::string floats(const std::vector<float> &values) {
  return std::string(reinterpret_cast<const char *>(values.data()), values.size() * sizeof(float));
}

// One of everything.
GgufWriter example() {
  GgufWriter writer;
  writer.value("u8", ValueType::UInt8, raw<uint8_t>(200));
  writer.value("i8", ValueType::Int8, raw<int8_t>(-3));
  writer.value("u16", ValueType::UInt16, raw<uint16_t>(65000));
  writer.value("i16", ValueType::Int16, raw<int16_t>(-300));
  writer.value("u32", ValueType::UInt32, raw<uint32_t>(4000000000u));
  writer.value("i32", ValueType::Int32, raw<int32_t>(-70000));
  writer.value("u64", ValueType::UInt64, raw<uint64_t>(uint64_t(1) << 40));
  writer.value("i64", ValueType::Int64, raw<int64_t>(-(int64_t(1) << 40)));
  writer.value("huge", ValueType::UInt64, raw<uint64_t>(uint64_t(1) << 63));
  writer.real("f32", 0.5f);
  writer.value("f64", ValueType::Float64, raw(-0.25));
  writer.value("yes", ValueType::Bool, raw<uint8_t>(1));
  writer.string("text", "h\xc3\xa9llo");
  writer.strings("words", {"a", "", "ccc"});
  writer.array("types", ValueType::Int32, 3, raw<int32_t>(1) + raw<int32_t>(-2) + raw<int32_t>(3));
  writer.array("scores", ValueType::Float32, 2, raw(1.5f) + raw(-2.0f));
  writer.array("flags", ValueType::Bool, 2, std::string("\1\0", 2));
  writer.array("nested", ValueType::Array, 1,
               raw(static_cast<uint32_t>(ValueType::UInt8)) + raw<uint64_t>(2) + std::string("ab"));
  writer.array("empty", ValueType::String, 0, "");
  writer.tensor("matrix", {3, 2}, 0, floats({1, 2, 3, 4, 5, 6}));
  writer.tensor("vector", {5}, 0, floats({7, 8, 9, 10, 11}));
  return writer;
}

std::string firstError(const GgufWriter &writer) { return errorOf(parseGguf(writer.file())); }

TEST(GgufFileTest, ReadsEveryMetadataType) {
  auto file = llvm::cantFail(parseGguf(example().file()));
  EXPECT_EQ(file->version(), 3u);
  EXPECT_EQ(file->path(), "test.gguf");
  EXPECT_EQ(llvm::cantFail(file->getInteger("u8")), 200);
  EXPECT_EQ(llvm::cantFail(file->getInteger("i8")), -3);
  EXPECT_EQ(llvm::cantFail(file->getInteger("u16")), 65000);
  EXPECT_EQ(llvm::cantFail(file->getInteger("i16")), -300);
  EXPECT_EQ(llvm::cantFail(file->getInteger("u32")), 4000000000);
  EXPECT_EQ(llvm::cantFail(file->getInteger("i32")), -70000);
  EXPECT_EQ(llvm::cantFail(file->getInteger("u64")), int64_t(1) << 40);
  EXPECT_EQ(llvm::cantFail(file->getInteger("i64")), -(int64_t(1) << 40));
  EXPECT_EQ(llvm::cantFail(file->getFloat("f32")), 0.5);
  EXPECT_EQ(llvm::cantFail(file->getFloat("f64")), -0.25);
  EXPECT_TRUE(llvm::cantFail(file->getBool("yes")));
  EXPECT_EQ(llvm::cantFail(file->getString("text")), "h\xc3\xa9llo");
  EXPECT_THAT(llvm::cantFail(file->getStrings("words")), ElementsAre("a", "", "ccc"));
  EXPECT_THAT(llvm::cantFail(file->getIntegers("types")), ElementsAre(1, -2, 3));
  EXPECT_THAT(llvm::cantFail(file->getFloats("scores")), ElementsAre(1.5, -2.0));
  EXPECT_TRUE(llvm::cantFail(file->getStrings("empty")).empty());
  EXPECT_EQ(file->keys().size(), 19u);
  EXPECT_EQ(file->keys().front(), "u8");
}

TEST(GgufFileTest, AbsentKeysTakeTheDefaultAndWrongTypesNever) {
  auto file = llvm::cantFail(parseGguf(example().file()));
  EXPECT_EQ(llvm::cantFail(file->getInteger("absent", 17)), 17);
  EXPECT_EQ(llvm::cantFail(file->getString("absent", "other")), "other");
  EXPECT_EQ(llvm::cantFail(file->getInteger("u8", 17)), 200);
  EXPECT_FALSE(file->contains("absent"));
  EXPECT_EQ(errorOf(file->getString("absent")),
            "E3011 test.gguf: expected a string in metadata key 'absent' but got no such key");
  EXPECT_EQ(errorOf(file->getInteger("text", 17)),
            "E3011 test.gguf: expected an integer in metadata key 'text' but got string");
  EXPECT_THAT(errorOf(file->getBool("u8", false)), StartsWith("E3011"));
  EXPECT_THAT(errorOf(file->getFloat("u8", 1.0)), StartsWith("E3011"));
  EXPECT_THAT(errorOf(file->getInteger("f32")), StartsWith("E3011"));
  EXPECT_THAT(errorOf(file->getInteger("huge")), HasSubstr("expected an integer below 2^63"));
  EXPECT_THAT(errorOf(file->getStrings("types")), HasSubstr("but got an array of int32"));
  EXPECT_THAT(errorOf(file->getStrings("text")), HasSubstr("but got string"));
  EXPECT_THAT(errorOf(file->getIntegers("flags")), HasSubstr("but got an array of bool"));
  EXPECT_THAT(errorOf(file->getFloats("types")), HasSubstr("but got an array of int32"));
}

TEST(GgufFileTest, TensorsAreRowMajorAndPointIntoTheFile) {
  auto file = llvm::cantFail(parseGguf(example().file()));
  ASSERT_EQ(file->tensors().size(), 2u);
  const CheckpointTensor *matrix = file->findTensor("matrix");
  ASSERT_TRUE(matrix);
  EXPECT_THAT(matrix->shape, ElementsAre(2, 3));
  float row[3];
  decodeRows(*matrix, 1, 1, row);
  EXPECT_THAT(row, ElementsAre(4, 5, 6));
  EXPECT_EQ(file->findTensor("absent"), nullptr);
}

TEST(GgufFileTest, RefusesOtherFilesAndVersions) {
  EXPECT_EQ(errorOf(parseGguf("")), "E3001 test.gguf: expected magic 'GGUF' but got ''");
  EXPECT_EQ(errorOf(parseGguf("GGML\3\0\0\0")), "E3001 test.gguf: expected magic 'GGUF' but got 'GGML'");
  GgufWriter writer = example();
  writer.version = 2;
  EXPECT_EQ(firstError(writer), "");
  for (uint32_t version : {0u, 1u, 4u, 0x03000000u}) {
    writer.version = version;
    EXPECT_THAT(firstError(writer), StartsWith("E3002 test.gguf: expected GGUF version 2 or 3"));
  }
  EXPECT_THAT(errorOf(gguf::GgufFile::open("/nonexistent/model.gguf")),
              StartsWith("E3012 /nonexistent/model.gguf: cannot open"));
}

TEST(GgufFileTest, RefusesBadMetadata) {
  GgufWriter twice = example();
  twice.integer("u8", 1);
  EXPECT_EQ(firstError(twice), "E3005 test.gguf: expected each metadata key once but got 'u8' twice");
  GgufWriter type;
  type.value("k\n", static_cast<ValueType>(13), "");
  EXPECT_EQ(firstError(type),
            "E3004 test.gguf: expected a value type from 0 to 12 in metadata key 'k\\x0a' but got 13");
  GgufWriter elements;
  elements.array("k", static_cast<ValueType>(99), 0, "");
  EXPECT_THAT(firstError(elements), StartsWith("E3004"));
  GgufWriter boolean;
  boolean.value("k", ValueType::Bool, "\2");
  EXPECT_THAT(firstError(boolean), StartsWith("E3004 test.gguf: expected 0 or 1"));
  GgufWriter huge;
  huge.array("k", ValueType::UInt64, uint64_t(1) << 61, "");
  EXPECT_THAT(firstError(huge), StartsWith("E3003"));
  GgufWriter longString;
  longString.value("k", ValueType::String, raw<uint64_t>(~uint64_t(0)));
  EXPECT_THAT(firstError(longString), StartsWith("E3003"));
  GgufWriter deep;
  std::string nested;
  for (int i = 0; i < 100000; ++i)
    nested += raw(static_cast<uint32_t>(ValueType::Array)) + raw<uint64_t>(1);
  deep.value("k", ValueType::Array, nested);
  EXPECT_THAT(firstError(deep), StartsWith("E3004 test.gguf: expected at most 8 nested arrays"));
}

TEST(GgufFileTest, AlignmentIsRead) {
  GgufWriter writer;
  writer.alignment = 128;
  writer.integer("general.alignment", 128);
  writer.tensor("a", {1}, 0, floats({1}));
  writer.tensor("b", {1}, 0, floats({2}));
  auto file = llvm::cantFail(parseGguf(writer.file()));
  float value = 0;
  decodeRows(*file->findTensor("b"), 0, 1, &value);
  EXPECT_EQ(value, 2.0f);
  for (uint32_t alignment : {0u, 24u, 1u << 21}) {
    GgufWriter bad;
    bad.integer("general.alignment", alignment);
    EXPECT_THAT(firstError(bad), StartsWith("E3006 test.gguf: expected alignment to be a power of two"));
  }
}

TEST(GgufFileTest, RefusesBadTensors) {
  auto errorFor = [](const std::vector<uint64_t> &dims, uint32_t type, uint64_t offset) {
    GgufWriter writer;
    writer.tensor("first", {8}, 0, std::string(32, '\0'));
    writer.tensorAt("second", dims, type, offset);
    return firstError(writer);
  };
  EXPECT_THAT(errorFor({}, 0, 0), StartsWith("E3007 test.gguf: expected 1 to 4 dimensions"));
  EXPECT_THAT(errorFor({1, 1, 1, 1, 1}, 0, 0), StartsWith("E3007"));
  EXPECT_THAT(errorFor({0}, 0, 0), StartsWith("E3007"));
  EXPECT_THAT(errorFor({~uint64_t(0)}, 0, 0), StartsWith("E3007"));
  EXPECT_THAT(errorFor({uint64_t(1) << 40, uint64_t(1) << 40}, 0, 0), HasSubstr("below 2^63 bytes"));
  EXPECT_THAT(errorFor({48}, 3, 0),
              StartsWith("E3007 test.gguf: expected tensor 'second' of type Q4_1 in whole blocks of 32"));
  EXPECT_EQ(errorFor({32}, 11, 0),
            "E3008 test.gguf: unsupported type Q3_K (11) of tensor 'second', expected F32, F16, BF16, "
            "Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K or Q6_K");
  EXPECT_THAT(errorFor({32}, 4000, 0), StartsWith("E3008 test.gguf: unsupported type 4000 of tensor 'second'"));
  EXPECT_THAT(errorFor({1}, 0, 8),
              StartsWith("E3009 test.gguf: expected offset of tensor 'second' to be a multiple of 32"));
  EXPECT_THAT(errorFor({1}, 0, 32), StartsWith("E3009 test.gguf: expected tensor 'second' at [32, +4)"));
  EXPECT_THAT(errorFor({1}, 0, ~uint64_t(0) - 31), StartsWith("E3009"));
  EXPECT_THAT(errorFor({1}, 0, 0), StartsWith("E3009 test.gguf: expected tensors apart"));
  GgufWriter twice;
  twice.tensor("a", {1}, 0, floats({1}));
  twice.tensor("a", {1}, 0, floats({1}));
  EXPECT_EQ(firstError(twice), "E3010 test.gguf: expected each tensor once but got 'a' twice");
}

TEST(GgufFileTest, UnsupportedInputEndsWithExitCode3AndWrongInputWith1) {
  auto exitCode = [](const std::string &text) {
    int code = 0;
    llvm::handleAllErrors(parseGguf(text).takeError(), [&](const ImportError &error) { code = error.exitCode(); });
    return code;
  };
  EXPECT_EQ(exitCode("nonsense"), 1);
  GgufWriter writer = example();
  writer.version = 4;
  EXPECT_EQ(exitCode(writer.file()), 3);
}

TEST(GgufFileTest, EveryCutIsRefused) {
  const GgufWriter writer = example();
  const std::string text = writer.file();
  for (size_t size = 0; size < text.size(); ++size) {
    const std::string error = errorOf(parseGguf(text.substr(0, size)));
    const bool inData = size >= writer.header().size();
    ASSERT_THAT(error, StartsWith(size < 4 ? "E3001" : inData ? "E3009" : "E3003")) << "cut at " << size;
    ASSERT_EQ(error.find('\n'), std::string::npos);
  }
}

// Opens the file and touches everything that it promises to be readable.
void readAll(const std::string &text) {
  auto file = parseGguf(text);
  if (!file) {
    ASSERT_THAT(llvm::toString(file.takeError()), StartsWith("E30"));
    return;
  }
  for (const std::string &key : (*file)->keys()) {
    llvm::consumeError((*file)->getString(key).takeError());
    llvm::consumeError((*file)->getBool(key).takeError());
    llvm::consumeError((*file)->getInteger(key).takeError());
    llvm::consumeError((*file)->getFloat(key).takeError());
    llvm::consumeError((*file)->getStrings(key).takeError());
    llvm::consumeError((*file)->getIntegers(key).takeError());
    llvm::consumeError((*file)->getFloats(key).takeError());
  }
  for (const CheckpointTensor &tensor : (*file)->tensors()) {
    std::vector<float> out(tensor.bytes.size() * 2 + 256); // No encoding has more than 2 elements a byte.
    decodeRows(tensor, 0, tensor.shape.front(), out.data());
  }
}

TEST(GgufFileTest, MutatedHeadersNeverCrash) {
  const GgufWriter writer = example();
  const std::string text = writer.file();
  const size_t header = writer.header().size();
  for (uint32_t seed = 0; seed < 20000; ++seed) {
    std::mt19937 random(seed);
    std::string mutated = text;
    for (uint32_t changes = 1 + random() % 4; changes > 0; --changes)
      mutated[random() % header] = static_cast<char>(random() % 4 == 0 ? 0xFF : random());
    readAll(mutated);
    if (HasFatalFailure())
      FAIL() << "seed " << seed;
  }
}

TEST(GgufFileTest, ReadsSmolLM2) {
  const char *root = std::getenv("MUSTER_SOURCE_ROOT");
  const std::string path = std::string(root ? root : ".") + "/build/models/SmolLM2-135M-Instruct.Q4_1.gguf";
  auto file = gguf::GgufFile::open(path);
  if (!file) {
    llvm::consumeError(file.takeError());
    GTEST_SKIP() << path << " is not there";
  }
  EXPECT_EQ(llvm::cantFail((*file)->getString("general.architecture")), "llama");
  EXPECT_EQ(llvm::cantFail((*file)->getInteger("llama.block_count")), 30);
  EXPECT_EQ(llvm::cantFail((*file)->getStrings("tokenizer.ggml.tokens")).size(), 49152u);
  EXPECT_EQ(llvm::cantFail((*file)->getStrings("tokenizer.ggml.merges")).size(), 48900u);
  EXPECT_EQ((*file)->tensors().size(), 272u);
  EXPECT_THAT((*file)->findTensor("blk.0.ffn_down.weight")->shape, ElementsAre(576, 1536));
}

} // namespace
