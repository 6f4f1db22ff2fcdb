// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "models/llama/LlamaLayouts.h"

using namespace muster::llama;

const LlamaLayouts muster::llama::tensorParallelLayouts = {
    .perToken = "[t]",
    .starts = "[starts]",
    .blockTable = "[s, pages]",
    .perLogits = "[r]",
    .logits = "[r, v]",

    .residual = "[t, i]",
    .blockInput = "[t, i]",
    .blockOutput = "[t, i], partial(sum: tp)",
    .embedded = "[t, i], partial(sum: tp)",
    .headOutput = "[r, v/tp]",

    .embedding = "[v/tp, i]",
    .norm = "[i]",
    .columnAxes = "/tp",
    .rowMatrix = "[o, i/tp]",
    .rowBias = "[o]",
    .ropeTable = "[p, e]",
    .cache = "[page, slot, kv/tp, d]",
};

std::string muster::llama::packedLayout(llvm::ArrayRef<std::pair<llvm::StringRef, int64_t>> segments,
                                        llvm::StringRef axes, bool matrix) {
  std::string text = "[{";
  for (auto [name, rows] : segments)
    text += (text.size() > 2 ? " | " : "") + name.str() + ":" + std::to_string(rows) + axes.str();
  return text + (matrix ? "}, i]" : "}]");
}
