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
  llvm::SmallVector<llvm::StringRef, 2> tensor, all;
  if (options.hasAxis("tp"))
    tensor.push_back("tp");
  all = tensor;
  Axes rowAxes;
  if (options.hasAxis("sp")) {
    all.push_back("sp");
    rowAxes.push_back("sp");
  }
  Axes width = divide(config.feedForward, tensor, options), vocabulary = divide(config.vocabulary, tensor, options),
       heads = divide(config.heads, tensor, options);
  std::string row = "t" + over(rowAxes), ownHeads = "h" + over(divide(config.heads, all, options)),
              keys = "kv" + over(divide(config.kvHeads, tensor, options)),
              ownKeys = "kv" + over(divide(config.kvHeads, all, options)),
              words = "v" + over(divide(config.vocabulary, all, options));

  LlamaLayouts layouts;
  layouts.tokens = "[" + row + "]";
  layouts.residual = layouts.blockInput = "[" + row + ", i]";
  layouts.attentionOutput = layouts.residual + partialSum(heads);
  layouts.feedForwardOutput = layouts.residual + partialSum(width);
  layouts.embedded = layouts.residual + partialSum(vocabulary);
  layouts.queryRows = "[" + row + ", h" + over(heads) + ", d]";
  layouts.queryHeads = "[t, " + ownHeads + ", d]";
  layouts.keyRows = "[" + row + ", " + keys + ", d]";
  layouts.keyHeads = "[t, " + ownKeys + ", d]";
  layouts.askedRows = "[r, i]" + partialSum(rowAxes);
  layouts.headOutput = "[r, " + words + "]";
  layouts.embedding = "[v" + over(vocabulary) + ", i]";
  layouts.head = "[" + words + ", i]";
  layouts.queryAxes = over(heads);
  layouts.keyAxes = over(divide(config.kvHeads, tensor, options));
  layouts.widthAxes = over(width);
  layouts.outputMatrix = "[o, i" + over(heads) + "]";
  layouts.downMatrix = "[o, i" + over(width) + "]";
  layouts.cache = "[page, slot, " + ownKeys + ", d]";
  return layouts;
}

std::string muster::llama::packedLayout(llvm::ArrayRef<PackedSegment> segments, bool matrix) {
  std::string text = "[{";
  for (const PackedSegment &segment : segments)
    text +=
        (text.size() > 2 ? " | " : "") + segment.name.str() + ":" + std::to_string(segment.rows) + segment.axes.str();
  return text + (matrix ? "}, i]" : "}]");
}
