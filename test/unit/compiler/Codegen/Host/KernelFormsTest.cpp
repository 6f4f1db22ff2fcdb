// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every form of kernel that the compiler makes, against plain loops: sizes are primes, every worker count from 1 to 5.

#include "test/unit/compiler/Codegen/Host/KernelTesting.h"

using namespace muster::codegen;

namespace {

constexpr int64_t rowCounts[] = {0, 1, 7, 23};

// Runs a kernel whose last binding is its result with 1 to 5 workers, and checks that all give the same bits.
template <typename T>
Aligned<T> runForAllWorkers(const LoadedKernels &kernels, const std::string &name, std::vector<void *> bindings,
                            const std::vector<int64_t> &sizes, size_t resultCount) {
  Aligned<T> first(resultCount);
  bindings.push_back(nullptr);
  for (int64_t workers = 1; workers <= 5; ++workers) {
    Aligned<T> result(resultCount, static_cast<T>(-77));
    bindings.back() = result.data();
    kernels.run(name, bindings, sizes, workers);
    EXPECT_TRUE(result.intact()) << name;
    if (workers == 1)
      first = result;
    else
      EXPECT_TRUE(sameBits(first, result)) << name << " with " << workers << " workers";
  }
  return first;
}

// h += y, and its norm: one result updates an argument in place.
constexpr const char *addNorm = R"(
#row = affine_map<(t, d) -> (t, d)>
#tok = affine_map<(t, d) -> (t)>
#vec = affine_map<(t, d) -> (d)>
func.func @add_norm(%h: tensor<?x131xf32> {plan.sizes = array<i64: 0>}, %y: tensor<?x131xf32> {plan.sizes = array<i64: 0>},
                    %scale: tensor<131xf32>, %t: index)
    -> (tensor<?x131xf32> {plan.sizes = array<i64: 0>, plan.tied = 0 : i64}, tensor<?x131xf32> {plan.sizes = array<i64: 0>}) {
  %zero = arith.constant 0.0 : f32
  %width = arith.constant 131.0 : f32
  %eps = arith.constant 1.0e-5 : f32
  %e2 = tensor.empty(%t) : tensor<?x131xf32>
  %e1 = tensor.empty(%t) : tensor<?xf32>
  %s = linalg.add ins(%h, %y : tensor<?x131xf32>, tensor<?x131xf32>) outs(%e2 : tensor<?x131xf32>) -> tensor<?x131xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?xf32>) -> tensor<?xf32>
  %sum = linalg.generic {indexing_maps = [#row, #tok], iterator_types = ["parallel", "reduction"]}
      ins(%s : tensor<?x131xf32>) outs(%f : tensor<?xf32>) {
  ^bb0(%a: f32, %acc: f32):
    %q = arith.mulf %a, %a : f32
    %p = arith.addf %acc, %q : f32
    linalg.yield %p : f32
  } -> tensor<?xf32>
  %n = linalg.generic {indexing_maps = [#row, #tok, #vec, #row], iterator_types = ["parallel", "parallel"]}
      ins(%s, %sum, %scale : tensor<?x131xf32>, tensor<?xf32>, tensor<131xf32>) outs(%e2 : tensor<?x131xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32, %o: f32):
    %m = arith.divf %b, %width : f32
    %p = arith.addf %m, %eps : f32
    %r = math.rsqrt %p : f32
    %x = arith.mulf %a, %r : f32
    %z = arith.mulf %x, %c : f32
    linalg.yield %z : f32
  } -> tensor<?x131xf32>
  return %s, %n : tensor<?x131xf32>, tensor<?x131xf32>
}
)";

TEST(KernelForms, AddNormUpdatesItsArgumentInPlace) {
  constexpr int64_t width = 131;
  for (const std::string &cpu : runnableTargets()) {
    LoadedKernels kernels = compileOrDie(addNorm, cpu);
    EXPECT_EQ(kernels.object.kernels[0].bindings, 4u);
    for (int64_t rows : rowCounts) {
      Aligned<float> h = randomFloats(rows * width, 3), y = randomFloats(rows * width, 4),
                     scale = randomFloats(width, 5);
      Aligned<float> firstNorm;
      for (int64_t workers = 1; workers <= 5; ++workers) {
        Aligned<float> sum = h, norm(rows * width, NAN);
        kernels.run("add_norm", {sum.data(), y.data(), scale.data(), norm.data()}, {rows}, workers);
        for (int64_t t = 0; t < rows; ++t) {
          double square = 0;
          for (int64_t d = 0; d < width; ++d) {
            ASSERT_EQ(sum[t * width + d], h[t * width + d] + y[t * width + d]);
            square += double(sum[t * width + d]) * sum[t * width + d];
          }
          for (int64_t d = 0; d < width; ++d)
            ASSERT_LE(ulps(norm[t * width + d], sum[t * width + d] / std::sqrt(square / width + 1e-5) * scale[d]), 8);
        }
        EXPECT_TRUE(norm.intact() && sum.intact());
        if (workers == 1)
          firstNorm = norm;
        else
          EXPECT_TRUE(sameBits(firstNorm, norm));
      }
    }
  }
}

// The same value is a result and on the way to another one that comes first; both orders give the same.
TEST(KernelForms, ResultsInAnyOrder) {
  std::string text = R"(
#row = affine_map<(t, d) -> (t, d)>
#tok = affine_map<(t, d) -> (t)>
func.func @KERNEL(%x: tensor<?x37xf32> {plan.sizes = array<i64: 0>}, %t: index) -> (TYPES) {
  %zero = arith.constant 0.0 : f32
  %e1 = tensor.empty(%t) : tensor<?xf32>
  %e2 = tensor.empty(%t) : tensor<?x37xf32>
  %s = linalg.exp ins(%x : tensor<?x37xf32>) outs(%e2 : tensor<?x37xf32>) -> tensor<?x37xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?xf32>) -> tensor<?xf32>
  %m = linalg.generic {indexing_maps = [#row, #tok], iterator_types = ["parallel", "reduction"]}
      ins(%s : tensor<?x37xf32>) outs(%f : tensor<?xf32>) {
  ^bb0(%a: f32, %acc: f32):
    %p = arith.addf %acc, %a : f32
    linalg.yield %p : f32
  } -> tensor<?xf32>
  %y = linalg.generic {indexing_maps = [#row, #tok, #row], iterator_types = ["parallel", "parallel"]}
      ins(%s, %m : tensor<?x37xf32>, tensor<?xf32>) outs(%e2 : tensor<?x37xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %p = arith.divf %a, %b : f32
    linalg.yield %p : f32
  } -> tensor<?x37xf32>
  return RESULTS : TYPES2
}
)";
  auto fill = [&](std::vector<std::pair<std::string, std::string>> parts) {
    std::string made = text;
    for (auto &[from, to] : parts)
      made.replace(made.find(from), from.size(), to);
    return made;
  };
  const std::string wide = "tensor<?x37xf32>", narrow = "tensor<?xf32>", sizes = " {plan.sizes = array<i64: 0>}";
  LoadedKernels first = compileOrDie(fill({{"KERNEL", "k"},
                                           {"TYPES", wide + sizes + ", " + wide + sizes + ", " + narrow + sizes},
                                           {"RESULTS", "%y, %s, %m"},
                                           {"TYPES2", wide + ", " + wide + ", " + narrow}}));
  LoadedKernels second = compileOrDie(fill({{"KERNEL", "k"},
                                            {"TYPES", narrow + sizes + ", " + wide + sizes + ", " + wide + sizes},
                                            {"RESULTS", "%m, %s, %y"},
                                            {"TYPES2", narrow + ", " + wide + ", " + wide}}));
  constexpr int64_t rows = 11;
  Aligned<float> x = randomFloats(rows * 37, 21);
  for (int64_t workers = 1; workers <= 3; ++workers) {
    Aligned<float> y(rows * 37), s(rows * 37), m(rows), y2(rows * 37), s2(rows * 37), m2(rows);
    first.run("k", {x.data(), y.data(), s.data(), m.data()}, {rows}, workers);
    second.run("k", {x.data(), m2.data(), s2.data(), y2.data()}, {rows}, workers);
    EXPECT_TRUE(sameBits(y, y2) && sameBits(s, s2) && sameBits(m, m2));
    for (int64_t t = 0; t < rows; ++t) {
      double sum = 0;
      for (int64_t d = 0; d < 37; ++d) {
        ASSERT_LE(ulps(s[t * 37 + d], std::exp(double(x[t * 37 + d]))), 1.1);
        sum += s[t * 37 + d];
      }
      ASSERT_LE(ulps(m[t], sum), 4);
      for (int64_t d = 0; d < 37; ++d)
        ASSERT_LE(ulps(y[t * 37 + d], s[t * 37 + d] / sum), 5);
    }
  }
}

constexpr const char *silu = R"(
#row = affine_map<(t, d) -> (t, d)>
func.func @silu_mul(%gate: tensor<?x97xf32> {plan.sizes = array<i64: 0>}, %up: tensor<?x97xf32> {plan.sizes = array<i64: 0>},
                    %t: index) -> (tensor<?x97xf32> {plan.sizes = array<i64: 0>}) {
  %one = arith.constant 1.0 : f32
  %e = tensor.empty(%t) : tensor<?x97xf32>
  %s = linalg.generic {indexing_maps = [#row, #row], iterator_types = ["parallel", "parallel"]}
      ins(%gate : tensor<?x97xf32>) outs(%e : tensor<?x97xf32>) {
  ^bb0(%g: f32, %o: f32):
    %n = arith.negf %g : f32
    %x = math.exp %n : f32
    %d = arith.addf %x, %one : f32
    %r = arith.divf %g, %d : f32
    linalg.yield %r : f32
  } -> tensor<?x97xf32>
  %y = linalg.mul ins(%s, %up : tensor<?x97xf32>, tensor<?x97xf32>) outs(%e : tensor<?x97xf32>) -> tensor<?x97xf32>
  return %y : tensor<?x97xf32>
}
)";

TEST(KernelForms, SiluTimesUpAndNanPropagates) {
  for (const std::string &cpu : runnableTargets()) {
    LoadedKernels kernels = compileOrDie(silu, cpu);
    for (int64_t rows : rowCounts) {
      Aligned<float> gate = randomFloats(rows * 97, 6, 20.0f), up = randomFloats(rows * 97, 7);
      if (rows > 1)
        gate[97 + 5] = NAN;
      auto y = runForAllWorkers<float>(kernels, "silu_mul", {gate.data(), up.data()}, {rows}, rows * 97);
      for (int64_t i = 0; i < rows * 97; ++i) {
        double expected = gate[i] / (1 + std::exp(-double(gate[i]))) * up[i];
        if (std::isnan(gate[i]))
          ASSERT_TRUE(std::isnan(y[i]));
        else
          ASSERT_NEAR(y[i], expected, 5e-7 * std::abs(expected) + 1e-37) << cpu << " gate " << gate[i];
      }
    }
  }
}

// Half-split rotation by a table. The two halves are a dim of their own, so that the inner loop is contiguous.
constexpr const char *rope = R"(
#x = affine_map<(t, h, s, i) -> (t, h, s, i)>
#p = affine_map<(t, h, s, i) -> (t)>
func.func @rope(%x: tensor<?x114xf32> {plan.sizes = array<i64: 0>}, %positions: tensor<?xi32> {plan.sizes = array<i64: 0>},
                %cos: tensor<50x19xf32>, %sin: tensor<50x19xf32>, %t: index) -> (tensor<?x114xf32> {plan.sizes = array<i64: 0>}) {
  %c1 = arith.constant 1 : index
  %c0 = arith.constant 0 : index
  %v = tensor.expand_shape %x [[0], [1, 2, 3]] output_shape [%t, 3, 2, 19] : tensor<?x114xf32> into tensor<?x3x2x19xf32>
  %e = tensor.empty(%t) : tensor<?x3x2x19xf32>
  %y = linalg.generic {indexing_maps = [#x, #p, #x], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%v, %positions : tensor<?x3x2x19xf32>, tensor<?xi32>) outs(%e : tensor<?x3x2x19xf32>) {
  ^bb0(%a: f32, %p: i32, %o: f32):
    %row = linalg.index 0 : index
    %head = linalg.index 1 : index
    %half = linalg.index 2 : index
    %i = linalg.index 3 : index
    %position = arith.index_cast %p : i32 to index
    %c = tensor.extract %cos[%position, %i] : tensor<50x19xf32>
    %s = tensor.extract %sin[%position, %i] : tensor<50x19xf32>
    %other = arith.subi %c1, %half : index
    %b = tensor.extract %v[%row, %head, %other, %i] : tensor<?x3x2x19xf32>
    %first = arith.cmpi eq, %half, %c0 : index
    %minus = arith.negf %s : f32
    %sign = arith.select %first, %minus, %s : f32
    %m = arith.mulf %a, %c : f32
    %n = arith.mulf %b, %sign : f32
    %r = arith.addf %m, %n : f32
    linalg.yield %r : f32
  } -> tensor<?x3x2x19xf32>
  %z = tensor.collapse_shape %y [[0], [1, 2, 3]] : tensor<?x3x2x19xf32> into tensor<?x114xf32>
  return %z : tensor<?x114xf32>
}
)";

TEST(KernelForms, RopeByTable) {
  for (const std::string &cpu : runnableTargets()) {
    LoadedKernels kernels = compileOrDie(rope, cpu);
    Aligned<float> cosines = randomFloats(50 * 19, 8), sines = randomFloats(50 * 19, 9);
    for (int64_t rows : rowCounts) {
      Aligned<float> x = randomFloats(rows * 114, 10);
      Aligned<int32_t> positions(rows);
      for (int64_t t = 0; t < rows; ++t)
        positions[t] = (t * 37 + 11) % 50;
      auto y = runForAllWorkers<float>(kernels, "rope", {x.data(), positions.data(), cosines.data(), sines.data()},
                                       {rows}, rows * 114);
      for (int64_t t = 0; t < rows; ++t)
        for (int64_t h = 0; h < 3; ++h)
          for (int64_t i = 0; i < 38; ++i) {
            const float *head = &x[t * 114 + h * 38];
            double c = cosines[positions[t] * 19 + i % 19], s = sines[positions[t] * 19 + i % 19];
            double expected = i < 19 ? head[i] * c - head[i + 19] * s : head[i] * c + head[i - 19] * s;
            ASSERT_NEAR(y[t * 114 + h * 38 + i], expected, 1e-6);
          }
    }
  }
}

// Rows of a table packed as BlockedN64K16: [ceil(n/64)][ceil(k/16)][16][64].
constexpr const char *embed = R"(
func.func @embed(%tokens: tensor<?xi32> {plan.sizes = array<i64: 0>}, %table: tensor<3x5x16x64xf32>, %t: index)
    -> (tensor<?x73xf32> {plan.sizes = array<i64: 0>}) {
  %c16 = arith.constant 16 : index
  %c64 = arith.constant 64 : index
  %e = tensor.empty(%t) : tensor<?x73xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(t, k) -> (t)>, affine_map<(t, k) -> (t, k)>],
                       iterator_types = ["parallel", "parallel"]}
      ins(%tokens : tensor<?xi32>) outs(%e : tensor<?x73xf32>) {
  ^bb0(%token: i32, %o: f32):
    %k = linalg.index 1 : index
    %n = arith.index_cast %token : i32 to index
    %n0 = arith.divui %n, %c64 : index
    %n1 = arith.remui %n, %c64 : index
    %k0 = arith.divui %k, %c16 : index
    %k1 = arith.remui %k, %c16 : index
    %v = tensor.extract %table[%n0, %k0, %k1, %n1] : tensor<3x5x16x64xf32>
    linalg.yield %v : f32
  } -> tensor<?x73xf32>
  return %y : tensor<?x73xf32>
}
)";

TEST(KernelForms, GatherFromPackedTable) {
  for (const std::string &cpu : runnableTargets()) {
    LoadedKernels kernels = compileOrDie(embed, cpu);
    Aligned<float> table = randomFloats(3 * 5 * 16 * 64, 11);
    for (int64_t rows : rowCounts) {
      Aligned<int32_t> tokens(rows);
      for (int64_t t = 0; t < rows; ++t)
        tokens[t] = (t * 101 + 150) % 187;
      auto y = runForAllWorkers<float>(kernels, "embed", {tokens.data(), table.data()}, {rows}, rows * 73);
      for (int64_t t = 0; t < rows; ++t)
        for (int64_t k = 0; k < 73; ++k)
          ASSERT_EQ(y[t * 73 + k], table[((tokens[t] / 64 * 5 + k / 16) * 16 + k % 16) * 64 + tokens[t] % 64]);
    }
  }
}

// A vocabulary shard: rows outside [first, first + 41) give zero, and are not read.
constexpr const char *maskedGather = R"(
func.func @masked_gather(%tokens: tensor<?xi32> {plan.sizes = array<i64: 0>}, %table: tensor<41x29xf32>, %t: index, %first: index)
    -> (tensor<?x29xf32> {plan.sizes = array<i64: 0>}) {
  %c0 = arith.constant 0 : index
  %c41 = arith.constant 41 : index
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty(%t) : tensor<?x29xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(t, k) -> (t)>, affine_map<(t, k) -> (t, k)>],
                       iterator_types = ["parallel", "parallel"]}
      ins(%tokens : tensor<?xi32>) outs(%e : tensor<?x29xf32>) {
  ^bb0(%token: i32, %o: f32):
    %k = linalg.index 1 : index
    %n = arith.index_cast %token : i32 to index
    %local = arith.subi %n, %first : index
    %inside = arith.cmpi ult, %local, %c41 : index
    %row = arith.select %inside, %local, %c0 : index
    %v = tensor.extract %table[%row, %k] : tensor<41x29xf32>
    %r = arith.select %inside, %v, %zero : f32
    linalg.yield %r : f32
  } -> tensor<?x29xf32>
  return %y : tensor<?x29xf32>
}
)";

