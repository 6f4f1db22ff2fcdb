// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "test/unit/compiler/Analysis/ProgramRunner.h"

#include "compiler/Reference/RandomValues.h"
#include "dialects/NN/IR/NNDialect.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"

#include <cmath>

using namespace mlir;
using namespace muster;
using namespace muster::reference;
using namespace muster::test;

ProgramRunner::ProgramRunner() {
  context.loadDialect<MusterDialect, nn::NNDialect, func::FuncDialect, linalg::LinalgDialect, math::MathDialect,
                      tensor::TensorDialect, arith::ArithDialect, scf::SCFDialect>();
  context.disableMultithreading();
}

bool test::isClose(const Tensor &a, const Tensor &b, bool &hasNan) {
  if (a.getShape() != b.getShape())
    return false;
  for (auto [x, y] : llvm::zip(a.getElements(), b.getElements())) {
    if (!std::isfinite(x.real) || !std::isfinite(y.real)) {
      hasNan = true;
      continue;
    }
    if (!(std::abs(x.real - y.real) <= 1e-9 * (1 + std::max(std::abs(x.real), std::abs(y.real)))))
      return false;
  }
  return true;
}

OwningOpRef<ModuleOp> ProgramRunner::parse(const std::string &text) {
  return parseSourceString<ModuleOp>(text, &context);
}

ProgramRun ProgramRunner::run(const Program &program, ModuleOp module) {
  Interpreter interpreter(module, {.float64 = true});
  std::vector<Tensor> inputs;
  for (const ProgramOp &op : program.ops)
    if (op.kind == ProgramOp::Kind::Argument) {
      SmallVector<int64_t> shape;
      for (const Terms &terms : op.dims)
        shape.push_back(terms.front().size);
      Type type = op.bound > 0 ? Type(IntegerType::get(&context, 32)) : Type(Float32Type::get(&context));
      inputs.push_back(
          makeRandom(shape, type, 17, "x" + std::to_string(op.tag), RandomReals::Uniform, op.bound > 0 ? op.bound : 2));
    }
  ProgramRun outcome;
  auto parts = interpreter.scatterInputs("f", inputs);
  if (!parts) {
    outcome.error = "scatter: " + toString(parts.takeError());
    return outcome;
  }
  auto results = interpreter.run("f", std::move(*parts));
  if (!results) {
    outcome.error = "run: " + toString(results.takeError());
    return outcome;
  }
  outcome.parts = std::move(*results);
  auto logical = interpreter.gatherResults("f", outcome.parts);
  if (logical)
    outcome.logical = std::move(logical->front());
  else
    consumeError(logical.takeError());
  return outcome;
}

const ProgramRun *ProgramRunner::runSingle(const Program &program) {
  if (!program.shapes(program.single()))
    return nullptr;
  std::string text = program.text(program.single());
  auto known = single.find(text);
  if (known == single.end()) {
    OwningOpRef<ModuleOp> module = parse(text);
    known = single.emplace(text, module ? run(program, *module) : ProgramRun{{}, {}, "does not parse"}).first;
  }
  return &known->second;
}
