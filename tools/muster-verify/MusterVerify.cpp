// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// muster-verify FILE: proves the layouts of a program, or says where they do not hold. Nothing is compiled.
#include "tools/muster-verify/Replay.h"
#include "tools/muster-verify/Report.h"

#include "compiler/Analysis/CollectiveOrder.h"
#include "compiler/Analysis/CountCheck.h"
#include "compiler/Analysis/LayoutCertificate.h"
#include "compiler/Analysis/LayoutExplanation.h"
#include "compiler/Analysis/UncheckedResults.h"
#include "compiler/Import/ProgramText.h"
#include "compiler/Sampling/DecideByRunning.h"
#include "compiler/Transforms/Passes.h"
#include "dialects/NN/IR/NNDialect.h"

#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Support/FileUtilities.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/ToolOutputFile.h"

#include <CLI/CLI.hpp>

#include <chrono>

using namespace mlir;
using namespace muster;
using namespace muster::verify;

namespace {

constexpr int exitRefuted = 1, exitUsage = 2, exitUnknown = 3;

struct Options {
  std::string input, mesh, sarif, certificate;
  bool json = false, allowUnknown = false, replay = false;
};

/// Fills `options`; the exit code where the process ends here.
std::optional<int> parseCommandLine(int argc, char **argv, Options &options) {
  CLI::App app("Prove that every element is where the program's layouts say", "muster-verify");
  app.set_version_flag("--version", "muster-verify " MUSTER_VERSION);
  app.add_option("input", options.input, "Program (.mlir); - reads standard input")->required();
  app.add_option("--mesh", options.mesh, "Sizes of axes that the program leaves open: sp=4, or dp=2,tp=3");
  app.add_flag("--json", options.json, "Print the answer as JSON");
  app.add_option("--sarif", options.sarif, "Write the findings as SARIF 2.1.0 to this file");
  app.add_option("--certificate", options.certificate,
                 "Write what every value holds to this file, for muster-check-certificate");
  app.add_flag("--allow-unknown", options.allowUnknown, "Warn of what nobody can prove instead of failing");
  app.add_flag("--replay", options.replay,
               "Run the program on numbered elements and show the two of each counterexample");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success &success) { // --help, --version
    return app.exit(success);
  } catch (const CLI::ParseError &error) {
    llvm::errs() << "muster-verify: E0101 " << error.what() << "\n";
    return exitUsage;
  }
  return std::nullopt;
}

[[noreturn]] void usageError(const Twine &text) {
  llvm::errs() << "muster-verify: " << text << "\n";
  exit(exitUsage);
}

llvm::StringMap<int64_t> parseMesh(StringRef text) {
  llvm::StringMap<int64_t> sizes;
  SmallVector<StringRef> parts;
  text.split(parts, ',', -1, /*KeepEmpty=*/!text.empty());
  for (StringRef part : parts) {
    auto [name, size] = part.split('=');
    int64_t value;
    if (name.empty() || size.getAsInteger(10, value) || value < 1)
      usageError("E0105 expected --mesh to be like tp=3 but got '" + text + "'");
    sizes[name] = value;
  }
  return sizes;
}

/// Gives the open axes of the module's meshes their sizes.
void chooseMesh(ModuleOp module, const llvm::StringMap<int64_t> &sizes) {
  llvm::StringMap<bool> known;
  module.walk([&](MeshOp op) {
    SmallVector<MeshAxisAttr> axes;
    for (MeshAxisAttr axis : op.getMesh().getAxes()) {
      known[axis.getName()] |= ShapedType::isDynamic(axis.getSize());
      auto chosen = sizes.find(axis.getName());
      bool isChosen = chosen != sizes.end() && ShapedType::isDynamic(axis.getSize());
      axes.push_back(
          MeshAxisAttr::get(module.getContext(), axis.getName(), isChosen ? chosen->second : axis.getSize()));
    }
    op.setMeshAttr(MeshAttr::get(module.getContext(), axes));
  });
  for (const auto &entry : sizes)
    if (!known.lookup(entry.first()))
      usageError("E0108 expected --mesh to name an axis whose size the program leaves open but got '" + entry.first() +
                 "'");
}