TEST(KernelForms, MaskedGather) {
  for (const std::string &cpu : runnableTargets()) {
    LoadedKernels kernels = compileOrDie(maskedGather, cpu);
    EXPECT_EQ(kernels.object.kernels[0].sizes, 2u);
    Aligned<float> table = randomFloats(41 * 29, 12);
    for (int64_t rows : rowCounts) {
      Aligned<int32_t> tokens(rows);
      for (int64_t t = 0; t < rows; ++t)
        tokens[t] = (t * 31 + 7) % 123;
      auto y = runForAllWorkers<float>(kernels, "masked_gather", {tokens.data(), table.data()}, {rows, 41}, rows * 29);
      for (int64_t t = 0; t < rows; ++t)
        for (int64_t k = 0; k < 29; ++k)
          ASSERT_EQ(y[t * 29 + k], tokens[t] >= 41 && tokens[t] < 82 ? table[(tokens[t] - 41) * 29 + k] : 0.0f);
    }
  }
}

constexpr const char *copies = R"(
func.func @transpose(%x: tensor<?x3x5xf32> {plan.sizes = array<i64: 0>}, %t: index)
    -> (tensor<3x?x5xf32> {plan.sizes = array<i64: 0>}) {
  %e = tensor.empty(%t) : tensor<3x?x5xf32>
  %y = linalg.transpose ins(%x : tensor<?x3x5xf32>) outs(%e : tensor<3x?x5xf32>) permutation = [1, 0, 2]
  return %y : tensor<3x?x5xf32>
}
func.func @columns(%x: tensor<?x31xf32> {plan.sizes = array<i64: 0>}, %t: index)
    -> (tensor<?x13xf32> {plan.sizes = array<i64: 0>}) {
  %y = tensor.extract_slice %x[0, 7] [%t, 13] [1, 1] : tensor<?x31xf32> to tensor<?x13xf32>
  return %y : tensor<?x13xf32>
}
func.func @reshape(%x: tensor<?x3x5xf32> {plan.sizes = array<i64: 0>}, %t: index)
    -> (tensor<?x15xf32> {plan.sizes = array<i64: 0>}) {
  %y = tensor.collapse_shape %x [[0], [1, 2]] : tensor<?x3x5xf32> into tensor<?x15xf32>
  return %y : tensor<?x15xf32>
}
func.func @identity(%x: tensor<?x3x5xf32> {plan.sizes = array<i64: 0>}, %t: index)
    -> (tensor<?x3x5xf32> {plan.sizes = array<i64: 0>}) {
  return %x : tensor<?x3x5xf32>
}
func.func @bias(%x: tensor<?x7x11xf32> {plan.sizes = array<i64: 0>}, %b: tensor<77xf32>, %t: index)
    -> (tensor<?x77xf32> {plan.sizes = array<i64: 0>}) {
  %c = tensor.expand_shape %b [[0, 1]] output_shape [7, 11] : tensor<77xf32> into tensor<7x11xf32>
  %e = tensor.empty(%t) : tensor<?x7x11xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(t, i, j) -> (t, i, j)>, affine_map<(t, i, j) -> (i, j)>,
                                        affine_map<(t, i, j) -> (t, i, j)>], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%x, %c : tensor<?x7x11xf32>, tensor<7x11xf32>) outs(%e : tensor<?x7x11xf32>) {
  ^bb0(%p: f32, %q: f32, %o: f32):
    %s = arith.addf %p, %q : f32
    linalg.yield %s : f32
  } -> tensor<?x7x11xf32>
  %z = tensor.collapse_shape %y [[0], [1, 2]] : tensor<?x7x11xf32> into tensor<?x77xf32>
  return %z : tensor<?x77xf32>
}
func.func @shift(%x: tensor<?xi32> {plan.sizes = array<i64: 0>}, %t: index) -> (tensor<?xi32> {plan.sizes = array<i64: 0>}) {
  %c7 = arith.constant 7 : i32
  %e = tensor.empty(%t) : tensor<?xi32>
  %y = linalg.generic {indexing_maps = [affine_map<(t) -> (t)>, affine_map<(t) -> (t)>], iterator_types = ["parallel"]}
      ins(%x : tensor<?xi32>) outs(%e : tensor<?xi32>) {
  ^bb0(%a: i32, %o: i32):
    %s = arith.addi %a, %c7 : i32
    linalg.yield %s : i32
  } -> tensor<?xi32>
  return %y : tensor<?xi32>
}
func.func @constant() -> tensor<2x3xf32> {
  %y = arith.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}
)";

