// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Sampling/DecideByRunning.h"

#include "compiler/Sampling/OneRankText.h"
#include "compiler/Sampling/SampleInputs.h"
#include "dialects/NN/IR/NNDialect.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"

#include <cmath>

using namespace mlir;
using namespace muster;
using namespace muster::sampling;
using reference::Interpreter;
using reference::InterpreterOptions;
using reference::RankValues;
using reference::Tensor;

namespace {

/// One function on random data.
class Runner {
public:
  Runner(func::FuncOp function, const SamplingLimits &limits) : original(function), limits(limits) {}

  Comparison run();

private:
  bool chooseMesh();
  bool runMesh(uint64_t seed, int64_t lookUpParts);
  Comparison compareWithTexts(uint64_t seed);
  void nameSizes(SampledDifference &found) const;
  std::optional<SampledDifference> compare(const std::vector<RankValues> &wanted) const;

  func::FuncOp original, function;
  const SamplingLimits &limits;
  OwningOpRef<ModuleOp> module; ///< at concrete sizes of the mesh
  MeshAttr mesh;
  std::optional<Sample> sample;
  std::vector<RankValues> got;
  LogicalSignature signature;
};

} // namespace

/// Whether parts of some dim have lengths that counts tell. What one rank does with such rows (segment by segment, by
/// numbers that count from each segment's own) is no text that is written here, and equal parts are not what runs.
static bool hasRaggedRows(func::FuncOp function) {
  auto isRagged = [](LayoutAttr layout) {
    return layout && llvm::any_of(layout.getDims(), [](LayoutDimAttr dim) {
             return llvm::any_of(dim.getTerms(), [](LayoutTermAttr term) { return term.isRagged(); });
           });
  };
  bool found = false;
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    found |= isRagged(function.getArgAttrOfType<LayoutAttr>(i, attribute::layout));
  for (unsigned i = 0; i < function.getNumResults(); ++i)
    found |= isRagged(function.getResultAttrOfType<LayoutAttr>(i, attribute::layout));
  function.walk([&](Operation *op) {
    found |= llvm::any_of(op->getAttrs(),
                          [&](NamedAttribute attr) { return isRagged(dyn_cast<LayoutAttr>(attr.getValue())); });
    found |= llvm::any_of(op->getOperandTypes(), [](Type type) { return isa<CountsType, OffsetsType>(type); });
  });
  return found;
}

/// A copy of the module in which axes of open size have a small one.
bool Runner::chooseMesh() {
  auto source = original->getParentOfType<ModuleOp>();
  if (!source || !original.isPublic() || original.isExternal() || hasRaggedRows(original))
    return false;
  IRMapping mapping;
  module = cast<ModuleOp>(source->clone(mapping));
  function = cast<func::FuncOp>(mapping.lookup(original.getOperation()));
  int64_t next = 2;
  module->walk([&](MeshOp op) {
    SmallVector<MeshAxisAttr> axes;
    for (MeshAxisAttr axis : op.getMesh().getAxes()) {
      bool isOpen = ShapedType::isDynamic(axis.getSize());
      axes.push_back(MeshAxisAttr::get(op.getContext(), axis.getName(), isOpen ? next : axis.getSize()));
      next += isOpen;
    }
    op.setMeshAttr(MeshAttr::get(op.getContext(), axes));
  });
  mesh = getMesh(function);
  return mesh && !ShapedType::isDynamic(mesh.getRankCount()) && mesh.getRankCount() > 1 && mesh.getRankCount() <= 64;
}

/// Multiplications of one rank in a function, about; open sizes are at most `open`.
static int64_t estimateWork(func::FuncOp function, int64_t open, int depth = 0) {
  constexpr int64_t most = int64_t(1) << 40, pointCost = 20, loopCost = 64;
  constexpr int mostDepth = 8;
  int64_t work = 0;
  auto product = [&](ArrayRef<int64_t> sizes, int64_t first) {
    for (int64_t size : sizes) {
      size = ShapedType::isDynamic(size) ? open : size;
      first = size > 0 && first > most / size ? most : first * size;
    }
    return first;
  };
  function.walk([&](Operation *op) {
    int64_t own = 0;
    if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op)) {
      own = product(linalgOp.getStaticLoopRanges(), pointCost);
    } else if (auto call = dyn_cast<func::CallOp>(op)) {
      auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(op, call.getCalleeAttr());
      own = !callee || depth == mostDepth ? most : estimateWork(callee, open, depth + 1);
    } else {
      auto matmul = dyn_cast<nn::MatmulOp>(op);
      for (mlir::Value result : op->getResults())
        if (auto type = dyn_cast<RankedTensorType>(result.getType()))
          own += product(type.getShape(), matmul ? matmul.getWeight().getType().getDimSize(1) : 1);
    }
    for (auto loop = op->getParentOfType<scf::ForOp>(); loop; loop = loop->getParentOfType<scf::ForOp>())
      own = product(loopCost, own);
    work = std::min(most, work + own);
  });
  return work;
}

