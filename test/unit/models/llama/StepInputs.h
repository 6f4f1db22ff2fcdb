// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Inputs of the ragged entry `step` for a batch of sequences, as the reference interpreter takes them.
#pragma once

#include "compiler/Reference/Tensor.h"

#include <vector>

namespace muster::llama {

/// What one sequence adds in a step.
struct SequencePart {
  std::vector<int64_t> tokens;
  int64_t past;               ///< tokens that its pages hold already
  std::vector<int64_t> pages; ///< of all its tokens
};

/// tokens, positions, query_starts, block_table, write_slots, logit_rows: the last row of every sequence is asked for,
/// or every row.
inline std::vector<reference::Tensor> makeStepInputs(mlir::MLIRContext *context,
                                                     const std::vector<SequencePart> &sequences, int64_t pageSlots,
                                                     int64_t pagesPerSequence, bool everyRow) {
  std::vector<int64_t> tokens, positions, starts = {0}, table, slots, rows;
  for (const SequencePart &sequence : sequences) {
    for (size_t i = 0; i < sequence.tokens.size(); ++i) {
      int64_t position = sequence.past + static_cast<int64_t>(i);
      if (everyRow || i + 1 == sequence.tokens.size())
        rows.push_back(static_cast<int64_t>(tokens.size()));
      tokens.push_back(sequence.tokens[i]);
      positions.push_back(position);
      slots.push_back(sequence.pages[position / pageSlots] * pageSlots + position % pageSlots);
    }
    starts.push_back(static_cast<int64_t>(tokens.size()));
    std::vector<int64_t> pages = sequence.pages;
    pages.resize(pagesPerSequence, 0);
    table.insert(table.end(), pages.begin(), pages.end());
  }
  mlir::Type i32 = mlir::IntegerType::get(context, 32);
  auto vector = [&](const std::vector<int64_t> &values) {
    return reference::Tensor::ofIntegers({static_cast<int64_t>(values.size())}, i32, values);
  };
  return {vector(tokens),
          vector(positions),
          vector(starts),
          reference::Tensor::ofIntegers({static_cast<int64_t>(sequences.size()), pagesPerSequence}, i32, table),
          vector(slots),
          vector(rows)};
}

} // namespace muster::llama