TEST(KernelForms, CopiesTransposesAndReshapes) {
  for (const std::string &cpu : runnableTargets()) {
    LoadedKernels kernels = compileOrDie(copies, cpu);
    for (int64_t rows : rowCounts) {
      Aligned<float> x = randomFloats(rows * 77, 13), bias = randomFloats(77, 14);
      auto y = runForAllWorkers<float>(kernels, "transpose", {x.data()}, {rows}, rows * 15);
      for (int64_t t = 0; t < rows; ++t)
        for (int64_t i = 0; i < 15; ++i)
          ASSERT_EQ(y[(i / 5 * rows + t) * 5 + i % 5], x[t * 15 + i]);
      y = runForAllWorkers<float>(kernels, "columns", {x.data()}, {rows}, rows * 13);
      for (int64_t i = 0; i < rows * 13; ++i)
        ASSERT_EQ(y[i], x[i / 13 * 31 + 7 + i % 13]);
      for (const char *name : {"reshape", "identity"}) {
        y = runForAllWorkers<float>(kernels, name, {x.data()}, {rows}, rows * 15);
        ASSERT_EQ(std::memcmp(y.data(), x.data(), rows * 15 * sizeof(float)), 0);
      }
      y = runForAllWorkers<float>(kernels, "bias", {x.data(), bias.data()}, {rows}, rows * 77);
      for (int64_t i = 0; i < rows * 77; ++i)
        ASSERT_EQ(y[i], x[i] + bias[i % 77]);
      Aligned<int32_t> integers(rows, 35);
      auto shifted = runForAllWorkers<int32_t>(kernels, "shift", {integers.data()}, {rows}, rows);
      for (int64_t i = 0; i < rows; ++i)
        ASSERT_EQ(shifted[i], 42);
    }
    auto constant = runForAllWorkers<float>(kernels, "constant", {}, {}, 6);
    for (int i = 0; i < 6; ++i)
      EXPECT_EQ(constant[i], i + 1.0f);
  }
}

