// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What host codegen refuses, and with which number. E4102 needs another machine, E4103 an LLVM without x86.

#include "test/unit/compiler/Codegen/Host/KernelTesting.h"

using namespace muster::codegen;
using testing::HasSubstr;
using testing::StartsWith;

namespace {

std::string errorOf(const std::string &text, const std::string &cpu = "x86-64-v3") {
  auto loaded = LoadedKernels::compile(text, llvm::cantFail(HostTarget::parse(cpu)));
  return loaded ? "no error" : llvm::toString(loaded.takeError());
}

TEST(HostTarget, NamesWhatACpuNeeds) {
  HostTarget target = llvm::cantFail(HostTarget::parse("x86-64-v3"));
  EXPECT_EQ(target.arch, "x86_64");
  EXPECT_EQ(target.vectorLanes, 8);
  EXPECT_TRUE(target.hasFma() && target.hasFeature("avx2") && !target.hasFeature("avx512f"));
  EXPECT_FALSE(target.packsMatmulWeights());
  target = llvm::cantFail(HostTarget::parse("znver4"));
  EXPECT_EQ(target.vectorLanes, 16);
  EXPECT_TRUE(target.packsMatmulWeights());
  target = llvm::cantFail(HostTarget::parse("x86-64"));
  EXPECT_EQ(target.vectorLanes, 4);
  EXPECT_FALSE(target.hasFma());
  target = llvm::cantFail(HostTarget::parse("host"));
  EXPECT_NE(target.cpu, "host");
  EXPECT_TRUE(target.hasFeature("sse2"));
}

TEST(HostTarget, RefusesUnknownCpus) {
  for (const char *name : {"x86-64-v9", "pentium3", "cortex-a72", "", "Host"}) {
    auto target = HostTarget::parse(name);
    ASSERT_FALSE(bool(target)) << name;
    EXPECT_THAT(llvm::toString(target.takeError()),
                AllOf(StartsWith("E4101"), HasSubstr(name), HasSubstr("x86-64-v3")));
  }
}

TEST(HostCodegenErrors, Signatures) {
  EXPECT_THAT(
      errorOf("func.func @f(%x: tensor<?x3xf32>, %t: index) -> tensor<2xf32> {\n"
              "  %y = tensor.empty() : tensor<2xf32>\n  return %y : tensor<2xf32>\n}"),
      StartsWith("E4120 expected one entry of plan.sizes for each of the 1 dynamic dims of argument 0 but got 0"));
  EXPECT_THAT(errorOf("func.func @f(%x: tensor<?x3xf32> {plan.sizes = array<i64: 1>}, %t: index) { return }"),
              StartsWith("E4120 expected plan.sizes of argument 0 to name one of 1 index arguments but got 1"));
  EXPECT_THAT(errorOf("func.func @f(%t: index, %x: tensor<3xf32>) { return }"),
              StartsWith("E4120 expected tensor arguments"));
  EXPECT_THAT(errorOf("func.func @f(%x: tensor<3xf32>) -> (tensor<4xf32> {plan.tied = 0 : i64}) {\n"
                      "  %y = tensor.empty() : tensor<4xf32>\n  return %y : tensor<4xf32>\n}"),
              StartsWith("E4120 expected plan.tied of result 0"));
  EXPECT_THAT(errorOf("func.func @f(%x: tensor<3x?xf32> {plan.sizes = array<i64: -1>}) -> tensor<3xf32> {\n"
                      "  %y = tensor.extract_slice %x[0, 0] [3, 1] [1, 1] : tensor<3x?xf32> to tensor<3xf32>\n"
                      "  return %y : tensor<3xf32>\n}"),
              StartsWith("E4120 expected a size for dim 1 of binding 0 but got -1"));
}

TEST(HostCodegenErrors, WhatCannotBeDividedIntoRows) {
  // Rows move by one.
  EXPECT_THAT(
      errorOf("func.func @f(%x: tensor<?x3xf32> {plan.sizes = array<i64: 0>}, %t: index)\n"
              "    -> (tensor<?x3xf32> {plan.sizes = array<i64: 0>}) {\n"
              "  %z = arith.constant 0.0 : f32\n"
              "  %y = tensor.pad %x low[1, 0] high[0, 0] {\n  ^bb0(%i: index, %j: index):\n    tensor.yield %z : f32\n"
              "  } : tensor<?x3xf32> to tensor<?x3xf32>\n  return %y : tensor<?x3xf32>\n}"),
      StartsWith("E4121 unsupported in a host kernel"));
  // Row t reads row t - 1 of what it updates in place.
  EXPECT_THAT(errorOf(R"(
func.func @f(%x: tensor<?x3xf32> {plan.sizes = array<i64: 0>}, %t: index)
    -> (tensor<?x3xf32> {plan.sizes = array<i64: 0>, plan.tied = 0 : i64}) {
  %c1 = arith.constant 1 : index
  %e = tensor.empty(%t) : tensor<?x3xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(t, d) -> (t, d)>], iterator_types = ["parallel", "parallel"]}
      outs(%e : tensor<?x3xf32>) {
  ^bb0(%o: f32):
    %r = linalg.index 0 : index
    %d = linalg.index 1 : index
    %p = arith.subi %r, %c1 : index
    %v = tensor.extract %x[%p, %d] : tensor<?x3xf32>
    linalg.yield %v : f32
  } -> tensor<?x3xf32>
  return %y : tensor<?x3xf32>
})"),
              StartsWith("E4121 cannot update argument 0 in place"));
}

