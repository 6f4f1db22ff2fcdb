// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What tests of kernels share: targets to try, random values, comparison.

#ifndef MUSTER_TEST_UNIT_COMPILER_CODEGEN_HOST_KERNELTESTING_H
#define MUSTER_TEST_UNIT_COMPILER_CODEGEN_HOST_KERNELTESTING_H

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/unit/compiler/Codegen/Host/LoadedKernels.h"

namespace muster::codegen {

/// Targets whose code this machine can run.
inline std::vector<std::string> runnableTargets() {
  std::vector<std::string> names;
  HostTarget host = llvm::cantFail(HostTarget::parse("host"));
  for (const char *name : {"host", "x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"}) {
    HostTarget target = llvm::cantFail(HostTarget::parse(name));
    if (std::all_of(target.features.begin(), target.features.end(),
                    [&](const std::string &feature) { return host.hasFeature(feature); }))
      names.push_back(name);
  }
  return names;
}

inline LoadedKernels compileOrDie(const std::string &text, const std::string &cpu = "host",
                                  const std::function<void(mlir::ModuleOp)> &build = {}) {
  auto loaded = LoadedKernels::compile(text, llvm::cantFail(HostTarget::parse(cpu)), build);
  if (!loaded) {
    ADD_FAILURE() << llvm::toString(loaded.takeError());
    std::abort();
  }
  return std::move(*loaded);
}

inline Aligned<float> randomFloats(size_t count, unsigned seed, float scale = 1.0f) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  Aligned<float> values(count);
  for (float &value : values)
    value = normal(generator);
  return values;
}

template <typename T>
bool sameBits(const Aligned<T> &a, const Aligned<T> &b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

/// Distance in units in the last place of `expected` rounded to float.
inline double ulps(float actual, double expected) {
  float rounded = static_cast<float>(expected);
  if (std::isnan(rounded) || std::isinf(rounded))
    return (std::isnan(rounded) && std::isnan(actual)) || rounded == actual ? 0 : INFINITY;
  double unit = std::nextafter(std::abs(rounded), INFINITY) - double(std::abs(rounded));
  return std::abs(actual - expected) / unit;
}

} // namespace muster::codegen

#endif // MUSTER_TEST_UNIT_COMPILER_CODEGEN_HOST_KERNELTESTING_H