constexpr const char *softmax = R"(
#row = affine_map<(t, d) -> (t, d)>
#tok = affine_map<(t, d) -> (t)>
func.func @softmax(%x: tensor<?x1009xf32> {plan.sizes = array<i64: 0>}, %t: index) -> (tensor<?x1009xf32> {plan.sizes = array<i64: 0>}) {
  %low = arith.constant 0xFF800000 : f32
  %zero = arith.constant 0.0 : f32
  %e1 = tensor.empty(%t) : tensor<?xf32>
  %e2 = tensor.empty(%t) : tensor<?x1009xf32>
  %f = linalg.fill ins(%low : f32) outs(%e1 : tensor<?xf32>) -> tensor<?xf32>
  %max = linalg.generic {indexing_maps = [#row, #tok], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<?x1009xf32>) outs(%f : tensor<?xf32>) {
  ^bb0(%a: f32, %acc: f32):
    %m = arith.maximumf %a, %acc : f32
    linalg.yield %m : f32
  } -> tensor<?xf32>
  %exp = linalg.generic {indexing_maps = [#row, #tok, #row], iterator_types = ["parallel", "parallel"]}
      ins(%x, %max : tensor<?x1009xf32>, tensor<?xf32>) outs(%e2 : tensor<?x1009xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %d = arith.subf %a, %b : f32
    %r = math.exp %d : f32
    linalg.yield %r : f32
  } -> tensor<?x1009xf32>
  %g = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?xf32>) -> tensor<?xf32>
  %sum = linalg.generic {indexing_maps = [#row, #tok], iterator_types = ["parallel", "reduction"]}
      ins(%exp : tensor<?x1009xf32>) outs(%g : tensor<?xf32>) {
  ^bb0(%a: f32, %acc: f32):
    %m = arith.addf %a, %acc : f32
    linalg.yield %m : f32
  } -> tensor<?xf32>
  %y = linalg.generic {indexing_maps = [#row, #tok, #row], iterator_types = ["parallel", "parallel"]}
      ins(%exp, %sum : tensor<?x1009xf32>, tensor<?xf32>) outs(%e2 : tensor<?x1009xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %d = arith.divf %a, %b : f32
    linalg.yield %d : f32
  } -> tensor<?x1009xf32>
  return %y : tensor<?x1009xf32>
}
)";

TEST(KernelForms, SoftmaxKeepsItsRowOnTheStack) {
  for (const std::string &cpu : runnableTargets()) {
    LoadedKernels kernels = compileOrDie(softmax, cpu);
    for (int64_t rows : {1, 11}) {
      Aligned<float> x = randomFloats(rows * 1009, 15, 5.0f);
      auto y = runForAllWorkers<float>(kernels, "softmax", {x.data()}, {rows}, rows * 1009);
      for (int64_t t = 0; t < rows; ++t) {
        double sum = 0;
        for (int64_t i = 0; i < 1009; ++i)
          sum += std::exp(double(x[t * 1009 + i]));
        for (int64_t i = 0; i < 1009; ++i)
          ASSERT_NEAR(y[t * 1009 + i] * sum / std::exp(double(x[t * 1009 + i])), 1, 4e-6); // x - max is rounded first
      }
    }
  }
}

TEST(KernelForms, ManyRowsDoNotGrowTheStack) {
  LoadedKernels kernels = compileOrDie(softmax);
  constexpr int64_t rows = 20000;
  Aligned<float> x = randomFloats(rows * 1009, 16), y(rows * 1009);
  kernels.run("softmax", {x.data(), y.data()}, {rows});
  EXPECT_GT(y[rows * 1009 - 1], 0.0f);
}

} // namespace
