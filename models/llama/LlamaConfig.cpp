// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "models/llama/LlamaConfig.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Location.h"

#include <limits>
#include <tuple>

using namespace mlir;
using namespace muster::llama;

int64_t LlamaGraphOptions::tensorParallel() const {
  for (const auto &[name, size] : mesh)
    if (name == "tp")
      return size;
  return 1;
}

static InFlightDiagnostic error(MLIRContext *context) { return emitError(UnknownLoc::get(context)); }

/// Sizes of tensors are products of two of these at most, so that none overflows.
static constexpr int64_t largestSize = std::numeric_limits<int32_t>::max();

static LogicalResult verifyNumbers(MLIRContext *context, const LlamaConfig &config) {
  for (auto [what, value] :
       {std::pair("layers", config.layers), std::pair("hidden size", config.hidden), std::pair("heads", config.heads),
        std::pair("key-value heads", config.kvHeads), std::pair("head size", config.headDim),
        std::pair("feed-forward width", config.feedForward), std::pair("vocabulary", config.vocabulary),
        std::pair("context length", config.contextLength)})
    if (value < 1 || value > largestSize)
      return error(context) << "E3320 expected " << what << " between 1 and " << largestSize << " but got " << value;
  if (config.heads % config.kvHeads != 0)
    return error(context) << "E3320 expected key-value heads to divide the " << config.heads << " heads but got "
                          << config.kvHeads;
  if (config.headDim % 2 != 0)
    return error(context) << "E3320 expected an even head size but got " << config.headDim;
  if (config.heads > largestSize / config.headDim)
    return error(context) << "E3320 expected heads times head size of at most " << largestSize << " but got "
                          << config.heads << " heads of " << config.headDim;
  if (!(config.rmsEpsilon > 0.0) || !(config.ropeTheta > 0.0))
    return error(context) << "E3320 expected a positive norm epsilon and rotary base but got " << config.rmsEpsilon
                          << " and " << config.ropeTheta;
  size_t divisors = config.ropeFrequencyDivisors.size();
  if (divisors != 0 && static_cast<int64_t>(divisors) != config.headDim / 2)
    return error(context) << "E3320 expected " << config.headDim / 2 << " rotary frequency divisors or none but got "
                          << divisors;
  for (double divisor : config.ropeFrequencyDivisors)
    if (!(divisor > 0.0))
      return error(context) << "E3320 expected positive rotary frequency divisors but got " << divisor;
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

static LogicalResult verifyMesh(MLIRContext *context, const LlamaConfig &config, const LlamaGraphOptions &options) {
  if (options.mesh.size() != 1 || options.mesh.front().first != "tp" || options.mesh.front().second < 1) {
    InFlightDiagnostic diagnostic = error(context)
                                    << "E3322 expected a mesh of one axis 'tp' of size at least 1 but got ";
    for (const auto &[index, axis] : llvm::enumerate(options.mesh))
      diagnostic << (index ? ", " : "") << axis.first << "=" << axis.second;
    if (options.mesh.empty())
      diagnostic << "no axis";
    return diagnostic;
  }
  int64_t tp = options.tensorParallel();
  for (auto [what, value] : {std::pair("heads", config.heads), std::pair("key-value heads", config.kvHeads),
                             std::pair("columns of the feed-forward network", config.feedForward),
                             std::pair("rows of the vocabulary", config.vocabulary)})
    if (value % tp != 0)
      return error(context) << "E3323 expected a size of axis 'tp' that divides the model's " << value << " " << what
                            << " but got " << tp;
  return success();
}

LogicalResult muster::llama::verify(MLIRContext *context, const LlamaConfig &config, const LlamaGraphOptions &options) {
  return success(succeeded(verifyNumbers(context, config)) && succeeded(verifyCapacities(context, config, options)) &&
                 succeeded(verifyMesh(context, config, options)));
}
