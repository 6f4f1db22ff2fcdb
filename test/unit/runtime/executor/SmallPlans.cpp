// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "test/unit/runtime/executor/SmallPlans.h"

#include <gtest/gtest.h>
#include <random>
#include <sys/wait.h>
#include <unistd.h>

namespace muster::test {

using executor::Executor;
using executor::ExecutorOptions;
using schema::Position;

std::vector<float> randomValues(size_t count, uint32_t seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> distribution(-1, 1);
  std::vector<float> values(count);
  for (float &value : values)
    value = distribution(generator);
  return values;
}

std::shared_ptr<const plan::LoadedPlan> load(const std::string &path) {
  auto plan = plan::loadPlan(path, {});
  EXPECT_TRUE(plan.isOk()) << plan.status().text();
  return plan.isOk() ? *std::move(plan) : nullptr;
}

std::unique_ptr<Executor> create(std::shared_ptr<const plan::LoadedPlan> plan, const ExecutorOptions &options) {
  auto executor = Executor::create(std::move(plan), options);
  EXPECT_TRUE(executor.isOk()) << executor.status().text();
  return executor.isOk() ? *std::move(executor) : nullptr;
}

std::vector<float> runOnce(Executor &executor, const std::vector<int64_t> &record, const std::vector<float> &input) {
  Status status = executor.begin(0, record);
  EXPECT_TRUE(status.isOk()) << status.text();
  status = executor.setInput(0, input.data(), executor.inputBytes(0));
  EXPECT_TRUE(status.isOk()) << status.text();
  status = executor.run();
  EXPECT_TRUE(status.isOk()) << status.text();
  std::vector<float> result(executor.resultBytes(0) / sizeof(float));
  status = executor.readResult(0, result.data(), executor.resultBytes(0));
  EXPECT_TRUE(status.isOk()) << status.text();
  return result;
}

void buildLayer(PlanBuilder &builder, uint64_t hiddenPerRank, schema::Packing packing, int64_t mostTokens) {
  uint32_t ranks = builder.ranks();
  uint32_t tokens = builder.input("tokens", mostTokens);
  uint32_t width = builder.constant(features);
  std::vector<std::vector<float>> up, down;
  for (uint32_t rank = 0; rank != ranks; ++rank) {
    up.push_back(randomValues(hiddenPerRank * features, 100 + rank));
    down.push_back(randomValues(features * hiddenPerRank, 200 + rank));
  }
  uint32_t upWeight = builder.weight("up", hiddenPerRank, features, packing, up);
  uint32_t downWeight = builder.weight("down", features, hiddenPerRank, packing, down);
  uint32_t affine = builder.kernel("affine", 2, 2);
  schema::EntryT &entry = builder.addEntry("step");
  std::vector<AmountPtr> inputDims, resultDims;
  inputDims.push_back(amountOf(tokens));
  inputDims.push_back(amount(features));
  resultDims.push_back(amountOf(tokens));
  resultDims.push_back(amount(features));
  builder.addPort(entry.inputs, "x", std::move(inputDims));
  builder.addPort(entry.results, "y", std::move(resultDims));
  uint64_t spanBytes = (static_cast<uint64_t>(mostTokens) * features * 4 + 63) / 64 * 64;
  uint64_t hiddenBytes = (static_cast<uint64_t>(mostTokens) * hiddenPerRank * 4 + 63) / 64 * 64;
  schema::VariantT &variant = builder.addVariant(entry, "any", 4 * spanBytes + hiddenBytes);
  auto x = arena(0, spanBytes), scaled = arena(spanBytes, spanBytes), partial = arena(2 * spanBytes, spanBytes),
       sum = arena(3 * spanBytes, spanBytes), hidden = arena(4 * spanBytes, hiddenBytes);
  variant.inputs.emplace_back(0, spanBytes);
  variant.results.emplace_back(3 * spanBytes, spanBytes);
  uint32_t a = builder.launch(variant, affine, {{x}, {scaled, true}}, {tokens, width}, amountOf(tokens));
  uint32_t b = builder.matmul(variant, amountOf(tokens), hiddenPerRank, features, scaled, upWeight, hidden, {a});
  uint32_t c = builder.matmul(variant, amountOf(tokens), features, hiddenPerRank, hidden, downWeight, partial, {b});
  PlanBuilder::TransferSpec reduce{"all_reduce", {0}, partial, sum, amount(0), amount(0), {}, schema::Reduction::Sum};
  reduce.box.push_back(dim(amountOf(tokens), features, features));
  reduce.box.push_back(dim(amount(features), 1, 1));
  builder.transfer(variant, std::move(reduce), {c});
}

std::string layerPlan(const std::string &name, uint32_t ranks, uint64_t hiddenPerRank, schema::Packing packing) {
  PlanBuilder builder({{"tp", ranks}});
  buildLayer(builder, hiddenPerRank, packing, mostTokens);
  return builder.write(scratchFolder(), name);
}

std::vector<double> layerReference(uint32_t ranks, uint64_t hiddenPerRank, const std::vector<float> &x) {
  uint64_t tokens = x.size() / features;
  std::vector<double> y(x.size());
  for (uint32_t rank = 0; rank != ranks; ++rank) {
    std::vector<float> up = randomValues(hiddenPerRank * features, 100 + rank);
    std::vector<float> down = randomValues(features * hiddenPerRank, 200 + rank);
    for (uint64_t t = 0; t != tokens; ++t)
      for (uint64_t h = 0; h != hiddenPerRank; ++h) {
        double value = 0;
        for (uint64_t f = 0; f != features; ++f)
          value += (2.0 * x[t * features + f] + 1.0) * up[h * features + f];
        for (uint64_t f = 0; f != features; ++f)
          y[t * features + f] += value * down[f * hiddenPerRank + h];
      }
  }
  return y;
}

void buildRing(PlanBuilder &builder, uint32_t width, uint32_t rounds) {
  uint32_t ranks = builder.ranks();
  uint32_t one = builder.constant(1);
  uint32_t size = builder.constant(width);
  uint32_t affine = builder.kernel("affine", 2, 2);
  schema::EntryT &entry = builder.addEntry("step");
  for (auto *ports : {&entry.inputs, &entry.results}) {
    std::vector<AmountPtr> dims;
    dims.push_back(amount(int64_t(ranks) * width));
    builder.addPort(*ports, ports == &entry.inputs ? "x" : "y", std::move(dims), {{0}});
  }
  uint64_t bytes = (uint64_t(width) * 4 + 63) / 64 * 64;
  schema::VariantT &variant = builder.addVariant(entry, "any", 2 * bytes);
  variant.inputs.emplace_back(0, bytes);
  variant.results.emplace_back(0, bytes);
  std::vector<int32_t> left;
  for (uint32_t rank = 0; rank != ranks; ++rank)
    left.push_back(static_cast<int32_t>((rank + ranks - 1) % ranks));
  std::vector<uint32_t> waits;
  for (uint32_t round = 0; round != rounds; ++round) {
    PlanBuilder::TransferSpec shift{"permute", {0}, arena(0, bytes), arena(bytes, bytes), amount(0), amount(0), {}};
    shift.box.push_back(dim(amount(width), 1, 1));
    shift.sources = left;
    uint32_t pull = builder.transfer(variant, std::move(shift), waits);
    waits = {builder.launch(variant, affine, {{arena(bytes, bytes)}, {arena(0, bytes), true}}, {one, size}, nullptr,
                            {pull}, {pull})};
  }
}

std::vector<float> ringReference(uint32_t ranks, uint32_t width, uint32_t rounds, const std::vector<float> &x) {
  std::vector<float> s = x, next(x.size());
  for (uint32_t round = 0; round != rounds; ++round) {
    for (uint32_t rank = 0; rank != ranks; ++rank)
      for (uint32_t i = 0; i != width; ++i)
        next[rank * width + i] = 2.0f * s[(rank + ranks - 1) % ranks * width + i] + 1.0f;
    s = next;
  }
  return s;
}

RandomSteps::RandomSteps(uint32_t ranks, uint32_t seed) : ranks(ranks) {
  std::mt19937 random(seed);
  width = random() % 4 == 0 ? 1200 : 1 + random() % 40;
  for (uint32_t span = 1; span != spans; ++span)
    steps.push_back({affine, 0, span});
  for (uint32_t count = 5 + random() % 30; steps.size() != count;) {
    uint32_t from = random() % spans, to = (from + 1 + random() % (spans - 1)) % spans;
    steps.push_back({static_cast<Kind>(random() % 4), from, to});
  }
}

void RandomSteps::build(PlanBuilder &builder) const {
  uint32_t one = builder.constant(1), size = builder.constant(width), kernel = builder.kernel("affine", 2, 2);
  schema::EntryT &entry = builder.addEntry("step");
  uint64_t bytes = (uint64_t(width) * 4 + 63) / 64 * 64;
  schema::VariantT &variant = builder.addVariant(entry, "any", spans * bytes);
  auto addPort = [&](std::vector<std::unique_ptr<schema::PortT>> &ports, const std::string &name) {
    std::vector<AmountPtr> dims;
    dims.push_back(amount(int64_t(ranks) * width));
    builder.addPort(ports, name, std::move(dims), {{0}});
  };
  addPort(entry.inputs, "x");
  variant.inputs.emplace_back(0, bytes);
  for (uint32_t span = 0; span != spans; ++span) {
    addPort(entry.results, "y" + std::to_string(span));
    variant.results.emplace_back(span * bytes, bytes);
  }
  std::vector<int32_t> left;
  for (uint32_t rank = 0; rank != ranks; ++rank)
    left.push_back(static_cast<int32_t>((rank + ranks - 1) % ranks));
  std::vector<std::vector<bool>> before, acknowledged;
  auto add = [](std::vector<bool> &set, const std::vector<bool> &other) {
    for (size_t i = 0; i != other.size(); ++i)
      set[i] = set[i] || other[i];
  };
  for (uint32_t j = 0; j != steps.size(); ++j) {
    const Step &step = steps[j];
    std::vector<uint32_t> waits, acknowledgements;
    before.emplace_back(j + 1);
    acknowledged.emplace_back(j + 1);
    for (uint32_t i = j; i-- != 0;) {
      bool meets = steps[i].to == step.from || steps[i].to == step.to || steps[i].from == step.to;
      if (!meets || before[j][i])
        continue;
      waits.push_back(i);
      add(before[j], before[i]);
      add(acknowledged[j], acknowledged[i]);
      before[j][i] = true;
    }
    for (uint32_t i = 0; i != j; ++i)
      if (steps[i].kind >= shift && steps[i].from == step.to && !acknowledged[j][i]) {
        acknowledgements.push_back(i);
        acknowledged[j][i] = true;
      }
    schema::Binding from = arena(step.from * bytes, bytes), to = arena(step.to * bytes, bytes);
    if (step.kind == affine) {
      builder.launch(variant, kernel, {{from}, {to, true}}, {one, size}, nullptr, waits, acknowledgements);
      continue;
    }
    PlanBuilder::TransferSpec spec{"move", {}, from, to, amount(0), amount(0), {}};
    if (step.kind != copy)
      spec.group = {0};
    if (step.kind == shift)
      spec.sources = left;
    if (step.kind == sum)
      spec.reduction = schema::Reduction::Sum;
    spec.box.push_back(dim(amount(width), 1, 1));
    builder.transfer(variant, std::move(spec), waits, acknowledgements);
  }
}

std::vector<std::vector<float>> RandomSteps::reference(const std::vector<float> &x) const {
  std::vector<std::vector<float>> values(spans, std::vector<float>(x.size()));
  values[0] = x;
  for (const Step &step : steps) {
    const std::vector<float> &from = values[step.from];
    for (uint32_t rank = 0; rank != ranks; ++rank)
      for (uint32_t i = 0; i != width; ++i) {
        float &to = values[step.to][rank * width + i];
        float own = from[rank * width + i];
        if (step.kind == sum)
          to = 0;
        for (uint32_t peer = 0; step.kind == sum && peer != ranks; ++peer)
          to = peer == 0 ? from[i] : to + from[peer * width + i];
        if (step.kind != sum)
          to = step.kind == affine ? 2.0f * own + 1.0f
               : step.kind == copy ? own
                                   : from[(rank + ranks - 1) % ranks * width + i];
      }
  }
  return values;
}

void assignStreams(schema::VariantT &variant, uint32_t seed) {
  std::mt19937 random(seed);
  uint32_t share = 1 + random() % 4;
  for (auto &step : variant.steps)
    step->stream = step->action.AsTransfer() && random() % 4 < share;
}

std::string dawdlePlan(const std::string &name, uint32_t ranks, uint8_t stream) {
  PlanBuilder builder({{"tp", ranks}});
  uint32_t dawdle = builder.kernel("dawdle", 2, 0);
  schema::EntryT &entry = builder.addEntry("step");
  std::vector<AmountPtr> inputDims, resultDims;
  inputDims.push_back(amount(ranks));
  resultDims.push_back(amount(1));
  builder.addPort(entry.inputs, "x", std::move(inputDims), {{0}});
  builder.addPort(entry.results, "y", std::move(resultDims));
  schema::VariantT &variant = builder.addVariant(entry, "any", 192);
  variant.inputs.emplace_back(0, 64);
  variant.results.emplace_back(128, 64);
  uint32_t slow = builder.launch(variant, dawdle, {{arena(0, 64)}, {arena(64, 64), true}}, {}, nullptr);
  PlanBuilder::TransferSpec reduce{"all_reduce", {0}, arena(64, 64),         arena(128, 64), amount(0),
                                   amount(0),    {},  schema::Reduction::Sum};
  reduce.box.push_back(dim(amount(1), 1, 1));
  builder.transfer(variant, std::move(reduce), {slow});
  variant.steps.back()->stream = stream;
  return builder.write(scratchFolder(), name);
}

std::vector<int> runProcesses(uint32_t ranks, const std::function<int(uint32_t rank)> &body) {
  std::vector<pid_t> children;
  for (uint32_t rank = 0; rank != ranks; ++rank) {
    pid_t child = fork();
    if (child == 0)
      _exit(body(rank));
    children.push_back(child);
  }
  std::vector<int> codes;
  for (pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    codes.push_back(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  }
  return codes;
}

} // namespace muster::test
