// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Weights files of random shapes, layouts and meshes, read back by the runtime's own reader: every element of every
// rank stands where plain indexing says.
#include "compiler/Emit/WeightsFile.h"

#include "EmitFixture.h"
#include "compiler/Reference/Sharding.h"
#include "runtime/plan/WeightsFile.h"

#include <random>
#include <set>

using namespace mlir;
using namespace muster;
using testing::HasSubstr;

namespace {

struct WeightsFiles : test::EmitFixture {
  /// Element i of weight @wK is K * 100000 + i, exact in f32.
  static llvm::Error fillByName(WeightOp weight, float *out) {
    int64_t number = 0;
    weight.getSymName().drop_front(1).getAsInteger(10, number);
    for (int64_t i = 0, count = weight.getLogicalType().getNumElements(); i < count; ++i)
      out[i] = static_cast<float>(number * 100000 + i);
    return llvm::Error::success();
  }

  void writeAndCompare(ModuleOp module, unsigned threads) {
    MeshAttr mesh = getMesh(module);
    auto layout = emit::layOutWeights(module, mesh);
    ASSERT_TRUE(!!layout) << llvm::toString(layout.takeError());
    uint64_t last = 0;
    auto id = emit::writeWeights(path("model.weights"), *layout, mesh, fillByName, threads,
                                 [&](uint64_t done, uint64_t) { last = std::max(last, done); });
    ASSERT_TRUE(!!id) << llvm::toString(id.takeError());
    EXPECT_EQ(fileCount(), 1u);
    plan::ExpectedWeights expected{{}, std::span<const uint8_t>(*id)};
    std::vector<uint32_t> firstSections;
    for (const emit::WeightGroup &group : layout->groups) {
      firstSections.push_back(static_cast<uint32_t>(expected.sectionBytes.size()));
      expected.sectionBytes.insert(expected.sectionBytes.end(), group.partCount, group.bytes);
    }
    auto file = plan::WeightsFile::open(path("model.weights"), expected);
    ASSERT_TRUE(file.isOk()) << file.status().text();
    EXPECT_TRUE(file->verify().isOk());
    uint64_t bytes = 0;
    for (const emit::WeightPlace &place : layout->places) {
      EXPECT_EQ(place.offset % 64, 0u);
      for (int64_t rank = 0; rank < mesh.getRankCount(); ++rank)
        compare(place, mesh, rank, file->section(firstSections[place.group] + layout->groups[place.group].parts[rank]));
      bytes += place.length * distinctParts(place.weight, mesh);
    }
    EXPECT_EQ(last, bytes);
  }

  /// Sets of positions that ranks hold.
  static uint64_t distinctParts(WeightOp weight, MeshAttr mesh) {
    std::set<std::vector<std::vector<int64_t>>> parts;
    for (int64_t rank = 0; rank < mesh.getRankCount(); ++rank) {
      auto held = reference::getHeldPositions(weight.getLayout(), weight.getLogicalType().getShape(), mesh, rank, {});
      EXPECT_TRUE(!!held);
      parts.insert({held->begin(), held->end()});
    }
    return parts.size();
  }

