// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "compiler/Codegen/Host/Attention.h"

#include <algorithm>
#include <numeric>

#include "compiler/Codegen/Host/CacheAppend.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "test/unit/compiler/Codegen/Host/KernelTesting.h"

using namespace muster::codegen;

namespace {

LoadedKernels compileAttention(const AttentionSpec &spec, const std::string &cpu) {
  HostTarget target = llvm::cantFail(HostTarget::parse(cpu));
  return compileOrDie("", cpu, [&](mlir::ModuleOp module) {
    llvm::cantFail(buildAttentionKernel(module, "attention", spec, target));
    llvm::cantFail(buildCacheAppendKernel(module, "append", {spec.kvHeads, spec.headDim, spec.pageSlots}, target));
  });
}

// Sequences with everything that was ever said in them, and a paged cache whose pages lie in random order. What is not
// written is NaN.
class Model {
public:
  Model(const AttentionSpec &spec, const LoadedKernels &kernels, std::vector<int64_t> lengths)
      : spec(spec), kernels(kernels), lengths(std::move(lengths)) {
    const int64_t pages = int64_t(this->lengths.size()) * spec.pagesPerSequence + 1;
    state = pages * spec.pageSlots * spec.kvHeads * spec.headDim;
    k = Aligned<float>(state, NAN), v = Aligned<float>(state, NAN);
    std::vector<int32_t> order(pages - 1);
    std::iota(order.begin(), order.end(), 1);
    std::shuffle(order.begin(), order.end(), std::mt19937(99));
    blockTable.resize(this->lengths.size());
    size_t next = 0;
    for (size_t s = 0; s < this->lengths.size(); ++s) {
      // Pages that the sequence does not have are -1, and nobody may look at them.
      for (int64_t p = 0; p < spec.pagesPerSequence; ++p)
        blockTable[s].push_back(p * spec.pageSlots < this->lengths[s] ? order[next++] : -1);
      queries.push_back(randomFloats(this->lengths[s] * spec.heads * spec.headDim, 100 + s));
      keys.push_back(randomFloats(this->lengths[s] * spec.kvHeads * spec.headDim, 200 + s));
      values.push_back(randomFloats(this->lengths[s] * spec.kvHeads * spec.headDim, 300 + s));
      outputs.emplace_back(this->lengths[s] * spec.heads * spec.headDim, -3.0f);
    }
    done.resize(this->lengths.size());
  }

  // Appends and attends to `counts[s]` further tokens of each sequence, all in one step.
  void step(const std::vector<int64_t> &counts, int64_t workers) {
    const int64_t kvWidth = spec.kvHeads * spec.headDim, width = spec.heads * spec.headDim;
    int64_t tokens = std::accumulate(counts.begin(), counts.end(), int64_t(0));
    int64_t sequences = counts.size();
    Aligned<float> q(tokens * width), newK(tokens * kvWidth), newV(tokens * kvWidth), result(tokens * width, -7.0f);
    Aligned<int32_t> positions(tokens), slots(tokens), starts(sequences + 1), table(sequences * spec.pagesPerSequence);
    int64_t t = 0;
    for (int64_t s = 0; s < sequences; ++s) {
      starts[s] = t;
      std::copy(blockTable[s].begin(), blockTable[s].end(), &table[s * spec.pagesPerSequence]);
      for (int64_t i = 0; i < counts[s]; ++i, ++t) {
        int64_t p = done[s] + i;
        positions[t] = p;
        slots[t] = blockTable[s][p / spec.pageSlots] * spec.pageSlots + p % spec.pageSlots;
        std::copy_n(&queries[s][p * width], width, &q[t * width]);
        std::copy_n(&keys[s][p * kvWidth], kvWidth, &newK[t * kvWidth]);
        std::copy_n(&values[s][p * kvWidth], kvWidth, &newV[t * kvWidth]);
      }
    }
    starts[sequences] = t;
    kernels.run("append", {k.data(), newK.data(), slots.data()}, {tokens}, workers);
    kernels.run("append", {v.data(), newV.data(), slots.data()}, {tokens}, workers);
    kernels.run("attention",
                {q.data(), k.data(), v.data(), positions.data(), starts.data(), table.data(), result.data()},
                {tokens, sequences}, workers);
    EXPECT_TRUE(result.intact() && k.intact() && v.intact());
    t = 0;
    for (int64_t s = 0; s < sequences; ++s)
      for (int64_t i = 0; i < counts[s]; ++i, ++t)
        std::copy_n(&result[t * width], width, &outputs[s][(done[s] + i) * width]);
    for (int64_t s = 0; s < sequences; ++s)
      done[s] += counts[s];
  }

