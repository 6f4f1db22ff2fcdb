// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Inputs of a step whose batch is split, from those of the batch: tokens, positions, query_starts, block_table,
// write_slots and logit_rows of one group, each in two children, the first child's in front.
#pragma once

#include "compiler/Reference/Tensor.h"

#include <vector>

namespace muster::test {

/// The first `cut` tokens are the first child's. A sequence that is cut is in both; asked rows ascend.
inline std::vector<reference::Tensor> splitStepInputs(mlir::MLIRContext *context,
                                                      llvm::ArrayRef<reference::Tensor> inputs, int64_t cut) {
  mlir::Type i32 = mlir::IntegerType::get(context, 32);
  std::vector<std::vector<int64_t>> values;
  for (const reference::Tensor &input : inputs) {
    values.emplace_back();
    for (reference::Number number : input.getElements())
      values.back().push_back(number.integer);
  }
  const std::vector<int64_t> &starts = values[2], &blocks = values[3], &rows = values[5];
  int64_t pages = inputs[3].getDimSize(1);
  std::vector<int64_t> startsOf[2] = {{0}, {0}}, blocksOf[2], rowsOf[2];
  for (size_t i = 0; i + 1 < starts.size(); ++i)
    for (int child : {0, 1}) {
      bool takesPart = child == 0 ? starts[i] < cut : starts[i] >= cut || starts[i + 1] > cut;
      if (!takesPart)
        continue;
      startsOf[child].push_back(child == 0 ? std::min(starts[i + 1], cut) : starts[i + 1] - cut);
      blocksOf[child].insert(blocksOf[child].end(), blocks.begin() + static_cast<int64_t>(i) * pages,
                             blocks.begin() + static_cast<int64_t>(i + 1) * pages);
    }
  for (int64_t row : rows)
    rowsOf[row < cut ? 0 : 1].push_back(row < cut ? row : row - cut);
  std::vector<reference::Tensor> made;
  auto vector = [&](std::vector<int64_t> own) {
    made.push_back(reference::Tensor::ofIntegers({static_cast<int64_t>(own.size())}, i32, own));
  };
  for (size_t input = 0; input < inputs.size(); ++input)
    for (int child : {0, 1}) {
      const std::vector<int64_t> &all = values[input];
      if (input == 2)
        vector(startsOf[child]);
      else if (input == 3)
        made.push_back(reference::Tensor::ofIntegers({static_cast<int64_t>(blocksOf[child].size()) / pages, pages}, i32,
                                                     blocksOf[child]));
      else if (input == 5)
        vector(rowsOf[child]);
      else
        vector(child == 0 ? std::vector<int64_t>(all.begin(), all.begin() + cut)
                          : std::vector<int64_t>(all.begin() + cut, all.end()));
    }
  return made;
}

} // namespace muster::test