bool Runner::runMesh(uint64_t seed, int64_t lookUpParts) {
  sample = makeSample(function, mesh, seed, lookUpParts);
  if (!sample || estimateWork(function, sample->greatestOpen) > limits.mostWork / mesh.getRankCount())
    return false;
  Interpreter interpreter(*module, {.float64 = true, .pages = sample->pages, .sizes = sample->sizes});
  for (const auto &weight : sample->weights)
    if (llvm::Error error = interpreter.setWeight(weight.first(), weight.second)) {
      llvm::consumeError(std::move(error));
      return false;
    }
  auto parts = interpreter.scatterInputs(function.getName(), sample->arguments);
  auto results = parts ? interpreter.run(function.getName(), std::move(*parts))
                       : llvm::Expected<std::vector<RankValues>>(parts.takeError());
  if (!results) {
    llvm::consumeError(results.takeError());
    return false;
  }
  got = std::move(*results);
  signature = LogicalSignature();
  for (const Tensor &argument : sample->arguments)
    signature.arguments.emplace_back(argument.getShape());
  for (const auto &size : sample->sizes.dims)
    signature.sizes[size.first()] = size.second;
  for (auto [index, result] : llvm::enumerate(got)) {
    auto layout = function.getResultAttrOfType<LayoutAttr>(static_cast<unsigned>(index), attribute::layout);
    if (!layout)
      return false;
    auto shape = reference::getLogicalShape(result, layout, mesh);
    if (!shape) {
      llvm::consumeError(shape.takeError());
      return false;
    }
    signature.results.emplace_back(*shape);
  }
  return true;
}

/// The first element of a rank that is not what is wanted, by far more than rounding explains.
std::optional<SampledDifference> Runner::compare(const std::vector<RankValues> &wanted) const {
  for (auto [result, pair] : llvm::enumerate(llvm::zip_equal(wanted, got))) {
    const auto &[wantedParts, gotParts] = pair;
    double greatest = 0;
    for (const auto &part : wantedParts)
      for (reference::Number number : part->getElements())
        if (part->isReal() && std::isfinite(number.real))
          greatest = std::max(greatest, std::abs(number.real));
    double tolerance = std::max(1e-6 * greatest, 1e-9);
    for (auto [rank, parts] : llvm::enumerate(llvm::zip_equal(wantedParts, gotParts))) {
      const Tensor &a = *std::get<0>(parts), &b = *std::get<1>(parts);
      if (a.getShape() != b.getShape())
        return std::nullopt;
      std::optional<SampledDifference> found;
      reference::forEachIndex(a.getShape(), [&, result = result, rank = rank](ArrayRef<int64_t> index) {
        double x = a.isReal() ? a.real(index) : static_cast<double>(a.integer(index));
        double y = b.isReal() ? b.real(index) : static_cast<double>(b.integer(index));
        bool differs = a.isReal() ? std::isfinite(x) && std::isfinite(y) && std::abs(x - y) > tolerance
                                  : a.integer(index) != b.integer(index);
        if (!found && differs)
          found = SampledDifference{
              0, static_cast<unsigned>(result), static_cast<int64_t>(rank), {}, {}, SmallVector<int64_t, 4>(index), x,
              y};
      });
      if (found)
        return found;
    }
  }
  return std::nullopt;
}

void Runner::nameSizes(SampledDifference &found) const {
  for (auto [axis, coordinate] : llvm::zip_equal(mesh.getAxes(), mesh.getCoordinates(found.rank)))
    found.coordinates.push_back({axis.getName().str(), coordinate});
  MeshAttr open = getMesh(original);
  for (auto [axis, chosen] : llvm::zip_equal(open.getAxes(), mesh.getAxes()))
    if (ShapedType::isDynamic(axis.getSize()))
      found.sizes.push_back({axis.getName().str(), chosen.getSize()});
  auto own = original;
  for (unsigned i = 0; i < own.getNumArguments(); ++i) {
    auto layout = own.getArgAttrOfType<LayoutAttr>(i, attribute::layout);
    auto type = cast<RankedTensorType>(own.getArgument(i).getType());
    for (int64_t dim = 0; layout && dim < type.getRank(); ++dim) {
      std::pair<std::string, int64_t> size{layout.getDimName(dim).str(),
                                           signature.arguments[i][static_cast<size_t>(dim)]};
      if (type.isDynamicDim(static_cast<unsigned>(dim)) && !llvm::is_contained(found.sizes, size))
        found.sizes.push_back(std::move(size));
    }
  }
}

