// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/Muster/IR/MusterDialect.h"

#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/Diagnostics.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace muster;
using testing::HasSubstr;

namespace {

struct LayoutAttrTest : testing::Test {
  LayoutAttrTest() { context.loadDialect<MusterDialect>(); }

  LayoutAttr parse(StringRef text) { return LayoutAttr::parseText(&context, text); }

  /// The column (from 1) in the layout's text at which parsing fails, and what is said.
  std::pair<int64_t, std::string> fail(StringRef text) {
    std::pair<int64_t, std::string> failure = {-1, ""};
    constexpr StringLiteral prefix = "#muster.layout<";
    ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
      if (auto location = dyn_cast<FileLineColLoc>(diagnostic.getLocation()))
        failure = {static_cast<int64_t>(location.getColumn()) - static_cast<int64_t>(prefix.size()), diagnostic.str()};
      return success();
    });
    EXPECT_FALSE(parseAttribute((prefix + text + ">").str(), &context)) << text.str();
    return failure;
  }

  MeshAttr mesh(ArrayRef<std::pair<StringRef, int64_t>> axes) {
    SmallVector<MeshAxisAttr> attrs;
    for (auto [name, size] : axes)
      attrs.push_back(MeshAxisAttr::get(&context, name, size));
    return MeshAttr::get(&context, attrs);
  }

  /// The local shape as text, or what is said.
  std::string local(StringRef text, ArrayRef<int64_t> logical, MeshAttr on) {
    std::string result;
    LayoutAttr layout = parse(text);
    EXPECT_TRUE(layout) << text.str();
    auto shape = layout.getLocalShape(logical, on, [&](const Twine &reason) { result = reason.str(); });
    if (succeeded(shape))
      for (int64_t size : *shape)
        result += (result.empty() ? "" : "x") + (ShapedType::isDynamic(size) ? std::string("?") : std::to_string(size));
    return result;
  }

  MLIRContext context;
};

TEST_F(LayoutAttrTest, textsRoundTrip) {
  for (StringRef text : {"[]",
                         "[b]",
                         "[b, s/sp, h, d]",
                         "[h/(tp,sp)]",
                         "[(h/tp d)]",
                         "[t, o], partial(sum: tp)",
                         "[t], partial(max: a, b)",
                         "[t], partial(sum: a), partial(min: b)",
                         "[s/sp zigzag]",
                         "[s/(a,b) stripe]",
                         "[any(h)/tp]",
                         "[t/dp : tokens @step]",
                         "[kv/tp[1:2], e/tp[2:4]]",
                         "[{q:6/tp | k:2/tp | v:2}, i]",
                         "[(any(h)/tp d zigzag)]",
                         "[\"a-b\"/\"c d\"]",
                         "[\"9\"]",
                         "[\"any\", \"partial\"]",
                         "[(\"zigzag\" \"stripe\")]",
                         "[f32, i32, true]"}) {
    LayoutAttr layout = parse(text);
    ASSERT_TRUE(layout) << text.str();
    EXPECT_EQ(layout.getText(), text.str());
    EXPECT_EQ(parse(layout.getText()), layout);
  }
}

TEST_F(LayoutAttrTest, spellingsOfOneLayoutAreOneAttribute) {
  EXPECT_EQ(parse("[ h / ( tp , sp ) ]"), parse("[h/(tp,sp)]"));
  EXPECT_EQ(parse("[h/(tp)]"), parse("[h/tp]"));
  EXPECT_EQ(parse("[(h)]"), parse("[h]"));
  EXPECT_EQ(parse("[\"h\"/\"tp\"]"), parse("[h/tp]"));
  EXPECT_EQ(parse("[t/dp : tokens@step]"), parse("[t/dp : tokens @step]"));
  EXPECT_NE(parse("[h/(tp,sp)]"), parse("[h/(sp,tp)]"));
  EXPECT_NE(parse("[t], partial(sum: tp)"), parse("[t]"));
}

TEST_F(LayoutAttrTest, errorsNameTheirPlace) {
  EXPECT_EQ(fail("[h/]").first, 4);
  EXPECT_EQ(fail("[h,]").first, 4);
  EXPECT_EQ(fail("[h/(tp,)]").first, 8);
  EXPECT_EQ(fail("[h/tp[1]]").first, 8);
  EXPECT_EQ(fail("[any()]").first, 6);
  EXPECT_EQ(fail("[{q:4 | }]").first, 9);
  EXPECT_EQ(fail("h").first, 1);
  EXPECT_THAT(fail("[h/tp[0:2]]").second, HasSubstr("expected a sub-axis of weight and size at least 1 but got [0:2]"));
  EXPECT_THAT(fail("[{q:0 | k:2}]").second, HasSubstr("expected a segment's extent of at least 1 but got 0"));
  EXPECT_THAT(fail("[h], partial(mean: tp)").second, HasSubstr("expected 'sum', 'max' or 'min' but got 'mean'"));
  EXPECT_THAT(fail("[h/tp, s/tp]").second, HasSubstr("expected axis 'tp' at most once in a layout but got it twice"));
  EXPECT_THAT(fail("[h, h]").second, HasSubstr("expected dim name 'h' at most once in a layout but got it twice"));
}