  // The greatest difference from plain loops in double precision.
  double error() const {
    double worst = 0;
    const int64_t group = spec.heads / spec.kvHeads, d = spec.headDim;
    for (size_t s = 0; s < lengths.size(); ++s)
      for (int64_t p = 0; p < done[s]; ++p)
        for (int64_t h = 0; h < spec.heads; ++h) {
          std::vector<double> score(p + 1);
          for (int64_t j = 0; j <= p; ++j) {
            for (int64_t i = 0; i < d; ++i)
              score[j] +=
                  double(queries[s][(p * spec.heads + h) * d + i]) * keys[s][(j * spec.kvHeads + h / group) * d + i];
            score[j] *= spec.scale;
          }
          double top = *std::max_element(score.begin(), score.end()), total = 0;
          for (double &x : score)
            total += x = std::exp(x - top);
          for (int64_t i = 0; i < d; ++i) {
            double expected = 0;
            for (int64_t j = 0; j <= p; ++j)
              expected += score[j] / total * values[s][(j * spec.kvHeads + h / group) * d + i];
            double difference = std::abs(outputs[s][(p * spec.heads + h) * d + i] - expected);
            if (!(difference <= worst))
              worst = std::isnan(difference) ? INFINITY : difference;
          }
        }
    return worst;
  }