/// What a proof for all sizes takes for granted: the facts of the functions, and what layouts divide by open axes.
std::vector<std::string> collectFacts(ModuleOp module) {
  std::vector<std::string> facts;
  auto add = [&](const Twine &divisor, const Twine &dividend) {
    std::string fact = (divisor + " | " + dividend).str();
    if (!llvm::is_contained(facts, fact))
      facts.push_back(fact);
  };
  module.walk([&](func::FuncOp function) {
    if (auto own = function->getAttrOfType<FactsAttr>(attribute::facts))
      for (auto [divisor, dividend] : llvm::zip(own.getDivisors(), own.getDividends()))
        add(divisor.getValue(), dividend.getValue());
    MeshAttr mesh = getMesh(function);
    auto addLayout = [&](LayoutAttr layout) {
      for (LayoutDimAttr dim : layout &&mesh ? layout.getDims() : ArrayRef<LayoutDimAttr>())
        for (LayoutTermAttr term : dim.getTerms())
          for (AxisRefAttr axis : term.getAxes())
            if (mesh.findAxis(axis.getName()) >= 0 && ShapedType::isDynamic(mesh.getAxisSize(axis.getName())))
              add(axis.getName(), term.getName());
    };
    for (unsigned i = 0; i < function.getNumArguments(); ++i)
      addLayout(function.getArgAttrOfType<LayoutAttr>(i, attribute::layout));
    for (unsigned i = 0; i < function.getNumResults(); ++i)
      addLayout(function.getResultAttrOfType<LayoutAttr>(i, attribute::layout));
  });
  return facts;
}

std::string counted(int64_t count, StringRef what) {
  return llvm::formatv("{0} {1}{2}", count, what, count == 1 ? "" : "s");
}

void printSummary(const Answer &answer) {
  const LayoutReport &report = answer.report;
  auto count = [&](LayoutFinding::Kind kind) {
    return llvm::count_if(report.findings, [&](const LayoutFinding &finding) { return finding.kind == kind; });
  };
  std::string verdict = answer.verdict().str();
  if (report.functions == 0 && verdict == "unknown")
    verdict = "unknown: no function declares a layout";
  else if (verdict == "proved" && report.isSymbolic)
    verdict += " for all sizes" + (answer.facts.empty() ? "" : " with " + llvm::join(answer.facts, ", "));
  llvm::outs() << answer.file << ": " << verdict << ": " << counted(report.results, "result") << ", "
               << counted(report.claims, "claim") << ", " << counted(report.operations, "operation");
  if (answer.counted)
    llvm::outs() << ", " << answer.counted << " with counts";
  if (int64_t assumed = count(LayoutFinding::Kind::Assumed))
    llvm::outs() << ", " << assumed << " assumed";
  if (!answer.unchecked.empty())
    llvm::outs() << ", " << answer.unchecked.size() << " unchecked";
  llvm::outs() << " in " << llvm::format("%.1f", answer.milliseconds) << " ms\n";
}

int writeSarif(const Options &options, const Answer &answer, StringRef source) {
  std::string message;
  auto output = openOutputFile(options.sarif, &message);
  if (!output) {
    llvm::errs() << "muster-verify: E4202 cannot write " << options.sarif << " because " << message << "\n";
    return exitRefuted;
  }
  output->os() << llvm::formatv("{0:2}\n", toSarif(answer, source));
  output->keep();
  return 0;
}

int writeCertificate(const Options &options, const Answer &answer, const LayoutCertificate &certificate,
                     StringRef source) {
  bool isAssumed = answer.report.has(LayoutFinding::Kind::Assumed);
  if (answer.verdict() != "proved" || isAssumed) {
    llvm::errs() << "muster-verify: E1109 expected a proved program for --certificate but got one that is "
                 << (isAssumed ? "assumed in parts" : answer.verdict()) << "\n";
    return answer.verdict() == "refuted" ? exitRefuted : exitUnknown;
  }
  std::string message;
  auto output = openOutputFile(options.certificate, &message);
  if (!output) {
    llvm::errs() << "muster-verify: E4202 cannot write " << options.certificate << " because " << message << "\n";
    return exitRefuted;
  }
  certificate.print(output->os(), llvm::toHex(llvm::SHA256::hash(llvm::arrayRefFromStringRef(source)), true));
  output->keep();
  return 0;
}