TEST(HostCodegenErrors, BuffersThatAreTooLarge) {
  auto twice = [](const std::string &type, const std::string &empty) {
    // Two transpositions in a row: the first one's result is needed whole.
    return R"(
func.func @f(%x: tensor<?x)" +
           type + R"( {plan.sizes = array<i64: 0>}, %t: index, %n: index)
    -> (tensor<?xf32> {plan.sizes = array<i64: 0>}) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty()" +
           empty + R"() : tensor<?x)" + type + R"(
  %e1 = tensor.empty(%t) : tensor<?xf32>
  %a = linalg.exp ins(%x : tensor<?x)" +
           type + R"() outs(%e : tensor<?x)" + type + R"() -> tensor<?x)" + type + R"(
  %f = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?xf32>) -> tensor<?xf32>
  %b = linalg.reduce ins(%a : tensor<?x)" +
           type + R"() outs(%f : tensor<?xf32>) dimensions = [1]
    (%in: f32, %acc: f32) {
      %s = arith.addf %in, %acc : f32
      linalg.yield %s : f32
    }
  %g = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?xf32>) -> tensor<?xf32>
  %c = linalg.generic {indexing_maps = [affine_map<(t, d) -> (t, d)>, affine_map<(t, d) -> (t)>, affine_map<(t, d) -> (t)>],
                       iterator_types = ["parallel", "reduction"]}
      ins(%a, %b : tensor<?x)" +
           type + R"(, tensor<?xf32>) outs(%g : tensor<?xf32>) {
  ^bb0(%p: f32, %q: f32, %acc: f32):
    %d = arith.divf %p, %q : f32
    %s = arith.addf %d, %acc : f32
    linalg.yield %s : f32
  } -> tensor<?xf32>
  return %c : tensor<?xf32>
})";
  };
  std::string dynamic = twice("?xf32>", "%t, %n");
  dynamic.replace(dynamic.find("array<i64: 0>"), 13, "array<i64: 0, 1>");
  EXPECT_EQ(errorOf(twice("5xf32>", "%t")), "no error");
  EXPECT_THAT(errorOf(dynamic),
              StartsWith("E4123 expected intermediate values of one row to have a fixed size but got"));
  EXPECT_THAT(errorOf(twice("200000xf32>", "%t")), StartsWith("E4124 expected at most 524288 bytes"));
}

TEST(HostCodegenErrors, FunctionsWithoutAnExpansion) {
  EXPECT_THAT(errorOf("func.func @f(%x: tensor<3xf64>) -> tensor<3xf64> {\n"
                      "  %y = math.exp %x : tensor<3xf64>\n  return %y : tensor<3xf64>\n}"),
              AllOf(StartsWith("E4125"), HasSubstr("math.exp"), HasSubstr("f64")));
}

TEST(HostCodegenErrors, Linking) {
  // Without SSE4.1 rounding down is a function of the C library.
  const char *floor = "func.func @f(%x: tensor<3xf32>) -> tensor<3xf32> {\n"
                      "  %y = math.floor %x : tensor<3xf32>\n  return %y : tensor<3xf32>\n}";
  EXPECT_EQ(errorOf(floor, "x86-64-v2"), "no error");
  EXPECT_THAT(errorOf(floor, "x86-64"), AllOf(StartsWith("E4110"), HasSubstr("undefined symbol: floorf")));
  const char *before = std::getenv("TMPDIR");
  std::string saved = before ? before : "";
  setenv("TMPDIR", "/nonexistent", 1);
  EXPECT_THAT(errorOf(floor), StartsWith("E4111"));
  before ? setenv("TMPDIR", saved.c_str(), 1) : unsetenv("TMPDIR");
}

TEST(HostCodegenErrors, EverythingElse) {
  EXPECT_THAT(errorOf(R"(
func.func private @outside(f32) -> f32
func.func @f(%x: tensor<3xf32>) -> tensor<3xf32> {
  %e = tensor.empty() : tensor<3xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(d) -> (d)>, affine_map<(d) -> (d)>], iterator_types = ["parallel"]}
      ins(%x : tensor<3xf32>) outs(%e : tensor<3xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = func.call @outside(%a) : (f32) -> f32
    linalg.yield %r : f32
  } -> tensor<3xf32>
  return %y : tensor<3xf32>
})"),
              AllOf(StartsWith("E4130"), HasSubstr("outside")));
}

} // namespace