  AttentionSpec spec;
  const LoadedKernels &kernels;
  std::vector<int64_t> lengths, done;
  size_t state;
  Aligned<float> k, v;
  std::vector<std::vector<int32_t>> blockTable;
  std::vector<Aligned<float>> queries, keys, values, outputs;
};

AttentionSpec makeSpec(int64_t heads, int64_t kvHeads, int64_t headDim, int64_t pageSlots, int64_t pages) {
  return {heads, kvHeads, headDim, pageSlots, pages, float(1 / std::sqrt(double(headDim)))};
}

TEST(Attention, AgreesWithPlainLoops) {
  for (const std::string &cpu : runnableTargets()) {
    // Compiling takes half a second: odd shapes only where vectors are wide.
    bool wide = cpu == "host" || cpu == "x86-64-v3";
    for (const AttentionSpec &spec :
         {makeSpec(9, 3, 64, 16, 20), makeSpec(5, 5, 19, 7, 40), makeSpec(8, 1, 37, 64, 4), makeSpec(2, 1, 1, 3, 90),
          makeSpec(3, 3, 128, 1, 240), makeSpec(70, 1, 8, 100, 3)}) {
      if (!wide && spec.headDim != 19)
        continue;
      LoadedKernels kernels = compileAttention(spec, cpu);
      EXPECT_EQ(kernels.object.kernels[0].grid.factor, spec.kvHeads);
      Model model(spec, kernels, {61, 0, 1, 211, 64, 65});
      model.step({61, 0, 1, 211, 64, 65}, 1);
      EXPECT_LE(model.error(), 3e-6) << cpu << " heads " << spec.heads << " dim " << spec.headDim;
    }
  }
}

TEST(Attention, BitsDoNotDependOnStepsNeighboursOrWorkers) {
  for (const std::string cpu : {"host", "x86-64-v3"}) {
    AttentionSpec spec = makeSpec(9, 3, 24, 13, 20);
    LoadedKernels kernels = compileAttention(spec, cpu);
    const std::vector<int64_t> lengths = {7, 131, 1, 197};
    Model whole(spec, kernels, lengths);
    whole.step(lengths, 1);
    EXPECT_LE(whole.error(), 3e-6);
    for (int64_t workers = 1; workers <= 5; ++workers) {
      Model chunked(spec, kernels, lengths);
      std::mt19937 generator(workers);
      std::vector<int64_t> counts(lengths.size());
      while (chunked.done != lengths) {
        for (size_t s = 0; s < lengths.size(); ++s)
          counts[s] = std::min<int64_t>(lengths[s] - chunked.done[s],
                                        generator() % 3 == 0 ? generator() % 70 : generator() % 2);
        chunked.step(counts, workers);
      }
      for (size_t s = 0; s < lengths.size(); ++s)
        EXPECT_TRUE(sameBits(whole.outputs[s], chunked.outputs[s]))
            << cpu << " sequence " << s << " workers " << workers;
    }
    for (size_t s = 0; s < lengths.size(); ++s) {
      // Alone, in other pages.
      Model alone(spec, kernels, {lengths[s]});
      alone.queries[0] = whole.queries[s], alone.keys[0] = whole.keys[s], alone.values[0] = whole.values[s];
      alone.step({lengths[s]}, 2);
      EXPECT_TRUE(sameBits(whole.outputs[s], alone.outputs[0])) << cpu << " sequence " << s;
    }
  }
}

TEST(Attention, NanStaysWithThoseWhoSeeIt) {
  AttentionSpec spec = makeSpec(4, 2, 20, 16, 8);
  for (const std::string cpu : {"host", "x86-64-v3"}) {
    LoadedKernels kernels = compileAttention(spec, cpu);
    for (bool inKeys : {true, false}) {
      Model clean(spec, kernels, {100}), dirty(spec, kernels, {100});
      (inKeys ? dirty.keys : dirty.values)[0][(70 * 2 + 1) * 20 + 3] = NAN; // position 70, second key-value head
      clean.step({100}, 1);
      dirty.step({100}, 1);
      for (int64_t p = 0; p < 100; ++p)
        for (int64_t h = 0; h < 4; ++h)
          for (int64_t i = 0; i < 20; ++i) {
            float a = clean.outputs[0][(p * 4 + h) * 20 + i], b = dirty.outputs[0][(p * 4 + h) * 20 + i];
            if (p >= 70 && h >= 2 && (inKeys || i == 3))
              ASSERT_TRUE(std::isnan(b)) << p << " " << h << " " << i;
            else
              ASSERT_EQ(a, b) << p << " " << h << " " << i;
          }
    }
  }
}

TEST(Attention, EveryWorkerHasWorkForOneSequence) {
  AttentionSpec spec = makeSpec(9, 3, 16, 16, 40);
  LoadedKernels kernels = compileAttention(spec, "host");
  // One decoded token: 3 items on 2 workers; a prompt: blocks of unequal cost on 2 to 5.
  for (int64_t tokens : {1, 512})
    for (int64_t workers = 2; workers <= (tokens == 1 ? 3 : 5); ++workers)
      for (int64_t worker = 0; worker < workers; ++worker) {
        Aligned<float> q(tokens * 144, 1.0f), k(40 * 16 * 48, 1.0f), v(40 * 16 * 48, 1.0f), result(tokens * 144, -7.0f);
        Aligned<int32_t> positions(tokens), starts(2), table(40);
        std::iota(table.begin(), table.end(), 0);
        std::iota(positions.begin(), positions.end(), tokens == 1 ? 511 : 0);
        starts[1] = tokens;
        std::vector<void *> bindings = {q.data(),      k.data(),     v.data(),     positions.data(),
                                        starts.data(), table.data(), result.data()};
        std::vector<int64_t> sizes = {tokens, 1};
        kernels.find("attention")(bindings.data(), sizes.data(), worker, workers);
        int64_t written = std::count(result.begin(), result.end(), 1.0f),
                untouched = std::count(result.begin(), result.end(), -7.0f);
        EXPECT_GT(written, 0) << worker << " of " << workers;
        EXPECT_EQ(written + untouched, tokens * 144);
      }
}

TEST(Attention, NoTokensIsOrdinary) {
  AttentionSpec spec = makeSpec(2, 2, 5, 4, 3);
  LoadedKernels kernels = compileAttention(spec, "host");
  Model model(spec, kernels, {0, 0});
  model.step({0, 0}, 3);
  Model none(spec, kernels, {});
  none.step({}, 2);
}

TEST(Attention, RefusesSpecsThatMakeNoSense) {
  mlir::DialectRegistry registry;
  registerHostCodegenDialects(registry);
  mlir::MLIRContext context(registry);
  context.loadAllAvailableDialects();
  auto module = mlir::OwningOpRef<mlir::ModuleOp>(mlir::ModuleOp::create(mlir::UnknownLoc::get(&context)));
  HostTarget target = llvm::cantFail(HostTarget::parse("x86-64-v3"));
  auto text = [](auto result) { return result ? std::string("no error") : llvm::toString(result.takeError()); };
  EXPECT_THAT(text(buildAttentionKernel(*module, "a", makeSpec(4, 3, 8, 1, 1), target)), testing::StartsWith("E4127"));
  EXPECT_THAT(text(buildAttentionKernel(*module, "a", makeSpec(4, 4, 100000, 1, 1), target)),
              testing::StartsWith("E4124"));
  EXPECT_THAT(text(buildCacheAppendKernel(*module, "a", {1, 0, 1}, target)), testing::StartsWith("E4126"));
}

TEST(CacheAppend, NegativeSlotsWriteNothing) {
  AttentionSpec spec = makeSpec(3, 3, 7, 4, 3);
  for (const std::string cpu : {"host", "x86-64-v3"}) {
    LoadedKernels kernels = compileAttention(spec, cpu);
    for (int64_t rows : {0, 1, 11})
      for (int64_t workers = 1; workers <= 5; ++workers) {
        Aligned<float> state(12 * 21, 5.0f), expected = state, input = randomFloats(rows * 21, 17);
        Aligned<int32_t> slots(rows);
        for (int64_t r = 0; r < rows; ++r) {
          slots[r] = r % 3 == 1 ? -1 - r : 11 - r;
          if (slots[r] >= 0)
            std::copy_n(&input[r * 21], 21, &expected[slots[r] * 21]);
        }
        kernels.run("append", {state.data(), input.data(), slots.data()}, {rows}, workers);
        EXPECT_TRUE(sameBits(state, expected) && state.intact());
      }
  }
}

} // namespace
