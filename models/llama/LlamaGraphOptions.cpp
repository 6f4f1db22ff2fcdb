// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "models/llama/LlamaGraphOptions.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Location.h"

#include <limits>
#include <numeric>
#include <string>
#include <tuple>

using namespace mlir;
using namespace muster::llama;

bool LlamaGraphOptions::hasAxis(StringRef name) const {
  return llvm::any_of(mesh, [&](const auto &axis) { return axis.first == name; });
}

int64_t LlamaGraphOptions::axisSize(StringRef name) const {
  for (const auto &[axis, size] : mesh)
    if (axis == name)
      return size;
  return 1;
}

int64_t LlamaGraphOptions::rankRows(int64_t tokens) const {
  int64_t ranks = axisSize("sp");
  return (tokens + ranks - 1) / ranks;
}

static InFlightDiagnostic error(MLIRContext *context) { return emitError(UnknownLoc::get(context)); }

static constexpr int64_t largestSize = std::numeric_limits<int32_t>::max();

static LogicalResult verifyNumbers(MLIRContext *context, const LlamaConfig &config) {
  for (const std::string &fault : {describeFault(config), describeDivisorFault(config)})
    if (!fault.empty())
      return error(context) << "E3320 " << fault;
  return success();
}

static LogicalResult verifyCapacities(MLIRContext *context, const LlamaConfig &config,
                                      const LlamaGraphOptions &options) {
  for (auto [what, value, greatest] : {std::tuple("tokens of a step", options.maxStepTokens, largestSize),
                                       std::tuple("sequences", options.maxSequences, largestSize - 1),
                                       std::tuple("rows of logits", options.logitRows(), largestSize),
                                       std::tuple("slots of a page", options.pageSlots, largestSize),
                                       std::tuple("positions of a sequence", options.maxContext, config.contextLength)})
    if (value < 1 || value > greatest)
      return error(context) << "E3321 expected capacity for 1 to " << greatest << " " << what << " but got " << value;
  return success();
}

/// Query heads are divided by all ranks. Key-value heads are divided by tp and then sp as far as they go; ranks that
/// are left share one.
static LogicalResult verifyHeads(MLIRContext *context, const LlamaConfig &config, const LlamaGraphOptions &options) {
  int64_t tp = options.axisSize("tp"), sp = options.axisSize("sp");
  auto refuse = [&](StringRef one, StringRef both) -> LogicalResult {
    if (sp != 1 && tp != 1)
      return error(context) << "E3323 expected " << both << " but got " << tp << " times " << sp;
    return error(context) << "E3323 expected a size of axis '" << (sp == 1 ? "tp" : "sp") << "' that " << one
                          << " but got " << (sp == 1 ? tp : sp);
  };
  std::string heads = std::to_string(config.heads), keys = std::to_string(config.kvHeads) + " key-value heads";
  // One by one, because the product may overflow.
  if (config.heads % tp != 0 || config.heads / tp % sp != 0)
    return refuse("divides the model's " + heads + " heads",
                  "sizes of axes 'tp' and 'sp' whose product divides the model's " + heads + " heads");
  int64_t left = config.kvHeads;
  for (int64_t ranks : {tp, sp}) {
    if (left % ranks != 0 && ranks % left != 0)
      return refuse("divides the model's " + keys + " or is a multiple of them",
                    "sizes of axes 'tp' and 'sp' of which each divides what the one before leaves of the model's " +
                        keys + " or is a multiple of it");
    left = left % ranks == 0 ? left / ranks : 1;
  }
  return success();
}

/// Axes of which kinds, each once. Rows are divided by one of them.
static bool isKnownMesh(const LlamaGraphOptions &options) {
  static constexpr StringLiteral known[] = {"dp", "tp", "sp"};
  for (const auto &[index, axis] : llvm::enumerate(options.mesh)) {
    bool isRepeated = llvm::any_of(ArrayRef(options.mesh).take_front(index),
                                   [&](const auto &other) { return other.first == axis.first; });
    if (!llvm::is_contained(known, axis.first) || isRepeated || axis.second < 1 || axis.second > largestSize)
      return false;
  }
  return !options.mesh.empty() && !(options.hasAxis("dp") && options.hasAxis("sp"));
}

static LogicalResult verifyMesh(MLIRContext *context, const LlamaConfig &config, const LlamaGraphOptions &options) {
  if (!isKnownMesh(options)) {
    InFlightDiagnostic diagnostic = error(context) << "E3322 expected a mesh of axes 'tp' and one of 'dp' and 'sp', or "
                                                      "of one axis, each of size 1 to "
                                                   << largestSize << " but got ";
    for (const auto &[index, axis] : llvm::enumerate(options.mesh))
      diagnostic << (index ? ", " : "") << axis.first << "=" << axis.second;
    if (options.mesh.empty())
      diagnostic << "no axis";
    return diagnostic;
  }
  return verifyHeads(context, config, options);
}

LogicalResult muster::llama::verify(MLIRContext *context, const LlamaConfig &config, const LlamaGraphOptions &options) {
  return success(succeeded(verifyNumbers(context, config)) && succeeded(verifyCapacities(context, config, options)) &&
                 succeeded(verifyMesh(context, config, options)));
}

void muster::llama::warnOfRepetition(MLIRContext *context, const LlamaConfig &config,
                                     const LlamaGraphOptions &options) {
  int64_t wide = options.axisSize("dp") * options.axisSize("tp"), all = wide * options.axisSize("sp");
  for (auto [what, size, ranks] : {std::tuple("columns of the feed-forward network", config.feedForward, wide),
                                   std::tuple("rows of the vocabulary", config.vocabulary, all)})
    if (int64_t parts = std::gcd(size, ranks); parts != ranks)
      emitWarning(UnknownLoc::get(context)) << "the model's " << size << " " << what << " are divided into " << parts
                                            << (parts == 1 ? " part for " : " parts for ") << ranks
                                            << " ranks: " << ranks / parts << " ranks compute each part";
}
