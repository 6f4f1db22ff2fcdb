// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A Llama forward pass in plain double arithmetic, one sequence at a time, without cache, mesh or packed weights: the
// judge of the graph.
#pragma once

#include "models/llama/LlamaConfig.h"

#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace muster::llama {

using Row = std::vector<double>;

class PlainLlama {
public:
  /// Random weights under the names that `muster.sources` uses.
  PlainLlama(const LlamaConfig &config, std::mt19937 &random) : config(config) {
    auto make = [&](const std::string &name, int64_t count, double mean, double deviation) {
      std::normal_distribution<double> values(mean, deviation);
      Row &weight = weights[name];
      for (int64_t i = 0; i < count; ++i)
        weight.push_back(values(random));
    };
    int64_t queries = config.heads * config.headDim, keys = config.kvHeads * config.headDim;
    make("token_embedding", config.vocabulary * config.hidden, 0.0, 1.0);
    if (!config.tiedEmbeddings)
      make("output", config.vocabulary * config.hidden, 0.0, 0.5);
    make("output_norm", config.hidden, 1.0, 0.2);
    for (int64_t index = 0; index < config.layers; ++index) {
      std::string layer = "layers." + std::to_string(index) + ".";
      make(layer + "attention_norm", config.hidden, 1.0, 0.2);
      make(layer + "feed_forward_norm", config.hidden, 1.0, 0.2);
      auto matrix = [&](const std::string &name, int64_t outputs, int64_t inputs, bool bias) {
        make(layer + name, outputs * inputs, 0.0, 0.7 / std::sqrt(static_cast<double>(inputs)));
        if (bias)
          make(layer + name + "_bias", outputs, 0.0, 0.3);
      };
      matrix("q", queries, config.hidden, config.attentionBias);
      matrix("k", keys, config.hidden, config.attentionBias);
      matrix("v", keys, config.hidden, config.attentionBias);
      matrix("o", config.hidden, queries, config.attentionBias);
      matrix("gate", config.feedForward, config.hidden, config.mlpBias);
      matrix("up", config.feedForward, config.hidden, config.mlpBias);
      matrix("down", config.hidden, config.feedForward, config.mlpBias);
    }
  }

  const Row &weight(const std::string &name) const { return weights.at(name); }

  /// Logits of every position of a sequence.
  std::vector<Row> forward(const std::vector<int64_t> &tokens) const {
    std::vector<Row> hidden;
    for (int64_t token : tokens) {
      auto first = weight("token_embedding").begin() + token * config.hidden;
      hidden.emplace_back(first, first + config.hidden);
    }
    for (int64_t index = 0; index < config.layers; ++index) {
      std::string layer = "layers." + std::to_string(index) + ".";
      attend(layer, hidden);
      for (Row &row : hidden) {
        Row input = normalise(layer + "feed_forward_norm", row);
        Row gate = apply(layer + "gate", input), up = apply(layer + "up", input);
        for (size_t i = 0; i < gate.size(); ++i)
          gate[i] = gate[i] / (1.0 + std::exp(-gate[i])) * up[i];
        add(row, apply(layer + "down", gate));
      }
    }
    std::vector<Row> logits;
    for (const Row &row : hidden)
      logits.push_back(apply(config.tiedEmbeddings ? "token_embedding" : "output", normalise("output_norm", row)));
    return logits;
  }

private:
  static void add(Row &row, const Row &other) {
    for (size_t i = 0; i < row.size(); ++i)
      row[i] += other[i];
  }

  Row normalise(const std::string &name, const Row &row) const {
    double squares = 0.0;
    for (double value : row)
      squares += value * value;
    Row result = row;
    for (size_t i = 0; i < row.size(); ++i)
      result[i] = row[i] / std::sqrt(squares / static_cast<double>(row.size()) + config.rmsEpsilon) * weight(name)[i];
    return result;
  }

  /// weight * row (+ bias where there is one).
  Row apply(const std::string &name, const Row &row) const {
    const Row &matrix = weight(name);
    auto bias = weights.find(name + "_bias");
    Row result(matrix.size() / row.size());
    for (size_t o = 0; o < result.size(); ++o) {
      result[o] = bias == weights.end() ? 0.0 : bias->second[o];
      for (size_t i = 0; i < row.size(); ++i)
        result[o] += matrix[o * row.size() + i] * row[i];
    }
    return result;
  }

  /// Turns every head: element j pairs with element j + headDim / 2.
  void rotate(Row &row, int64_t position) const {
    int64_t half = config.headDim / 2;
    for (size_t head = 0; head < row.size(); head += config.headDim)
      for (int64_t j = 0; j < half; ++j) {
        double angle = position * std::pow(config.ropeTheta, -static_cast<double>(j) / half);
        if (!config.ropeFrequencyDivisors.empty())
          angle /= config.ropeFrequencyDivisors[j];
        double x = row[head + j], y = row[head + j + half];
        row[head + j] = x * std::cos(angle) - y * std::sin(angle);
        row[head + j + half] = x * std::sin(angle) + y * std::cos(angle);
      }
  }

  void attend(const std::string &layer, std::vector<Row> &hidden) const {
    std::vector<Row> keys, values;
    for (size_t position = 0; position < hidden.size(); ++position) {
      Row input = normalise(layer + "attention_norm", hidden[position]);
      Row query = apply(layer + "q", input), key = apply(layer + "k", input);
      rotate(query, position);
      rotate(key, position);
      keys.push_back(key);
      values.push_back(apply(layer + "v", input));
      Row output(query.size(), 0.0);
      for (int64_t head = 0; head < config.heads; ++head) {
        int64_t first = head * config.headDim, shared = head / (config.heads / config.kvHeads) * config.headDim;
        Row scores;
        double total = 0.0;
        for (const Row &past : keys) {
          double score = 0.0;
          for (int64_t d = 0; d < config.headDim; ++d)
            score += query[first + d] * past[shared + d];
          scores.push_back(std::exp(score / std::sqrt(static_cast<double>(config.headDim))));
          total += scores.back();
        }
        for (size_t past = 0; past < scores.size(); ++past)
          for (int64_t d = 0; d < config.headDim; ++d)
            output[first + d] += scores[past] / total * values[past][shared + d];
      }
      add(hidden[position], apply(layer + "o", output));
    }
  }

  LlamaConfig config;
  std::map<std::string, Row> weights;
};

} // namespace muster::llama
