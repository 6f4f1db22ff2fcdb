// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "models/llama/LlamaLayouts.h"

using namespace muster::llama;

const LlamaLayouts muster::llama::tensorParallelLayouts = {
    .tokens = "[t]",
    .perToken = "[t]",
    .starts = "[starts]",
    .blockTable = "[s, pages]",
    .perLogits = "[r]",
    .logits = "[r, v]",

    .residual = "[t, i]",
    .blockInput = "[t, i]",
    .blockOutput = "[t, i], partial(sum: tp)",
    .embedded = "[t, i], partial(sum: tp)",
    .queryRows = "[t, h/tp, d]",
    .queryHeads = "[t, h/tp, d]",
    .keyRows = "[t, kv/tp, d]",
    .keyHeads = "[t, kv/tp, d]",
    .askedRows = "[r, i]",
    .headInput = "[r, i]",
    .headOutput = "[r, v/tp]",

    .embedding = "[v/tp, i]",
    .head = "[v/tp, i]",
    .norm = "[i]",
    .columnAxes = "/tp",
    .rowMatrix = "[o, i/tp]",
    .rowBias = "[o]",
    .ropeTable = "[p, e]",
    .cache = "[page, slot, kv/tp, d]",
};

const LlamaLayouts muster::llama::sequenceParallelLayouts = {
    .tokens = "[t/sp]",
    .perToken = "[t]",
    .starts = "[starts]",
    .blockTable = "[s, pages]",
    .perLogits = "[r]",
    .logits = "[r, v]",

    .residual = "[t/sp, i]",
    .blockInput = "[t/sp, i]",
    .blockOutput = "[t/sp, i]",
    .embedded = "[t/sp, i]",
    .queryRows = "[t/sp, h, d]",
    .queryHeads = "[t, h/sp, d]",
    .keyRows = "[t/sp, kv, d]",
    .keyHeads = "[t, kv/sp, d]",
    .askedRows = "[r, i], partial(sum: sp)",
    .headInput = "[r, i]",
    .headOutput = "[r, v/sp]",

    .embedding = "[v, i]",
    .head = "[v/sp, i]",
    .norm = "[i]",
    .columnAxes = "",
    .rowMatrix = "[o, i]",
    .rowBias = "[o]",
    .ropeTable = "[p, e]",
    .cache = "[page, slot, kv/sp, d]",
};

const LlamaLayouts muster::llama::sequenceTensorLayouts = {
    .tokens = "[t/sp]",
    .perToken = "[t]",
    .starts = "[starts]",
    .blockTable = "[s, pages]",
    .perLogits = "[r]",
    .logits = "[r, v]",

    .residual = "[t/sp, i]",
    .blockInput = "[t/sp, i]",
    .blockOutput = "[t/sp, i], partial(sum: tp)",
    .embedded = "[t/sp, i], partial(sum: tp)",
    .queryRows = "[t/sp, h/tp, d]",
    .queryHeads = "[t, h/(tp,sp), d]",
    .keyRows = "[t/sp, kv/tp, d]",
    .keyHeads = "[t, kv/(tp,sp), d]",
    .askedRows = "[r, i], partial(sum: sp)",
    .headInput = "[r, i]",
    .headOutput = "[r, v/(tp,sp)]",

    .embedding = "[v/tp, i]",
    .head = "[v/(tp,sp), i]",
    .norm = "[i]",
    .columnAxes = "/tp",
    .rowMatrix = "[o, i/tp]",
    .rowBias = "[o]",
    .ropeTable = "[p, e]",
    .cache = "[page, slot, kv/(tp,sp), d]",
};

const LlamaLayouts &muster::llama::chooseLayouts(bool hasSequence, bool hasTensor) {
  if (!hasSequence)
    return tensorParallelLayouts;
  return hasTensor ? sequenceTensorLayouts : sequenceParallelLayouts;
}

std::string muster::llama::packedLayout(llvm::ArrayRef<std::pair<llvm::StringRef, int64_t>> segments,
                                        llvm::StringRef axes, bool matrix) {
  std::string text = "[{";
  for (auto [name, rows] : segments)
    text += (text.size() > 2 ? " | " : "") + name.str() + ":" + std::to_string(rows) + axes.str();
  return text + (matrix ? "}, i]" : "}]");
}
