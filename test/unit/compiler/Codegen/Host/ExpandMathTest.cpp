// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Accuracy of the functions that kernels expand to arithmetic, against double precision.

#include "test/unit/compiler/Codegen/Host/KernelTesting.h"

using namespace muster::codegen;

namespace {

std::string unary(const std::string &function) {
  return "func.func @f(%x: tensor<?x61xf32> {plan.sizes = array<i64: 0>}, %t: index)"
         " -> (tensor<?x61xf32> {plan.sizes = array<i64: 0>}) {\n"
         "  %y = math." +
         function + " %x : tensor<?x61xf32>\n  return %y : tensor<?x61xf32>\n}\n";
}

struct Function {
  const char *name;
  double (*reference)(double);
  float low, high;
  double bound; // ulps
};

TEST(ExpandMath, StaysWithinItsBounds) {
  const Function functions[] = {
      {"exp", [](double x) { return std::exp(x); }, -87.0f, 88.7f, 1.1},
      {"exp2", [](double x) { return std::exp2(x); }, -126.0f, 127.9f, 1.1},
      {"rsqrt", [](double x) { return 1 / std::sqrt(x); }, 1e-6f, 1e6f, 1.51},
      {"sqrt", [](double x) { return std::sqrt(x); }, 0.0f, 1e6f, 0.51},
      {"tanh", [](double x) { return std::tanh(x); }, -9.0f, 9.0f, 8},
      {"erf", [](double x) { return std::erf(x); }, -4.0f, 4.0f, 8},
      {"log", [](double x) { return std::log(x); }, 1e-6f, 1e6f, 4},
      {"log1p", [](double x) { return std::log1p(x); }, -0.5f, 100.0f, 8},
  };
  for (const std::string &cpu : runnableTargets())
    for (const Function &function : functions) {
      LoadedKernels kernels = compileOrDie(unary(function.name), cpu);
      constexpr int64_t rows = 1657;
      Aligned<float> x(rows * 61), y(rows * 61);
      for (size_t i = 0; i < x.size(); ++i)
        x[i] = function.low + (function.high - function.low) * (float(i) / float(x.size() - 1));
      kernels.run("f", {x.data(), y.data()}, {rows});
      double worst = 0;
      float at = 0;
      for (size_t i = 0; i < x.size(); ++i)
        if (double error = ulps(y[i], function.reference(x[i])); error > worst || std::isnan(error)) {
          worst = error;
          at = x[i];
        }
      EXPECT_LE(worst, function.bound) << cpu << " " << function.name << "(" << at << ")";
      std::printf("%-10s %-8s %.2f ulp at %g\n", cpu.c_str(), function.name, worst, at);
    }
}

TEST(ExpandMath, ExpAtItsEnds) {
  for (const std::string &cpu : runnableTargets()) {
    LoadedKernels kernels = compileOrDie(unary("exp"), cpu);
    Aligned<float> x(61, 0.0f), y(61);
    const float inputs[] = {INFINITY, -INFINITY, NAN,    -NAN,    0.0f,   -0.0f, 88.8f,
                            1e30f,    -104.5f,   -1e30f, -100.0f, -88.0f, 88.72f};
    std::copy(std::begin(inputs), std::end(inputs), x.data());
    kernels.run("f", {x.data(), y.data()}, {1});
    EXPECT_EQ(y[0], INFINITY);
    EXPECT_EQ(y[1], 0.0f);
    EXPECT_TRUE(std::isnan(y[2]) && std::isnan(y[3]));
    EXPECT_EQ(y[4], 1.0f);
    EXPECT_EQ(y[5], 1.0f);
    EXPECT_EQ(y[6], INFINITY);
    EXPECT_EQ(y[7], INFINITY);
    EXPECT_EQ(y[8], 0.0f);
    EXPECT_EQ(y[9], 0.0f);
    EXPECT_LE(ulps(y[10], std::exp(-100.0)), 1.1); // a denormal
    EXPECT_LE(ulps(y[11], std::exp(-88.0)), 1.1);
    EXPECT_LE(ulps(y[12], std::exp(double(88.72f))), 1.1);
  }
}

} // namespace
