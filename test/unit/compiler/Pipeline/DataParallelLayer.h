// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A Llama-like model of one layer with data-parallel attention: each group of ranks attends over its own sequences,
// heads divided over the ranks of the group; the feed-forward, the embedding and the head are divided over all ranks.
// What a step computes is the same on every mesh; inputs count from the rows and pages of a group.
#pragma once

#include "compiler/Reference/Interpreter.h"

#include <map>
#include <string>
#include <vector>

namespace muster::test {

constexpr int64_t slotsPerPage = 4, pagesPerSequence = 4, pagesPerGroup = 8, vocabulary = 120;

/// The model on a mesh of `groups` x `heads` ranks, with the counts of its steps or without. At most 8 tokens, 4
/// sequences and 4 rows of logits a group.
std::string dataParallelLayer(int64_t groups, int64_t heads, bool isCounted);

/// One of the sequences of a group that takes part in a step: its pages begin at `firstPage` of the group's.
struct Share {
  int64_t sequence = 0, firstPage = 0, position = 0, tokens = 0;
};
/// By group.
using Step = std::vector<std::vector<Share>>;

/// The inputs of a step in the order of the model's arguments, and its counts by unit: "tokens@step", ... With
/// `asOneGroup`, of the same sequences in one group with the pages of all.
struct StepInputs {
  std::vector<reference::Tensor> tensors;
  reference::LogicalSizes sizes;
};
StepInputs makeInputs(mlir::MLIRContext *context, const Step &step, bool asOneGroup);

} // namespace muster::test
