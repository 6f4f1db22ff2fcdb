// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Checkpoints that test/integration/Inputs/make-tiny-llama.py writes: a second writer of both formats, independent of
// the readers.
#include "TinyLlama.h"

#include "compiler/Import/Checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <numeric>

using namespace muster;
using namespace muster::test;

namespace {

std::string sourceRoot() {
  const char *root = std::getenv("MUSTER_SOURCE_ROOT");
  return root ? root : ".";
}

// A Python with numpy, or "".
std::string findPython() {
  for (const std::string &python : {sourceRoot() + "/build/venv/bin/python", std::string("python3")})
    if (std::system((python + " -c 'import numpy' 2>/dev/null").c_str()) == 0)
      return python;
  return "";
}

std::vector<float> rowsOf(const Weight &weight) {
  std::vector<float> rows(
      std::accumulate(weight.shape().begin(), weight.shape().end(), size_t(1), std::multiplies<>()));
  Checkpoint::readRows(weight, 0, weight.shape().front(), rows.data());
  return rows;
}

class GeneratedCheckpointTest : public ::testing::TestWithParam<const char *> {};

TEST_P(GeneratedCheckpointTest, BothFormatsGiveTheSameModel) {
  const std::string python = findPython();
  if (python.empty())
    GTEST_SKIP() << "no Python with numpy";
  TemporaryFolder folder;
  const std::string script = sourceRoot() + "/test/integration/Inputs/make-tiny-llama.py";
  ASSERT_EQ(std::system((python + " '" + script + "' '" + folder.path() + "' " + GetParam()).c_str()), 0);
  auto fromFolder = llvm::cantFail(openCheckpoint(folder.path()));
  auto fromGguf = llvm::cantFail(openCheckpoint(folder.path("model.gguf")));
  const llama::LlamaConfig &a = fromFolder->config(), &b = fromGguf->config();
  EXPECT_EQ(std::tie(a.layers, a.hidden, a.heads, a.kvHeads, a.headDim, a.feedForward, a.vocabulary, a.contextLength),
            std::tie(b.layers, b.hidden, b.heads, b.kvHeads, b.headDim, b.feedForward, b.vocabulary, b.contextLength));
  EXPECT_EQ(std::tie(a.rmsEpsilon, a.ropeTheta, a.attentionBias, a.mlpBias, a.tiedEmbeddings),
            std::tie(b.rmsEpsilon, b.ropeTheta, b.attentionBias, b.mlpBias, b.tiedEmbeddings));
  ASSERT_EQ(a.ropeFrequencyDivisors.size(), b.ropeFrequencyDivisors.size());
  for (size_t i = 0; i < a.ropeFrequencyDivisors.size(); ++i)
    EXPECT_FLOAT_EQ(a.ropeFrequencyDivisors[i], b.ropeFrequencyDivisors[i]); // GGUF stores them in float
  ASSERT_EQ(fromFolder->weights().size(), fromGguf->weights().size());
  for (size_t i = 0; i < fromFolder->weights().size(); ++i) {
    const Weight &left = fromFolder->weights()[i], &right = fromGguf->weights()[i];
    EXPECT_EQ(left.canonicalName, right.canonicalName);
    EXPECT_EQ(rowsOf(left), rowsOf(right)) << left.canonicalName;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Configs, GeneratedCheckpointTest,
    ::testing::Values(
        "", "--heads 3 --kv-heads 3 --hidden 21 --head-dim 14 --feed-forward 29 --vocabulary 31 --untied",
        "--heads 8 --kv-heads 1 --hidden 32 --head-dim 6 --attention-bias --mlp-bias --shards 3 --new-keys",
        "--hidden 64 --heads 4 --kv-heads 2 --llama3-scaling 8 1 4 64 --rope-theta 500000 --encoding BF16",
        "--hidden 64 --heads 4 --kv-heads 2 --llama3-scaling 8 1 4 64 --new-keys --encoding F16",
        "--heads 4 --kv-heads 4 --hidden 32 --linear-scaling 4 --epsilon 1e-6 --untied --terse",
        "--heads 4 --kv-heads 4 --hidden 32 --linear-scaling 2 --new-keys --terse",
        "--hidden 64 --heads 8 --kv-heads 4 --feed-forward 96 --encoding Q8_0 --untied",
        "--hidden 64 --heads 8 --kv-heads 4 --feed-forward 96 --encoding Q4_0 --attention-bias",
        "--hidden 64 --heads 8 --kv-heads 4 --feed-forward 96 --encoding Q4_1 --layers 3 --seed 7"));

} // namespace