  void compare(const emit::WeightPlace &place, MeshAttr mesh, int64_t rank, std::span<const std::byte> section) {
    WeightOp weight = place.weight;
    ArrayRef<int64_t> logical = weight.getLogicalType().getShape();
    auto held = reference::getHeldPositions(weight.getLayout(), logical, mesh, rank, {});
    ASSERT_TRUE(!!held) << llvm::toString(held.takeError());
    ASSERT_LE(place.offset + place.length, section.size());
    auto *got = reinterpret_cast<const float *>(section.data() + place.offset);
    int64_t number = 0;
    weight.getSymName().drop_front(1).getAsInteger(10, number);
    bool matrix = logical.size() == 2;
    std::vector<int64_t> rows = matrix ? (*held)[0] : std::vector<int64_t>{0}, columns = held->back();
    int64_t width = logical.back(), n = rows.size(), k = columns.size();
    int64_t nBlocks = (n + 63) / 64, kBlocks = (k + 15) / 16;
    ASSERT_EQ(place.length, sizeof(float) * (place.packed ? nBlocks * kBlocks * 16 * 64 : n * k));
    int64_t wrong = 0;
    auto expect = [&](int64_t at, int64_t row, int64_t column) {
      bool inside = row < n && column < k;
      wrong += got[at] != (inside ? static_cast<float>(number * 100000 + rows[row] * width + columns[column]) : 0.0f);
    };
    if (place.packed) {
      for (int64_t row = 0; row < nBlocks * 64; ++row)
        for (int64_t column = 0; column < kBlocks * 16; ++column)
          expect(((row / 64 * kBlocks + column / 16) * 16 + column % 16) * 64 + row % 64, row, column);
    } else {
      for (int64_t row = 0; row < n; ++row)
        for (int64_t column = 0; column < k; ++column)
          expect(row * k + column, row, column);
    }
    EXPECT_EQ(wrong, 0) << weight.getSymName().str() << " on rank " << rank;
  }
};

TEST_F(WeightsFiles, randomShapesAndLayouts) {
  std::mt19937 random(11);
  auto pick = [&](int64_t from, int64_t to) { return from + static_cast<int64_t>(random() % (to - from + 1)); };
  for (int round = 0; round < 40; ++round) {
    int64_t dp = pick(1, 3), tp = pick(1, 6);
    std::string text =
        "muster.mesh @mesh <[\"dp\" = " + std::to_string(dp) + ", \"tp\" = " + std::to_string(tp) + "]>\n";
    for (int weight = 0; weight < 6; ++weight) {
      // A dim and its text; both sides of the blocks of 64 and 16.
      auto dim = [&](const std::string &name, bool &isSplit) -> std::pair<int64_t, std::string> {
        int64_t size = pick(0, 3) ? pick(1, 70) : pick(0, 1) ? 64 : 16;
        int64_t outer = tp % 2 == 0 ? 2 : 1; // parts of which consecutive ranks hold one
        std::string part = name + "/tp[" + std::to_string(tp / outer) + ":" + std::to_string(outer) + "]";
        switch (isSplit ? 0 : pick(0, 6)) {
        case 5:
          isSplit = true;
          return {size * outer, part};
        case 6:
          isSplit = true;
          return {(size + 3) * tp, "{q:" + std::to_string(size * tp) + "/tp | k:" + std::to_string(3 * tp) + "/tp[" +
                                       std::to_string(tp / outer) + ":" + std::to_string(outer) + "]}"};
        case 1:
          isSplit = true;
          return {size * tp, name + "/tp"};
        case 2:
          isSplit = true;
          return {size * tp * dp, name + "/(tp,dp)"};
        case 3: {
          isSplit = true;
          int64_t other = pick(1, 9), last = pick(1, 9);
          return {(size + other + last) * tp, "{q:" + std::to_string(size * tp) +
                                                  "/tp | k:" + std::to_string(other * tp) +
                                                  "/tp | v:" + std::to_string(last * tp) + "/tp}"};
        }
        default:
          return {size, name};
        }
      };
      bool isSplit = false;
      auto [n, rows] = dim("o", isSplit);
      auto [k, columns] = dim("i", isSplit);
      bool vector = pick(0, 4) == 0;
      text += "muster.weight @w" + std::to_string(weight) + " : tensor<" + std::to_string(n) + "x" +
              (vector ? "" : std::to_string(k) + "x") + "f32> layout <[" + rows + (vector ? "" : ", " + columns) +
              "]>" + (!vector && pick(0, 1) ? " packing \"n64k16\"" : "") + "\n";
    }
    SCOPED_TRACE(text);
    OwningOpRef<ModuleOp> module = parse(text);
    ASSERT_TRUE(module);
    writeAndCompare(*module, 1 + round % 3);
    if (HasFailure())
      break;
  }
}

TEST_F(WeightsFiles, refusesWhatIsNotStored) {
  auto textOf = [&](const std::string &weight) {
    OwningOpRef<ModuleOp> module = parse("muster.mesh @mesh <[\"tp\" = 2]>\n" + weight);
    auto layout = emit::layOutWeights(*module, getMesh(*module));
    return layout ? std::string() : llvm::toString(layout.takeError());
  };
  EXPECT_EQ(textOf("muster.weight @w0 : tensor<4x3xf32> layout <[o/tp, i]>"), "");
  EXPECT_EQ(textOf("muster.weight @w0 : tensor<4x3xbf16> layout <[o, i]>"),
            "E4201 unsupported type of weight @w0: expected an f32 matrix or vector but got 'tensor<4x3xbf16>'");
  EXPECT_EQ(textOf("muster.weight @w0 : tensor<4x3x5xf32> layout <[o, i, j]>"),
            "E4201 unsupported type of weight @w0: expected an f32 matrix or vector but got 'tensor<4x3x5xf32>'");
}

TEST_F(WeightsFiles, aFailureLeavesNoFile) {
  OwningOpRef<ModuleOp> module =
      parse("muster.mesh @mesh <[\"tp\" = 2]>\nmuster.weight @w0 : tensor<256x256xf32> layout <[o/tp, i]>\n"
            "muster.weight @w1 : tensor<256x256xf32> layout <[o/tp, i]>\n");
  MeshAttr mesh = getMesh(*module);
  auto layout = emit::layOutWeights(*module, mesh);
  ASSERT_TRUE(!!layout);
  auto errorOf = [&](const std::string &path, const emit::WeightSource &source) {
    auto id = emit::writeWeights(path, *layout, mesh, source, 2, {});
    return id ? std::string() : llvm::toString(id.takeError());
  };
  EXPECT_THAT(errorOf(path("nowhere/model.weights"), fillByName),
              HasSubstr("E4202 cannot write " + path("nowhere/model.weights")));
  {
    test::FullDisk full(100000);
    EXPECT_THAT(errorOf(path("model.weights"), fillByName),
                HasSubstr("E4202 cannot write " + path("model.weights") + ": File too large"));
  }
  EXPECT_EQ(fileCount(), 0u);
  auto broken = [](WeightOp weight, float *) {
    return llvm::createStringError("no values for " + weight.getSymName());
  };
  EXPECT_THAT(errorOf(path("model.weights"), broken), HasSubstr("no values for w"));
  EXPECT_EQ(fileCount(), 0u);
  // What was there before a failure is still there, whole.
  EXPECT_EQ(errorOf(path("model.weights"), fillByName), "");
  uint64_t bytes = std::filesystem::file_size(path("model.weights"));
  EXPECT_NE(errorOf(path("model.weights"), broken), "");
  EXPECT_EQ(std::filesystem::file_size(path("model.weights")), bytes);
  EXPECT_EQ(fileCount(), 1u);
}

} // namespace