/// What moves rows of unequal parts, and in which order ranks meet. A program that counts nothing by hand is looked at
/// as muster-compile would count it; `counted` keeps it, for the operations that findings name.
LogicalResult checkStep(ModuleOp module, OwningOpRef<ModuleOp> &counted, Answer &answer) {
  counted = module.clone();
  PassManager passes(module.getContext());
  passes.addPass(createMaterializeTokenCountsPass());
  if (failed(passes.run(*counted)))
    return failure();
  CountReport counts = checkCounts(*counted);
  answer.counted = counts.operations;
  CollectiveReport order = checkCollectiveOrder(*counted);
  // That sizes differ says less than that the counts are missing.
  llvm::erase_if(order.findings, [&](const StepFinding &finding) {
    return llvm::any_of(counts.findings, [&](const StepFinding &other) { return other.op == finding.op; });
  });
  answer.stepFindings = std::move(counts.findings);
  llvm::append_range(answer.stepFindings, order.findings);
  return success();
}

int run(const Options &options) {
  DialectRegistry registry;
  registerAllDialects(registry);
  registerAllExtensions(registry);
  registry.insert<MusterDialect, nn::NNDialect>();
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  context.printOpOnDiagnostic(false); // One line an error.
  llvm::SourceMgr sources;
  SourceMgrDiagnosticHandler lines(sources, &context, llvm::errs());
  llvm::StringMap<int64_t> mesh = parseMesh(options.mesh);
  OwningOpRef<ModuleOp> module = parseProgram(options.input, sources, &context);
  if (!module)
    return exitRefuted;
  chooseMesh(*module, mesh);
  if (!mesh.empty() && !options.certificate.empty())
    usageError(
        "E0109 expected --certificate without --mesh, because a certificate is of the text as it stands, but got both");

  Answer answer;
  answer.file = options.input;
  answer.allowUnknown = options.allowUnknown;
  auto started = std::chrono::steady_clock::now();
  LayoutCertificate certificate(*module);
  answer.report = inferLayouts(*module, {}, options.certificate.empty() ? nullptr : &certificate);
  sampling::decideByRunning(answer.report);
  OwningOpRef<ModuleOp> counted;
  if (failed(checkStep(*module, counted, answer)))
    return exitRefuted;
  auto ended = std::chrono::steady_clock::now();
  explainFindings(answer.report);
  answer.milliseconds = std::chrono::duration<double, std::milli>(ended - started).count();
  if (answer.report.isSymbolic)
    answer.facts = collectFacts(*module);

  if (!options.json)
    for (const LayoutFinding &finding : answer.report.findings)
      emitMessage(renderFinding(finding, options.allowUnknown));
  if (!options.json)
    for (const StepFinding &finding : answer.stepFindings)
      emitMessage(renderFinding(finding, options.allowUnknown));
  answer.unchecked = findUnchecked(*module);
  if (!options.json)
    for (const LayoutMessage &message : answer.unchecked)
      emitMessage(message);
  std::vector<std::string> replayed;
  for (const LayoutFinding &finding : answer.report.findings) {
    if (!options.replay || !finding.counterexample)
      continue;
    llvm::Expected<std::string> line = replay(finding);
    replayed.push_back(line ? *line : llvm::toString(line.takeError()));
  }
  if (!options.json)
    for (const std::string &line : replayed)
      llvm::outs() << answer.file << ": " << line << "\n";
  if (!options.sarif.empty())
    if (int code = writeSarif(options, answer, sources.getMemoryBuffer(sources.getMainFileID())->getBuffer()))
      return code;
  if (!options.certificate.empty())
    if (int code = writeCertificate(options, answer, certificate,
                                    sources.getMemoryBuffer(sources.getMainFileID())->getBuffer()))
      return code;
  if (options.json)
    llvm::outs() << llvm::formatv("{0:2}\n", toJson(answer, replayed));
  else
    printSummary(answer);
  StringRef verdict = answer.verdict();
  if (verdict == "refuted")
    return exitRefuted;
  bool isAllowed = options.allowUnknown && answer.report.functions > 0;
  return verdict == "unknown" && !isAllowed ? exitUnknown : 0;
}

} // namespace

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  Options options;
  if (std::optional<int> code = parseCommandLine(argc, argv, options))
    return *code;
  return run(options);
}
