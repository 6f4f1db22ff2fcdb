// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "tools/muster-run/Npy.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <random>
#include <span>

#include <unistd.h>

#include <gtest/gtest.h>

using namespace muster;
using namespace muster::run;

namespace {

std::vector<std::byte> npy(const std::string &header, const std::string &data, char version = 1) {
  std::string file("\x93NUMPY", 6);
  file += version;
  file += '\0';
  for (int i = 0; i != (version == 1 ? 2 : 4); ++i)
    file += static_cast<char>(header.size() >> (8 * i) & 0xff);
  file += header + data;
  auto *first = reinterpret_cast<const std::byte *>(file.data());
  return {first, first + file.size()};
}

int numberOf(const std::vector<std::byte> &file) { return parseNpy(file, "x.npy").status().number(); }

TEST(Npy, ReadsWhatNumpyWrites) {
  for (char version : {1, 2, 3}) {
    auto array = parseNpy(
        npy("{'descr': '<i4', 'fortran_order': False, 'shape': (2, 3), }      \n", std::string(24, 7), version), "x");
    ASSERT_TRUE(array.isOk()) << array.status().text();
    EXPECT_EQ(array->element, schema::ElementType::I32);
    EXPECT_EQ(array->dims, (std::vector<int64_t>{2, 3}));
    EXPECT_EQ(array->data.size(), 24u);
  }
  EXPECT_EQ(
      parseNpy(npy("{'descr': '<f8', 'fortran_order': False, 'shape': (), }\n", std::string(8, 0)), "x")->dims.size(),
      0u);
  EXPECT_EQ(parseNpy(npy("{'descr': '|b1', 'fortran_order': False, 'shape': (0,), }\n", ""), "x")->data.size(), 0u);
  EXPECT_EQ(parseNpy(npy("{\"shape\":(5,),\"descr\":\"|u1\",\"fortran_order\":False}", "12345"), "x")->dims[0], 5);
}

TEST(Npy, RefusesEverythingElse) {
  std::string good = "{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }\n";
  EXPECT_EQ(numberOf({}), 2441);
  EXPECT_EQ(numberOf(npy(good, std::string(16, 0), 4)), 2441);
  for (const char *header : {"", "{", "{}", "('descr')", "{'descr': '<f4', 'fortran_order': False}",
                             "{'descr': '<f4', 'fortran_order': 0, 'shape': (4,)}",
                             "{'descr': '<f4', 'fortran_order': False, 'shape': (4,), 'more': 1}",
                             "{'descr': '<f4', 'fortran_order': False, 'shape': (-4,)}",
                             "{'descr': '<f4', 'fortran_order': False, 'shape': (4}",
                             "{'descr': '<f4, 'fortran_order': False, 'shape': (4,)}",
                             "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (4,)}",
                             "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}"})
    EXPECT_EQ(numberOf(npy(header, std::string(16, 0))), 2441) << header;
  for (const char *kind : {">f4", "<u4", "<c8", "|S4", "|O"})
    EXPECT_EQ(numberOf(npy("{'descr': '" + std::string(kind) + "', 'fortran_order': False, 'shape': (1,), }",
                           std::string(16, 0))),
              2442)
        << kind;
  EXPECT_EQ(numberOf(npy("{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }", std::string(16, 0))), 2442);
  EXPECT_EQ(numberOf(npy(good, std::string(15, 0))), 2443);
  // 2^62 elements of four bytes, and a product that wraps around to 0.
  EXPECT_EQ(numberOf(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,), }", "")), 2443);
  EXPECT_EQ(numberOf(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", "")), 2443);
  EXPECT_EQ(readNpy("nowhere.npy").status().number(), 2440);
  EXPECT_EQ(readNpy("nowhere.npy").status().exitCode(), ExitCode::input);
}

// Every prefix and 20,000 mutants: an error or an array whose data fit, never a crash.
TEST(Npy, SurvivesCutsAndMutations) {
  std::vector<std::byte> good = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }\n", std::string(16, 1));
  for (size_t length = 0; length != good.size(); ++length)
    EXPECT_NE(numberOf({good.begin(), good.begin() + static_cast<ptrdiff_t>(length)}), 0) << length;
  std::mt19937 random(3);
  int accepted = 0;
  for (int i = 0; i != 20000; ++i) {
    std::vector<std::byte> mutant = good;
    for (int n = 0; n != 2; ++n)
      mutant[random() % mutant.size()] = static_cast<std::byte>(random());
    auto array = parseNpy(mutant, "x.npy");
    if (!array.isOk())
      continue;
    ++accepted;
    EXPECT_LE(array->data.size(), good.size());
  }
  EXPECT_GT(accepted, 0);
}

TEST(Npy, WritesWhatItReads) {
  std::string path =
      (std::filesystem::temp_directory_path() / ("muster-npy-" + std::to_string(getpid()) + ".npy")).string();
  for (std::vector<int64_t> dims : {std::vector<int64_t>{}, {6}, {2, 3}, {0, 3}, {1, 2, 3}}) {
    int64_t count = 1;
    for (int64_t size : dims)
      count *= size;
    std::vector<float> values(static_cast<size_t>(count), 1.5f);
    auto writer = NpyWriter::create(path, schema::ElementType::F32, dims);
    ASSERT_TRUE(writer.isOk()) << writer.status().text();
    for (float value : values)
      ASSERT_TRUE(writer->append(&value, sizeof(value)).isOk());
    EXPECT_EQ(writer->append(&count, 1).number(), 2444);
    ASSERT_TRUE(writer->close().isOk());
    auto array = readNpy(path);
    ASSERT_TRUE(array.isOk()) << array.status().text();
    EXPECT_EQ(array->dims, dims);
    EXPECT_TRUE(std::ranges::equal(array->data, std::as_bytes(std::span(values))));
    EXPECT_EQ((std::filesystem::file_size(path) - array->data.size()) % 64, 0u);
  }
  int64_t two[] = {2};
  auto unfinished = NpyWriter::create(path, schema::ElementType::F32, two);
  EXPECT_EQ(unfinished->close().number(), 2444);
  std::filesystem::remove(path);
  EXPECT_EQ(NpyWriter::create("/nowhere/x.npy", schema::ElementType::F32, two).status().number(), 2444);
  EXPECT_EQ(NpyWriter::create(path, schema::ElementType::BF16, two).status().number(), 2442);
}

} // namespace