TEST_F(LayoutAttrTest, localShapesDivideByTheAxes) {
  MeshAttr node = mesh({{"dp", 2}, {"tp", 3}});
  EXPECT_EQ(local("[b, s/dp, h/tp, d]", {5, 14, 6, 7}, node), "5x7x2x7");
  EXPECT_EQ(local("[s/(dp,tp)]", {30}, node), "5");
  EXPECT_EQ(local("[(h/tp d)]", {15}, node), "5");
  EXPECT_EQ(local("[t/dp, o]", {ShapedType::kDynamic, 4}, node), "?x4");
  EXPECT_EQ(local("[t], partial(sum: tp)", {7}, node), "7");
  EXPECT_EQ(local("[{q:6/tp | k:3/tp | v:1}]", {10}, node), "4");
  EXPECT_EQ(local("[]", {}, node), "");
  EXPECT_EQ(local("[t/sp]", {8}, mesh({{"sp", ShapedType::kDynamic}})), "?");
  EXPECT_EQ(local("[kv/tp[2:2]]", {6}, mesh({{"tp", 4}})), "3");
}

TEST_F(LayoutAttrTest, localShapesSayWhatDoesNotFit) {
  MeshAttr node = mesh({{"dp", 2}, {"tp", 3}});
  EXPECT_EQ(local("[s/tp]", {7}, node), "expected dim 's' of size 7 to be divisible by 3 ranks in layout [s/tp]");
  EXPECT_EQ(local("[s/sp]", {7}, node), "layout [s/sp] references unknown mesh axis 'sp'");
  EXPECT_EQ(local("[s]", {7, 2}, node), "expected a layout of 2 dims but got 1 in [s]");
  EXPECT_EQ(local("[{q:6 | k:3}]", {10}, node), "expected the segments of layout [{q:6 | k:3}] to make 10 but got 9");
  EXPECT_EQ(local("[kv/tp[2:3]]", {6}, mesh({{"tp", 4}})),
            "expected sub-axis 'tp[2:3]' to divide an axis of 4 ranks in layout [kv/tp[2:3]]");
}

TEST_F(LayoutAttrTest, queriesTellPlainDimsFromOthers) {
  LayoutAttr plain = parse("[b, s/(dp,tp)]");
  EXPECT_TRUE(plain.isPlain());
  EXPECT_EQ(plain.getDimName(1), "s");
  EXPECT_EQ(plain.getPlainAxes(1), (SmallVector<StringRef>{"dp", "tp"}));
  EXPECT_TRUE(plain.getPlainAxes(0).empty());
  for (StringRef text : {"[s zigzag]", "[any(s)]", "[s : tokens @step]", "[s/tp[1:2]]", "[(s d)]", "[{s:1 | d:2}]",
                         "[s], partial(sum: tp)"})
    EXPECT_FALSE(parse(text).isPlain()) << text.str();
  EXPECT_EQ(parse("[(s d)]").getDimName(0), "");
  EXPECT_EQ(LayoutAttr::getPlain(&context, {{"b", {}}, {"s", {"dp", "tp"}}}), plain);
  EXPECT_EQ(LayoutAttr::getPlain(&context, {{"t", {}}}, {"a", "b"}), parse("[t], partial(sum: a, b)"));
}

TEST_F(LayoutAttrTest, ranksNumberRowMajor) {
  MeshAttr node = mesh({{"dp", 2}, {"tp", 3}});
  EXPECT_EQ(node.getRankCount(), 6);
  EXPECT_EQ(node.getCoordinates(5), (SmallVector<int64_t>{1, 2}));
  for (int64_t rank = 0; rank < 6; ++rank)
    EXPECT_EQ(node.getRank(node.getCoordinates(rank)), rank);
  EXPECT_EQ(node.findAxis("tp"), 1);
  EXPECT_EQ(node.findAxis("sp"), -1);
  EXPECT_EQ(mesh({}).getRankCount(), 1);
}

} // namespace
