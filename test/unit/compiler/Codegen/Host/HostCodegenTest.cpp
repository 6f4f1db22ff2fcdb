// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "test/unit/compiler/Codegen/Host/KernelTesting.h"

using namespace muster::codegen;

namespace {

constexpr const char *rmsNorm = R"(
#row = affine_map<(t, d) -> (t, d)>
#tok = affine_map<(t, d) -> (t)>
#vec = affine_map<(t, d) -> (d)>
#one = affine_map<(t) -> (t)>
func.func @rms_norm(%x: tensor<?x577xf32> {plan.sizes = array<i64: 0>}, %scale: tensor<577xf32>, %t: index)
    -> (tensor<?x577xf32> {plan.sizes = array<i64: 0>}) {
  %zero = arith.constant 0.0 : f32
  %width = arith.constant 577.0 : f32
  %eps = arith.constant 1.0e-5 : f32
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x577xf32>
  %e1 = tensor.empty(%n) : tensor<?xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?xf32>) -> tensor<?xf32>
  %sum = linalg.generic {indexing_maps = [#row, #tok], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<?x577xf32>) outs(%f : tensor<?xf32>) {
  ^bb0(%a: f32, %acc: f32):
    %q = arith.mulf %a, %a : f32
    %s = arith.addf %acc, %q : f32
    linalg.yield %s : f32
  } -> tensor<?xf32>
  %r = linalg.generic {indexing_maps = [#one, #one], iterator_types = ["parallel"]}
      ins(%sum : tensor<?xf32>) outs(%e1 : tensor<?xf32>) {
  ^bb0(%a: f32, %o: f32):
    %m = arith.divf %a, %width : f32
    %p = arith.addf %m, %eps : f32
    %q = math.rsqrt %p : f32
    linalg.yield %q : f32
  } -> tensor<?xf32>
  %e2 = tensor.empty(%n) : tensor<?x577xf32>
  %y = linalg.generic {indexing_maps = [#row, #tok, #vec, #row], iterator_types = ["parallel", "parallel"]}
      ins(%x, %r, %scale : tensor<?x577xf32>, tensor<?xf32>, tensor<577xf32>) outs(%e2 : tensor<?x577xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32, %o: f32):
    %m = arith.mulf %a, %b : f32
    %q = arith.mulf %m, %c : f32
    linalg.yield %q : f32
  } -> tensor<?x577xf32>
  return %y : tensor<?x577xf32>
}
)";

TEST(HostCodegen, RmsNormOnEveryTargetAndWorkerCount) {
  constexpr int64_t width = 577;
  for (const std::string &cpu : runnableTargets()) {
    LoadedKernels kernels = compileOrDie(rmsNorm, cpu);
    ASSERT_EQ(kernels.object.kernels.size(), 1u);
    EXPECT_EQ(kernels.object.kernels[0].bindings, 3u);
    EXPECT_EQ(kernels.object.kernels[0].sizes, 1u);
    EXPECT_EQ(kernels.object.kernels[0].grid.size, 0);
    for (int64_t rows : {0, 1, 2, 13}) {
      Aligned<float> x = randomFloats(rows * width, 1), scale = randomFloats(width, 2), first;
      for (int64_t workers = 1; workers <= 5; ++workers) {
        Aligned<float> y(rows * width, NAN);
        kernels.run("rms_norm", {x.data(), scale.data(), y.data()}, {rows}, workers);
        for (int64_t t = 0; t < rows; ++t) {
          double sum = 0;
          for (int64_t d = 0; d < width; ++d)
            sum += double(x[t * width + d]) * x[t * width + d];
          for (int64_t d = 0; d < width; ++d) {
            double expected = x[t * width + d] / std::sqrt(sum / width + 1e-5) * scale[d];
            ASSERT_NEAR(y[t * width + d], expected, 1e-6 * std::abs(expected) + 1e-9) << cpu << " row " << t;
          }
        }
        EXPECT_TRUE(y.intact());
        if (workers == 1)
          first = y;
        else
          EXPECT_TRUE(sameBits(first, y)) << cpu << " " << workers;
      }
    }
  }
}

// The row loop must reach LLVM with the order not to make vectors across rows.
TEST(HostCodegen, RowLoopsStayRowByRow) {
  std::vector<std::string> stages;
  std::string ir;
  HostCodegenOptions options;
  options.dump = [&](llvm::StringRef stage, llvm::StringRef kernel, llvm::StringRef text) {
    EXPECT_EQ(kernel, "rms_norm");
    stages.push_back(stage.str());
    if (stage == "ir")
      ir = text.str();
  };
  llvm::cantFail(LoadedKernels::compile(rmsNorm, llvm::cantFail(HostTarget::parse("x86-64-v3")), {}, options));
  EXPECT_EQ(stages, (std::vector<std::string>{"buffers", "llvm", "ir"}));
  EXPECT_THAT(ir, testing::HasSubstr("!\"llvm.loop.vectorize.enable\", i1 false"));
  EXPECT_THAT(ir, testing::HasSubstr("!\"llvm.loop.unroll.disable\""));
}

} // namespace