Comparison Runner::compareWithTexts(uint64_t seed) {
  int64_t texts = 0;
  bool isEqual = false;
  std::optional<SampledDifference> first;
  auto differs = [&](ModuleOp text, int64_t work) {
    if (++texts > limits.mostTexts || work > limits.mostWork)
      return false;
    Interpreter interpreter(text, {.float64 = true, .pages = sample->pages});
    for (const auto &weight : sample->weights)
      if (llvm::Error error = interpreter.setWeight(weight.first(), weight.second)) {
        llvm::consumeError(std::move(error));
        return false;
      }
    auto results = interpreter.runLogical(oneRankEntry, sample->arguments);
    if (!results) {
      llvm::consumeError(results.takeError());
      return false;
    }
    std::vector<RankValues> parts;
    for (auto [index, result] : llvm::enumerate(*results)) {
      auto layout = function.getResultAttrOfType<LayoutAttr>(static_cast<unsigned>(index), attribute::layout);
      auto scattered = reference::scatter(result, layout, mesh, sample->sizes);
      if (!scattered) {
        llvm::consumeError(scattered.takeError());
        return false;
      }
      parts.push_back(std::move(*scattered));
    }
    std::optional<SampledDifference> own = compare(parts);
    if (own && !first) {
      first = own;
      first->seed = seed;
      nameSizes(*first);
    }
    isEqual = !own;
    return own.has_value();
  };
  if (forEachTextOnOneRank(function, signature, differs) && first)
    return {Comparison::Outcome::Different, *first};
  return {isEqual ? Comparison::Outcome::Equal : Comparison::Outcome::Undecided};
}

Comparison Runner::run() {
  if (!chooseMesh())
    return {};
  // One difference is a counterexample; the second makes sure that it is none of rounding.
  Comparison result;
  for (uint64_t seed : {1, 2, 3}) {
    bool hasRun = runMesh(seed, 1) || runMesh(seed, mesh.getRankCount());
    if (!hasRun)
      return {};
    Comparison own = compareWithTexts(seed);
    if (own.outcome == Comparison::Outcome::Undecided)
      return {};
    if (own.outcome != Comparison::Outcome::Different) {
      if (seed == 2 && result.outcome != Comparison::Outcome::Different)
        return own;
      continue;
    }
    if (result.outcome == Comparison::Outcome::Different)
      return result;
    result = own;
  }
  return {};
}

Comparison sampling::compareWithOneRank(func::FuncOp function, const SamplingLimits &limits) {
  return Runner(function, limits).run();
}

static std::string listed(ArrayRef<std::pair<std::string, int64_t>> numbers) {
  return llvm::join(
      llvm::map_range(numbers, [](const auto &number) { return number.first + "=" + std::to_string(number.second); }),
      ", ");
}

static LayoutFinding refutationOf(func::FuncOp function, const LayoutFinding &unknown,
                                  const SampledDifference &difference) {
  LayoutFinding finding;
  finding.kind = LayoutFinding::Kind::Refuted;
  finding.op = function.getBody().front().getTerminator();
  finding.result = difference.result;
  finding.number = 1113;
  finding.parting = unknown.op;
  llvm::raw_string_ostream message(finding.message);
  message << "result " << difference.result << " is not what one rank computes: expected "
          << llvm::format("%.6g", difference.wanted) << " but got " << llvm::format("%.6g", difference.got)
          << " on rank (" << listed(difference.coordinates) << "), local index ["
          << llvm::join(llvm::map_range(difference.index, [](int64_t at) { return std::to_string(at); }), ", ") << "]";
  std::string how;
  llvm::raw_string_ostream(how) << "found by running the program in the reference interpreter on random data (seed "
                                << difference.seed << "), on its mesh and on one rank"
                                << (difference.sizes.empty() ? "" : " (where " + listed(difference.sizes) + ")");
  finding.notes.push_back({finding.op->getLoc(), how});
  finding.notes.push_back({unknown.op->getLoc(), "the rules do not decide this: " + unknown.message});
  return finding;
}

void sampling::decideByRunning(LayoutReport &report, const SamplingLimits &limits) {
  SmallVector<func::FuncOp> functions;
  for (const LayoutFinding &finding : report.findings) {
    auto function = finding.op ? finding.op->getParentOfType<func::FuncOp>() : func::FuncOp();
    if (function && finding.kind == LayoutFinding::Kind::Unknown && !llvm::is_contained(functions, function))
      functions.push_back(function);
  }
  for (func::FuncOp function : functions) {
    auto isOf = [&](const LayoutFinding &finding) {
      return finding.op && finding.op->getParentOfType<func::FuncOp>() == function;
    };
    bool isRefuted = llvm::any_of(report.findings, [&](const LayoutFinding &finding) {
      return isOf(finding) && finding.kind == LayoutFinding::Kind::Refuted;
    });
    if (isRefuted)
      continue;
    Comparison comparison = compareWithOneRank(function, limits);
    auto *unknown = llvm::find_if(report.findings, [&](const LayoutFinding &finding) {
      return isOf(finding) && finding.kind == LayoutFinding::Kind::Unknown;
    });
    if (comparison.outcome == Comparison::Outcome::Equal)
      unknown->notes.push_back(
          {unknown->op->getLoc(), "a run on random data shows no difference from one rank, which proves nothing"});
    if (comparison.outcome != Comparison::Outcome::Different)
      continue;
    *unknown = refutationOf(function, *unknown, comparison.difference);
    llvm::erase_if(report.findings, [&](const LayoutFinding &finding) {
      return isOf(finding) && finding.kind == LayoutFinding::Kind::Unknown;
    });
  }
}
