// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "models/llama/LlamaGraphOptions.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Location.h"

#include <limits>
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

int64_t LlamaGraphOptions::stepRows(int64_t tokens) const {
  int64_t ranks = axisSize("sp");
  return (tokens + ranks - 1) / ranks * ranks;
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
  bool isKnown = !options.mesh.empty();
  for (const auto &[name, size] : options.mesh)
    isKnown &= (name == "tp" || name == "sp") && size >= 1 && size <= largestSize;
  if (!isKnown || (options.mesh.size() > 1 && options.mesh[0].first == options.mesh[1].first) ||
      options.mesh.size() > 2) {
    InFlightDiagnostic diagnostic = error(context)
                                    << "E3322 expected a mesh of axes 'tp' and 'sp', one or both, of size at least 1 "
                                       "but got ";
    for (const auto &[index, axis] : llvm::enumerate(options.mesh))
      diagnostic << (index ? ", " : "") << axis.first << "=" << axis.second;
    if (options.mesh.empty())
      diagnostic << "no axis";
    return diagnostic;
  }
  int64_t tp = options.axisSize("tp"), sp = options.axisSize("sp");
  for (auto [what, value, bySequence] :
       {std::tuple("heads", config.heads, true), std::tuple("key-value heads", config.kvHeads, true),
        std::tuple("columns of the feed-forward network", config.feedForward, false),
        std::tuple("rows of the vocabulary", config.vocabulary, true)}) {
    int64_t ranks = bySequence ? tp * sp : tp;
    if (value % ranks == 0)
      continue;
    if (ranks == tp)
      return error(context) << "E3323 expected a size of axis 'tp' that divides the model's " << value << " " << what
                            << " but got " << tp;
    if (tp == 1)
      return error(context) << "E3323 expected a size of axis 'sp' that divides the model's " << value << " " << what
                            << " but got " << sp;
    return error(context) << "E3323 expected sizes of axes 'tp' and 'sp' whose product divides the model's " << value
                          << " " << what << " but got " << tp << " times " << sp;
  }
  return success();
}

LogicalResult muster::llama::verify(MLIRContext *context, const LlamaConfig &config, const LlamaGraphOptions &options) {
  return success(succeeded(verifyNumbers(context, config)) && succeeded(verifyCapacities(context, config, options)) &&
                 succeeded(verifyMesh(context, config, options)));
}
