// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "models/llama/LlamaLayouts.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"

#include <fmt/format.h>
#include <numeric>

using namespace muster::llama;

namespace {

/// The axes that divide something, outer first.
using Axes = llvm::SmallVector<std::string, 2>;

/// The greatest parts of the axes that divide `size` parts among them: of each axis its outer part, so that consecutive
/// ranks hold the same.
Axes divide(int64_t size, llvm::ArrayRef<llvm::StringRef> axes, const LlamaGraphOptions &options) {
  Axes result;
  for (llvm::StringRef axis : axes) {
    int64_t ranks = options.axisSize(axis), parts = std::gcd(size, ranks);
    size /= parts;
    if (parts == ranks)
      result.push_back(axis.str());
    else if (parts > 1)
      result.push_back(fmt::format("{}[{}:{}]", axis.str(), ranks / parts, parts));
  }
  return result;
}

/// What stands behind the name of a dim: "/tp", "/(tp,sp)" or nothing.
std::string over(const Axes &axes) {
  std::string list = llvm::join(axes, ",");
  return axes.empty() ? "" : axes.size() == 1 ? "/" + list : "/(" + list + ")";
}

std::string partialSum(const Axes &axes) {
  return axes.empty() ? "" : ", partial(sum: " + llvm::join(axes, ", ") + ")";
}

} // namespace

LlamaLayouts muster::llama::chooseLayouts(const LlamaConfig &config, const LlamaGraphOptions &options) {
  // What divides attention, the feed-forward network, and the rows of the head.
  llvm::SmallVector<llvm::StringRef, 2> tensor, wide, all;
  Axes rowAxes;
  bool isGrouped = options.hasAxis("dp");
  if (isGrouped)
    wide.push_back("dp");
  if (options.hasAxis("tp")) {
    tensor.push_back("tp");
    wide.push_back("tp");
  }
  all = wide;
  if (options.hasAxis("sp")) {
    all.push_back("sp");
    if (options.axisSize("sp") > 1)
      rowAxes.push_back("sp");
  }
  llvm::SmallVector<llvm::StringRef, 2> attention = tensor;
  attention.append(all.begin() + wide.size(), all.end());
  Axes width = divide(config.feedForward, wide, options), vocabulary = divide(config.vocabulary, wide, options),
       heads = divide(config.heads, tensor, options);
  // Rows of a data-parallel position.
  auto grouped = [&](llvm::StringRef dim, llvm::StringRef unit) {
    return dim.str() + (isGrouped ? fmt::format("/dp : {} @step", unit.str()) : "");
  };
  std::string row = isGrouped         ? grouped("t", "tokens")
                    : rowAxes.empty() ? "t"
                                      : "t" + over(rowAxes) + " : tokens @step",
              step = isGrouped ? row : "t", asked = grouped("r", "rows"),
              ownHeads = "h" + over(divide(config.heads, attention, options)),
              keys = "kv" + over(divide(config.kvHeads, tensor, options)),
              ownKeys = "kv" + over(divide(config.kvHeads, attention, options)),
              words = "v" + over(divide(config.vocabulary, all, options));
  std::string wideRow = isGrouped ? "t" : row;

  LlamaLayouts layouts;
  layouts.tokens = "[" + row + "]";
  layouts.perToken = "[" + step + "]";
  layouts.starts = "[" + grouped("starts", "starts") + "]";
  layouts.blockTable = "[" + grouped("s", "requests") + ", pages]";
  layouts.perLogits = "[" + asked + "]";
  layouts.logits = "[" + asked + ", v]";
  layouts.embeddedTokens = "[" + wideRow + "]";
  layouts.residual = layouts.attentionInput = layouts.askableRows = "[" + row + ", i]";
  layouts.feedForwardInput = "[" + wideRow + ", i]";
  layouts.attentionOutput = layouts.residual + partialSum(heads);
  layouts.feedForwardOutput = layouts.feedForwardInput + partialSum(width);
  layouts.embedded = layouts.feedForwardInput + partialSum(vocabulary);
  layouts.queryRows = "[" + row + ", h" + over(heads) + ", d]";
  layouts.queryHeads = "[" + step + ", " + ownHeads + ", d]";
  layouts.keyRows = "[" + row + ", " + keys + ", d]";
  layouts.keyHeads = "[" + step + ", " + ownKeys + ", d]";
  layouts.askedRows = "[" + asked + ", i]" + partialSum(rowAxes);
  layouts.headOutput = "[r, " + words + "]";
  layouts.embedding = "[v" + over(vocabulary) + ", i]";
  layouts.head = "[" + words + ", i]";
  layouts.queryAxes = over(heads);
  layouts.keyAxes = over(divide(config.kvHeads, tensor, options));
  layouts.widthAxes = over(width);
  layouts.outputMatrix = "[o, i" + over(heads) + "]";
  layouts.downMatrix = "[o, i" + over(width) + "]";
  layouts.cache = fmt::format("[page{}, slot, {}, d]", isGrouped ? "/dp" : "", ownKeys);
  return layouts;
}

std::string muster::llama::packedLayout(llvm::ArrayRef<PackedSegment> segments, bool matrix) {
  std::string text = "[{";
  for (const PackedSegment &segment : segments)
    text +=
        (text.size() > 2 ? " | " : "") + segment.name.str() + ":" + std::to_string(segment.rows) + segment.axes.str();
  return text + (matrix ? "}, i]" : "}]");
}
