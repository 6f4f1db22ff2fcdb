// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "models/llama/LlamaGraphOptions.h"

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
