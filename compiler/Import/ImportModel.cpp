// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Import/ImportModel.h"

#include "compiler/Import/ImportError.h"
#include "models/llama/LlamaGraph.h"

using namespace mlir;
using namespace muster;

FailureOr<OwningOpRef<ModuleOp>> muster::importModel(MLIRContext *context, const Checkpoint &checkpoint,
                                                     const llama::LlamaGraphOptions &options) {
  return llama::buildLlama(context, checkpoint.config(), options);
}

static bool isRope(StringRef generator) { return generator == "rope_cos" || generator == "rope_sin"; }

ModelWeights::ModelWeights(const Checkpoint *checkpoint, ModuleOp module) : checkpoint(checkpoint) {
  int64_t positions = 0;
  for (auto weight : module.getOps<WeightOp>())
    if (auto generator = weight->getAttrOfType<StringAttr>("muster.generator"); generator && isRope(generator))
      positions = std::max(positions, weight.getLogicalType().getDimSize(0));
  if (checkpoint && positions > 0)
    tables = llama::ropeTables(checkpoint->config(), positions);
}

llvm::Error ModelWeights::read(WeightOp weight, float *out) const {
  std::string name = weight.getSymName().str();
  int64_t elements = weight.getLogicalType().getNumElements();
  if (auto generator = weight->getAttrOfType<StringAttr>("muster.generator")) {
    StringRef kind = generator.getValue();
    if (kind == "coordinate") {
      for (int64_t position = 0; position < elements; ++position)
        out[position] = static_cast<float>(position);
      return llvm::Error::success();
    }
    if (isRope(kind)) {
      if (!tables)
        return wrongInput("E3330 expected an input that says how weight @{} rotates but got no checkpoint: name one "
                          "with --checkpoint",
                          name);
      const std::vector<double> &table = kind == "rope_cos" ? tables->cos : tables->sin;
      if (static_cast<int64_t>(table.size()) != elements)
        return wrongInput("E3330 expected weight @{} to have {} elements but got {}", name, table.size(), elements);
      std::copy(table.begin(), table.end(), out);
      return llvm::Error::success();
    }
    return unsupportedInput("E3330 unsupported generator {} of weight @{}", quoted(kind), name);
  }
  auto sources = weight->getAttrOfType<ArrayAttr>("muster.sources");
  if (!sources)
    return wrongInput("E3330 expected weight @{} to name its source (muster.sources) but got none", name);
  if (!checkpoint)
    return wrongInput("E3330 expected an input that holds the sources of weight @{} but got no checkpoint: name one "
                      "with --checkpoint",
                      name);
  int64_t done = 0;
  for (StringRef source : sources.getAsValueRange<StringAttr>()) {
    const Weight *tensor = checkpoint->find(source);
    if (!tensor)
      return wrongInput("E3330 weight @{} references unknown tensor {}", name, quoted(source));
    int64_t rows = tensor->shape()[0], size = 1;
    for (int64_t dim : tensor->shape())
      size *= dim;
    if (size > elements - done)
      return wrongInput("E3330 expected the sources of weight @{} to have {} elements but got more", name, elements);
    Checkpoint::readRows(*tensor, 0, rows, out + done);
    done += size;
  }
  if (done != elements)
    return wrongInput("E3330 expected the sources of weight @{} to have {} elements but got {}", name, elements, done);
  return llvm::Error::success();
}
