// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Compiled kernels beside hand-written loops on the same data, one thread. Each result is checked against the other's
// before anything is measured. bytes_per_second counts what must be read and written once.
//
// attention: flops counts two multiplications and additions for each visible key (the causal half), bytes the keys and
// values that a step reads.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <numeric>
#include <random>

#include <benchmark/benchmark.h>

#include "compiler/Codegen/Host/Attention.h"
#include "test/benchmark/kernels/HandWritten.h"
#include "test/unit/compiler/Codegen/Host/LoadedKernels.h"

using namespace muster;
using namespace muster::codegen;

namespace {

constexpr const char *source = R"(
#row = affine_map<(t, d) -> (t, d)>
#tok = affine_map<(t, d) -> (t)>
#vec = affine_map<(t, d) -> (d)>
#one = affine_map<(t) -> (t)>
#x4 = affine_map<(t, h, s, i) -> (t, h, s, i)>
#p4 = affine_map<(t, h, s, i) -> (t)>
func.func @rms_norm(%x: tensor<?x576xf32> {plan.sizes = array<i64: 0>}, %scale: tensor<576xf32>, %t: index)
    -> (tensor<?x576xf32> {plan.sizes = array<i64: 0>}) {
  %zero = arith.constant 0.0 : f32
  %unit = arith.constant 1.0 : f32
  %width = arith.constant 576.0 : f32
  %eps = arith.constant 1.0e-5 : f32
  %e1 = tensor.empty(%t) : tensor<?xf32>
  %e2 = tensor.empty(%t) : tensor<?x576xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?xf32>) -> tensor<?xf32>
  %sum = linalg.generic {indexing_maps = [#row, #tok], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<?x576xf32>) outs(%f : tensor<?xf32>) {
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
    %q = math.sqrt %p : f32
    %v = arith.divf %unit, %q : f32
    linalg.yield %v : f32
  } -> tensor<?xf32>
  %y = linalg.generic {indexing_maps = [#row, #tok, #vec, #row], iterator_types = ["parallel", "parallel"]}
      ins(%x, %r, %scale : tensor<?x576xf32>, tensor<?xf32>, tensor<576xf32>) outs(%e2 : tensor<?x576xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32, %o: f32):
    %m = arith.mulf %a, %b : f32
    %q = arith.mulf %m, %c : f32
    linalg.yield %q : f32
  } -> tensor<?x576xf32>
  return %y : tensor<?x576xf32>
}
func.func @add_norm(%h: tensor<?x576xf32> {plan.sizes = array<i64: 0>}, %y: tensor<?x576xf32> {plan.sizes = array<i64: 0>},
                    %scale: tensor<576xf32>, %t: index)
    -> (tensor<?x576xf32> {plan.sizes = array<i64: 0>, plan.tied = 0 : i64}, tensor<?x576xf32> {plan.sizes = array<i64: 0>}) {
  %zero = arith.constant 0.0 : f32
  %unit = arith.constant 1.0 : f32
  %width = arith.constant 576.0 : f32
  %eps = arith.constant 1.0e-5 : f32
  %e1 = tensor.empty(%t) : tensor<?xf32>
  %e2 = tensor.empty(%t) : tensor<?x576xf32>
  %s = linalg.add ins(%h, %y : tensor<?x576xf32>, tensor<?x576xf32>) outs(%e2 : tensor<?x576xf32>) -> tensor<?x576xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?xf32>) -> tensor<?xf32>
  %sum = linalg.generic {indexing_maps = [#row, #tok], iterator_types = ["parallel", "reduction"]}
      ins(%s : tensor<?x576xf32>) outs(%f : tensor<?xf32>) {
  ^bb0(%a: f32, %acc: f32):
    %q = arith.mulf %a, %a : f32
    %p = arith.addf %acc, %q : f32
    linalg.yield %p : f32
  } -> tensor<?xf32>
  %r = linalg.generic {indexing_maps = [#one, #one], iterator_types = ["parallel"]}
      ins(%sum : tensor<?xf32>) outs(%e1 : tensor<?xf32>) {
  ^bb0(%a: f32, %o: f32):
    %m = arith.divf %a, %width : f32
    %p = arith.addf %m, %eps : f32
    %q = math.sqrt %p : f32
    %v = arith.divf %unit, %q : f32
    linalg.yield %v : f32
  } -> tensor<?xf32>
  %n = linalg.generic {indexing_maps = [#row, #tok, #vec, #row], iterator_types = ["parallel", "parallel"]}
      ins(%s, %r, %scale : tensor<?x576xf32>, tensor<?xf32>, tensor<576xf32>) outs(%e2 : tensor<?x576xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32, %o: f32):
    %m = arith.mulf %a, %b : f32
    %q = arith.mulf %m, %c : f32
    linalg.yield %q : f32
  } -> tensor<?x576xf32>
  return %s, %n : tensor<?x576xf32>, tensor<?x576xf32>
}
func.func @silu_mul(%gate: tensor<?x1536xf32> {plan.sizes = array<i64: 0>}, %up: tensor<?x1536xf32> {plan.sizes = array<i64: 0>},
                    %t: index) -> (tensor<?x1536xf32> {plan.sizes = array<i64: 0>}) {
  %one = arith.constant 1.0 : f32
  %e = tensor.empty(%t) : tensor<?x1536xf32>
  %s = linalg.generic {indexing_maps = [#row, #row], iterator_types = ["parallel", "parallel"]}
      ins(%gate : tensor<?x1536xf32>) outs(%e : tensor<?x1536xf32>) {
  ^bb0(%g: f32, %o: f32):
    %n = arith.negf %g : f32
    %x = math.exp %n : f32
    %d = arith.addf %x, %one : f32
    %r = arith.divf %g, %d : f32
    linalg.yield %r : f32
  } -> tensor<?x1536xf32>
  %y = linalg.mul ins(%s, %up : tensor<?x1536xf32>, tensor<?x1536xf32>) outs(%e : tensor<?x1536xf32>) -> tensor<?x1536xf32>
  return %y : tensor<?x1536xf32>
}
func.func @rope(%x: tensor<?x576xf32> {plan.sizes = array<i64: 0>}, %positions: tensor<?xi32> {plan.sizes = array<i64: 0>},
                %cos: tensor<2048x32xf32>, %sin: tensor<2048x32xf32>, %t: index) -> (tensor<?x576xf32> {plan.sizes = array<i64: 0>}) {
  %c1 = arith.constant 1 : index
  %c0 = arith.constant 0 : index
  %v = tensor.expand_shape %x [[0], [1, 2, 3]] output_shape [%t, 9, 2, 32] : tensor<?x576xf32> into tensor<?x9x2x32xf32>
  %e = tensor.empty(%t) : tensor<?x9x2x32xf32>
  %y = linalg.generic {indexing_maps = [#x4, #p4, #x4], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%v, %positions : tensor<?x9x2x32xf32>, tensor<?xi32>) outs(%e : tensor<?x9x2x32xf32>) {
  ^bb0(%a: f32, %p: i32, %o: f32):
    %row = linalg.index 0 : index
    %head = linalg.index 1 : index
    %half = linalg.index 2 : index
    %i = linalg.index 3 : index
    %position = arith.index_cast %p : i32 to index
    %c = tensor.extract %cos[%position, %i] : tensor<2048x32xf32>
    %s = tensor.extract %sin[%position, %i] : tensor<2048x32xf32>
    %other = arith.subi %c1, %half : index
    %b = tensor.extract %v[%row, %head, %other, %i] : tensor<?x9x2x32xf32>
    %first = arith.cmpi eq, %half, %c0 : index
    %minus = arith.negf %s : f32
    %sign = arith.select %first, %minus, %s : f32
    %m = arith.mulf %a, %c : f32
    %n = arith.mulf %b, %sign : f32
    %r = arith.addf %m, %n : f32
    linalg.yield %r : f32
  } -> tensor<?x9x2x32xf32>
  %z = tensor.collapse_shape %y [[0], [1, 2, 3]] : tensor<?x9x2x32xf32> into tensor<?x576xf32>
  return %z : tensor<?x576xf32>
}
func.func @gather_packed(%tokens: tensor<?xi32> {plan.sizes = array<i64: 0>}, %table: tensor<768x36x16x64xf32>, %t: index)
    -> (tensor<?x576xf32> {plan.sizes = array<i64: 0>}) {
  %c16 = arith.constant 16 : index
  %c64 = arith.constant 64 : index
  %e = tensor.empty(%t) : tensor<?x576xf32>
  %y = linalg.generic {indexing_maps = [#tok, #row], iterator_types = ["parallel", "parallel"]}
      ins(%tokens : tensor<?xi32>) outs(%e : tensor<?x576xf32>) {
  ^bb0(%token: i32, %o: f32):
    %k = linalg.index 1 : index
    %n = arith.index_cast %token : i32 to index
    %n0 = arith.divui %n, %c64 : index
    %n1 = arith.remui %n, %c64 : index
    %k0 = arith.divui %k, %c16 : index
    %k1 = arith.remui %k, %c16 : index
    %v = tensor.extract %table[%n0, %k0, %k1, %n1] : tensor<768x36x16x64xf32>
    linalg.yield %v : f32
  } -> tensor<?x576xf32>
  return %y : tensor<?x576xf32>
}
func.func @transpose(%x: tensor<?x9x64xf32> {plan.sizes = array<i64: 0>}, %t: index)
    -> (tensor<9x?x64xf32> {plan.sizes = array<i64: 0>}) {
  %e = tensor.empty(%t) : tensor<9x?x64xf32>
  %y = linalg.transpose ins(%x : tensor<?x9x64xf32>) outs(%e : tensor<9x?x64xf32>) permutation = [1, 0, 2]
  return %y : tensor<9x?x64xf32>
}
)";

constexpr int64_t table = 768 * 36 * 16 * 64; // 49152 x 576, packed
const AttentionSpec attention = {9, 3, 64, 16, 512, 0.125f};

Aligned<float> randomFloats(size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(-2.0f, 2.0f);
  Aligned<float> values(count);
  for (float &value : values)
    value = uniform(generator);
  return values;
}

// Everything that one kernel and its hand-written twin need for `rows` rows.
struct Case {
  std::string name;
  int64_t bytesPerRow;
  int64_t resultWidth;
  std::vector<Aligned<float>> floats;
  Aligned<int32_t> indices;
  Aligned<float> result;
  std::function<std::vector<void *>(Case &)> bindings;
  std::function<void(Case &, int64_t)> handWritten;
};

std::vector<std::unique_ptr<Case>> makeCases(int64_t rows) {
  std::vector<std::unique_ptr<Case>> cases;
  auto make = [&](const char *name, int64_t bytesPerRow, int64_t width, std::vector<size_t> sizes, int64_t indexBound,
                  decltype(Case::bindings) bindings, decltype(Case::handWritten) handWritten) {
    auto made = std::make_unique<Case>();
    made->name = name, made->bytesPerRow = bytesPerRow, made->resultWidth = width;
    for (size_t i = 0; i < sizes.size(); ++i)
      made->floats.push_back(randomFloats(sizes[i], 7 + i));
    made->indices = Aligned<int32_t>(rows);
    for (int64_t t = 0; t < rows; ++t)
      made->indices[t] = indexBound ? t * 7919 % indexBound : 0;
    made->result = Aligned<float>(rows * width);
    made->bindings = bindings, made->handWritten = handWritten;
    cases.push_back(std::move(made));
  };
  const size_t n = rows * 576, f = rows * 1536;
  make(
      "rms_norm", 2 * 576 * 4, 576, {n, 576}, 0,
      [](Case &c) -> std::vector<void *> { return {c.floats[0].data(), c.floats[1].data(), c.result.data()}; },
      [](Case &c, int64_t rows) {
        handwritten::rmsNorm(c.floats[0].data(), c.floats[1].data(), c.result.data(), rows);
      });
  make(
      "add_norm", 4 * 576 * 4, 576, {n, n, 576}, 0,
      [](Case &c) -> std::vector<void *> {
        return {c.floats[0].data(), c.floats[1].data(), c.floats[2].data(), c.result.data()};
      },
      [](Case &c, int64_t rows) {
        handwritten::addNorm(c.floats[0].data(), c.floats[1].data(), c.floats[2].data(), c.result.data(), rows);
      });
  make(
      "silu_mul", 3 * 1536 * 4, 1536, {f, f}, 0,
      [](Case &c) -> std::vector<void *> { return {c.floats[0].data(), c.floats[1].data(), c.result.data()}; },
      [](Case &c, int64_t rows) {
        handwritten::siluMul(c.floats[0].data(), c.floats[1].data(), c.result.data(), rows);
      });
  make(
      "rope", 2 * 576 * 4, 576, {n, 2048 * 32, 2048 * 32}, 2048,
      [](Case &c) -> std::vector<void *> {
        return {c.floats[0].data(), c.indices.data(), c.floats[1].data(), c.floats[2].data(), c.result.data()};
      },
      [](Case &c, int64_t rows) {
        handwritten::rope(c.floats[0].data(), c.indices.data(), c.floats[1].data(), c.floats[2].data(), c.result.data(),
                          rows);
      });
  make(
      "gather_packed", 2 * 576 * 4, 576, {size_t(table)}, 49152,
      [](Case &c) -> std::vector<void *> { return {c.indices.data(), c.floats[0].data(), c.result.data()}; },
      [](Case &c, int64_t rows) {
        handwritten::gatherPacked(c.indices.data(), c.floats[0].data(), c.result.data(), rows);
      });
  make(
      "transpose", 2 * 576 * 4, 576, {n}, 0,
      [](Case &c) -> std::vector<void *> { return {c.floats[0].data(), c.result.data()}; },
      [](Case &c, int64_t rows) { handwritten::transpose(c.floats[0].data(), c.result.data(), rows); });
  return cases;
}

void check(Case &c, const LoadedKernels &kernels, int64_t rows) {
  Aligned<float> first = c.floats[0];
  c.handWritten(c, rows);
  Aligned<float> expected = c.result;
  c.floats[0] = first;
  std::fill(c.result.begin(), c.result.end(), NAN);
  kernels.run(c.name, c.bindings(c), {rows});
  c.floats[0] = first;
  for (size_t i = 0; i < expected.size(); ++i)
    if (!(std::abs(c.result[i] - expected[i]) <= 1e-5f * std::abs(expected[i]) + 1e-6f)) {
      std::fprintf(stderr, "%s: element %zu is %g but the hand-written loop has %g\n", c.name.c_str(), i, c.result[i],
                   expected[i]);
      std::exit(1);
    }
}

void registerRows(const LoadedKernels &kernels, int64_t rows) {
  for (std::unique_ptr<Case> &made : makeCases(rows)) {
    check(*made, kernels, rows);
    std::shared_ptr<Case> c = std::move(made);
    std::string suffix = "/" + std::to_string(rows);
    benchmark::RegisterBenchmark((c->name + "/compiled" + suffix).c_str(), [=, &kernels](benchmark::State &state) {
      muster_kernel_fn kernel = kernels.find(c->name);
      std::vector<void *> bindings = c->bindings(*c);
      for (auto _ : state)
        kernel(bindings.data(), &rows, 0, 1);
      state.SetBytesProcessed(state.iterations() * rows * c->bytesPerRow);
    });
    benchmark::RegisterBenchmark((c->name + "/handwritten" + suffix).c_str(), [=](benchmark::State &state) {
      for (auto _ : state)
        c->handWritten(*c, rows);
      state.SetBytesProcessed(state.iterations() * rows * c->bytesPerRow);
    });
  }
}

// One step of attention: `sequences` of them, each with `tokens` new tokens behind `context` old ones.
void registerAttention(const LoadedKernels &kernels, int64_t sequences, int64_t context, int64_t tokens) {
  std::string name =
      "attention/" + std::to_string(sequences) + "x" + std::to_string(tokens) + "@" + std::to_string(context);
  benchmark::RegisterBenchmark(name.c_str(), [=, &kernels](benchmark::State &state) {
    const int64_t all = sequences * tokens, length = context + tokens;
    const int64_t pages = (length + attention.pageSlots - 1) / attention.pageSlots;
    const size_t slots = sequences * pages * attention.pageSlots;
    Aligned<float> q = randomFloats(all * 576, 1), k = randomFloats(slots * 192, 2), v = randomFloats(slots * 192, 3);
    Aligned<float> result(all * 576);
    Aligned<int32_t> positions(all), starts(sequences + 1), blocks(sequences * attention.pagesPerSequence, -1);
    for (int64_t s = 0; s < sequences; ++s) {
      starts[s + 1] = (s + 1) * tokens;
      for (int64_t i = 0; i < tokens; ++i)
        positions[s * tokens + i] = context + i;
      for (int64_t p = 0; p < pages; ++p)
        blocks[s * attention.pagesPerSequence + p] = s * pages + p;
    }
    std::vector<void *> bindings = {q.data(),      k.data(),      v.data(),     positions.data(),
                                    starts.data(), blocks.data(), result.data()};
    int64_t sizes[] = {all, sequences};
    muster_kernel_fn kernel = kernels.find("attention");
    for (auto _ : state)
      kernel(bindings.data(), sizes, 0, 1);
    double visible = 0;
    for (int64_t i = 0; i < tokens; ++i)
      visible += sequences * double(context + i + 1);
    state.SetBytesProcessed(state.iterations() * sequences * length * 192 * 2 * 4);
    state.counters["flops"] = benchmark::Counter(visible * 9 * 64 * 4, benchmark::Counter::kIsIterationInvariantRate);
  });
}

} // namespace

int main(int argc, char **argv) {
  HostTarget target = llvm::cantFail(HostTarget::parse("host"));
  auto loaded = LoadedKernels::compile(source, target, [&](mlir::ModuleOp module) {
    llvm::cantFail(buildAttentionKernel(module, "attention", attention, target));
  });
  if (!loaded) {
    std::fprintf(stderr, "%s\n", llvm::toString(loaded.takeError()).c_str());
    return 1;
  }
  std::printf("target %s, %zu kernels compiled in %.2f s (buffers %.2f, lowering %.2f, llvm %.2f, link %.3f), object "
              "of %zu bytes\n",
              target.cpu.c_str(), loaded->object.kernels.size(),
              loaded->times.buffers + loaded->times.lowering + loaded->times.llvm + loaded->times.link,
              loaded->times.buffers, loaded->times.lowering, loaded->times.llvm, loaded->times.link,
              loaded->object.elf.size());
  for (int64_t rows : {1, 16, 512})
    registerRows(*loaded, rows);
  registerAttention(*loaded, 1, 0, 128);
  registerAttention(*loaded, 1, 0, 512);
  registerAttention(*loaded, 1, 512, 1);
  registerAttention(*loaded, 1, 4096, 1);
  registerAttention(*loaded, 8, 512, 1);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
