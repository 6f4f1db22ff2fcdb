// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// muster-compile INPUT -o PLAN: a GGUF file, a Hugging Face folder or a .mlir file to a plan file and its weights file.
#include "compiler/Codegen/Host/HostCodegen.h"
#include "compiler/Import/ImportError.h"
#include "compiler/Import/ImportModel.h"
#include "compiler/Import/ProgramText.h"
#include "compiler/Import/Tokenizer/TokenizerImport.h"
#include "compiler/Pipeline/CompilePlan.h"
#include "compiler/Pipeline/Phases.h"
#include "dialects/NN/IR/NNDialect.h"
#include "dialects/Plan/IR/PlanDialect.h"

#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Support/FileUtilities.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/ToolOutputFile.h"

#include <CLI/CLI.hpp>

#include <chrono>
#include <thread>

#include <sys/resource.h>

using namespace mlir;
using namespace muster;

namespace {

constexpr int exitWrongInput = 1, exitUsage = 2, exitUnsupported = 3;

struct Options {
  std::string input, output, checkpoint, mesh = "tp=1", target = "host", from, to, overlap = "none", padding = "sum";
  int64_t alignTokens = 1, maxStepTokens = 512, maxSequences = 8, maxContext = 0, maxLogitRows = 0, pageSlots = 16;
  unsigned threads = 0;
  bool json = false, timing = false;
  std::string graphOption;   // the first that was given of those that shape the graph of a checkpoint
  std::string paddingOption; // the first that was given of those that pad rows

  bool splitsBatches() const { return overlap == "two-batch"; }
  bool inputIsModule() const { return llvm::StringRef(input).ends_with(".mlir"); }
};

/// Fills `options`; the exit code where the process ends here.
std::optional<int> parseCommandLine(int argc, char **argv, Options &options) {
  CLI::App app("Compile a model for a mesh of ranks", "muster-compile");
  app.set_version_flag("--version", "muster-compile " MUSTER_VERSION);
  app.add_option("input", options.input, "GGUF file, Hugging Face folder or .mlir file")->required();
  app.add_option(
      "-o,--output", options.output,
      "Plan file to write (weights go beside it, ending in .weights); with --to, the module as text, by default on "
      "standard output");
  app.add_option("--checkpoint", options.checkpoint,
                 "GGUF file or Hugging Face folder with the weights and the tokenizer of a .mlir file");
  CLI::Option *mesh = app.add_option("--mesh", options.mesh, "Axes and sizes of the mesh")->capture_default_str();
  app.add_option("--target", options.target, "CPU to compile for: host, x86-64-v3, znver4, ...")->capture_default_str();
  app.add_option(
      "--from", options.from,
      "Phase that the input is in: model, counted, proved, transferred, formed, buffered, planned (default: what the "
      "module says)");
  app.add_option("--to", options.to, "Stop at the end of this phase and write the module as text");
  CLI::Option *maxStepTokens =
      app.add_option("--max-step-tokens", options.maxStepTokens, "Most tokens of one step")->capture_default_str();
  CLI::Option *maxSequences =
      app.add_option("--max-seqs", options.maxSequences, "Most sequences of one step")->capture_default_str();
  CLI::Option *maxContext = app.add_option("--max-context", options.maxContext,
                                           "Most positions of one sequence (default: the model's context)");
  CLI::Option *maxLogitRows = app.add_option("--max-logit-rows", options.maxLogitRows,
                                             "Most rows of logits of one step (default: max-step-tokens)");
  CLI::Option *pageSlots =
      app.add_option("--page-slots", options.pageSlots, "Positions of one page of the key-value cache")
          ->capture_default_str();
  app.add_option("--overlap", options.overlap,
                 "What a step computes while rows move: none, or two-batch, the other half of its batch")
      ->check(CLI::IsMember({"none", "two-batch"}))
      ->capture_default_str();
  CLI::Option *padding =
      app.add_option(
             "--padding", options.padding,
             "Dead rows behind a position's tokens where they are gathered: sum (only for --align-tokens), max (up "
             "to the position with the most), balanced (max where no sequence has several tokens and it at most "
             "doubles the rows)")
          ->check(CLI::IsMember({"sum", "max", "balanced"}))
          ->capture_default_str();
  CLI::Option *align = app.add_option("--align-tokens", options.alignTokens,
                                      "Gather a multiple of this many tokens of each position of axis dp")
                           ->check(CLI::Range(int64_t(1), int64_t(1) << 20))
                           ->capture_default_str();
  app.add_option("--threads", options.threads, "Threads for kernels and weights (default: the CPUs)");
  app.add_flag("--json", options.json, "Print the summary as JSON");
  app.add_flag("--timing", options.timing, "Print the time of every pass");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success &success) { // --help, --version
    return app.exit(success);
  } catch (const CLI::ParseError &error) {
    llvm::errs() << "muster-compile: E0101 " << error.what() << "\n";
    return exitUsage;
  }
  for (CLI::Option *option : {mesh, maxStepTokens, maxSequences, maxContext, maxLogitRows, pageSlots})
    if (option->count() > 0 && options.graphOption.empty())
      options.graphOption = option->get_name();
  if (padding->count() > 0 || align->count() > 0)
    options.paddingOption = padding->count() > 0 ? padding->get_name() : align->get_name();
  return std::nullopt;
}

[[noreturn]] void usageError(const llvm::Twine &text) {
  llvm::errs() << "muster-compile: " << text << "\n";
  exit(exitUsage);
}

/// Position of a number such as E4003 with a space behind it; npos where there is none.
size_t findNumber(llvm::StringRef text) {
  for (size_t at = text.find('E'); at != llvm::StringRef::npos; at = text.find('E', at + 1))
    if (text.size() > at + 5 && text[at + 5] == ' ' && llvm::all_of(text.substr(at + 1, 4), llvm::isDigit))
      return at;
  return llvm::StringRef::npos;
}

/// What a right program asks for and Muster does not have is said as "E4008 unsupported ...".
int getExitCode(llvm::StringRef text) {
  size_t number = findNumber(text);
  return number != llvm::StringRef::npos && text.substr(number + 6).starts_with("unsupported") ? exitUnsupported
                                                                                               : exitWrongInput;
}

/// Prints diagnostics of graphs that come from no text: `muster-compile: E4003 ... (at layers.0.attention.rope)`. Those
/// with a line in a file are left to the handler that prints it.
class DiagnosticPrinter {
public:
  explicit DiagnosticPrinter(MLIRContext *context)
      : handler(context, [this](Diagnostic &diagnostic) { return print(diagnostic); }) {}

  /// Of the first error.
  int exitCode() const { return code.value_or(exitWrongInput); }

private:
  LogicalResult print(Diagnostic &diagnostic) {
    std::string text = diagnostic.str();
    if (diagnostic.getSeverity() == DiagnosticSeverity::Error && !code)
      code = getExitCode(text);
    if (diagnostic.getLocation()->findInstanceOf<FileLineColLoc>())
      return failure();
    llvm::errs() << "muster-compile: ";
    if (diagnostic.getSeverity() == DiagnosticSeverity::Warning)
      llvm::errs() << "warning: ";
    // `'nn.rope' op ` in front of the number says less than the layer.
    size_t number = findNumber(text);
    llvm::errs() << llvm::StringRef(text).substr(number == llvm::StringRef::npos ? 0 : number);
    if (auto name = diagnostic.getLocation()->findInstanceOf<NameLoc>())
      llvm::errs() << " (at " << name.getName().getValue() << ")";
    llvm::errs() << "\n";
    for (Diagnostic &note : diagnostic.getNotes())
      llvm::errs() << "muster-compile: note: " << note.str() << "\n";
    return success();
  }

  std::optional<int> code;
  ScopedDiagnosticHandler handler;
};

/// Prints an error and returns the exit code.
int report(llvm::Error error) {
  int code = exitWrongInput;
  llvm::handleAllErrors(
      std::move(error),
      [&](const ImportError &known) {
        code = known.exitCode();
        llvm::errs() << "muster-compile: " << known.message() << "\n";
      },
      [&](const llvm::ErrorInfoBase &other) {
        code = getExitCode(other.message());
        llvm::errs() << "muster-compile: " << other.message() << "\n";
      });
  return code;
}

std::vector<std::pair<std::string, int64_t>> parseMesh(llvm::StringRef text) {
  std::vector<std::pair<std::string, int64_t>> axes;
  llvm::SmallVector<llvm::StringRef> parts;
  text.split(parts, ',');
  for (llvm::StringRef part : parts) {
    auto [name, size] = part.split('=');
    int64_t value;
    if (name.empty() || size.getAsInteger(10, value) || value < 1)
      usageError("E0105 expected --mesh to be like tp=3 but got '" + text + "'");
    axes.push_back({name.str(), value});
  }
  return axes;
}

/// One line on a terminal that is overwritten.
class ProgressLine {
public:
  explicit ProgressLine(const char *what) : what(what), enabled(llvm::sys::Process::StandardErrIsDisplayed()) {}
  ~ProgressLine() {
    if (shown)
      llvm::errs() << "\r\033[K";
  }
  void update(uint64_t done, uint64_t all) {
    auto now = std::chrono::steady_clock::now();
    if (!enabled || now - start < std::chrono::seconds(1) || now - last < std::chrono::milliseconds(100))
      return;
    last = now;
    shown = true;
    llvm::errs() << "\r\033[K" << what << " " << done / 1000000 << " of " << all / 1000000 << " MB";
  }

private:
  const char *what;
  bool enabled, shown = false;
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now(), last{};
};

std::string printed(Attribute attribute) {
  std::string text;
  llvm::raw_string_ostream(text) << attribute;
  return text;
}

/// Variants of the entry `step`: decode, prefill, and every row's logits.
void chooseVariants(ModuleOp module, const llama::LlamaGraphOptions &options) {
  Builder builder(module.getContext());
  auto variant = [&](int64_t tokens, int64_t rows) {
    auto bound = [&](StringRef name, int64_t most) {
      return builder.getNamedAttr(name, builder.getI64IntegerAttr(most));
    };
    tokens = std::min(tokens, options.maxStepTokens);
    SmallVector<NamedAttribute> bounds = {bound("t", options.rankRows(tokens)),
                                          bound("r", std::min(rows, options.logitRows()))};
    if (options.axisSize("sp") > 1)
      bounds.push_back(bound("t.total", tokens));
    return builder.getDictionaryAttr(bounds);
  };
  SmallVector<Attribute> variants;
  for (auto [tokens, rows] : {std::pair(options.maxSequences, options.maxSequences),
                              {int64_t(64), options.maxSequences},
                              {options.maxStepTokens, options.maxSequences}}) {
    DictionaryAttr attr = variant(tokens, rows);
    if (!llvm::is_contained(variants, attr))
      variants.push_back(attr);
  }
  for (auto function : module.getOps<func::FuncOp>())
    function->setAttr("muster.variants", builder.getArrayAttr(variants));
}

void printSummary(const Options &options, MeshAttr mesh, const CompiledPlan &plan, double seconds) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  uint64_t peak = static_cast<uint64_t>(usage.ru_maxrss) * 1024;
  if (options.json) {
    llvm::json::Object object{{"plan", options.output},
                              {"plan_bytes", int64_t(plan.planBytes)},
                              {"weight_bytes", int64_t(plan.weightBytes)},
                              {"rank_weight_bytes", int64_t(plan.rankWeightBytes)},
                              {"arena_bytes", int64_t(plan.arenaBytes)},
                              {"ranks", mesh.getRankCount()},
                              {"kernels", plan.kernels},
                              {"seconds", seconds},
                              {"kernel_seconds", plan.kernelSeconds},
                              {"weight_seconds", plan.weightSeconds},
                              {"peak_rss_bytes", int64_t(peak)}};
    llvm::outs() << llvm::json::Value(std::move(object)) << "\n";
    return;
  }
  auto megabytes = [](uint64_t bytes) { return llvm::format("%.1f MB", bytes / 1e6); };
  llvm::outs() << options.output << ": " << mesh.getRankCount() << (mesh.getRankCount() == 1 ? " rank" : " ranks")
               << ", " << plan.kernels << " kernels, plan " << megabytes(plan.planBytes) << ", weights "
               << megabytes(plan.weightBytes) << "; each rank: weights " << megabytes(plan.rankWeightBytes)
               << ", arena " << megabytes(plan.arenaBytes) << "\n"
               << "compiled in " << llvm::format("%.1f s", seconds) << " (kernels "
               << llvm::format("%.1f s", plan.kernelSeconds) << ", weights "
               << llvm::format("%.1f s", plan.weightSeconds) << "), peak memory " << megabytes(peak) << "\n";
}

/// The phases to run; `from` is nothing where the module says it.
struct PhaseRange {
  std::optional<Phase> from;
  Phase to = Phase::Planned;
};

/// Ends the process where options contradict each other.
PhaseRange checkUsage(const Options &options) {
  PhaseRange range;
  std::optional<Phase> to = Phase::Planned;
  if (!options.to.empty() && !(to = symbolizePhase(options.to)))
    usageError("E0106 expected --to to be a phase from model to planned but got '" + llvm::Twine(options.to) + "'");
  range.to = *to;
  if (!options.from.empty() && !(range.from = symbolizePhase(options.from)))
    usageError("E0106 expected --from to be a phase from model to planned but got '" + llvm::Twine(options.from) + "'");
  if (options.to.empty() && options.output.empty())
    usageError("E0104 expected -o with the plan file to write but got none");
  if (options.inputIsModule() && !options.graphOption.empty())
    usageError("E0107 expected " + options.graphOption + " with a checkpoint only but got input " + options.input);
  if (!options.inputIsModule() && !options.checkpoint.empty())
    usageError("E0107 expected --checkpoint with a .mlir file only but got input " + options.input);
  return range;
}

/// What a plan carries of its checkpoint beside the weights: its names and its tokenizer, if it has one.
llvm::Error describeCheckpoint(const Checkpoint &checkpoint, CompilePlanOptions &compile) {
  llvm::Expected<std::optional<tokenizers::Section>> tokenizer =
      checkpoint.gguf() ? tokenizers::importGguf(*checkpoint.gguf()) : tokenizers::importHuggingFace(checkpoint.path());
  if (!tokenizer)
    return tokenizer.takeError();
  if (*tokenizer)
    compile.tokenizer = std::move(**tokenizer);
  compile.model = {{"architecture", checkpoint.architecture().str()}, {"name", checkpoint.name().str()}};
  return llvm::Error::success();
}

/// The checkpoint's graph in the model phase.
FailureOr<OwningOpRef<ModuleOp>> buildGraph(MLIRContext *context, const Options &options,
                                            const Checkpoint &checkpoint) {
  llama::LlamaGraphOptions graph;
  graph.mesh = parseMesh(options.mesh);
  // Batches that are split have parts of any number of rows: a mesh without groups is one group.
  if (options.splitsBatches() && !graph.hasAxis("dp") && !graph.hasAxis("sp"))
    graph.mesh.insert(graph.mesh.begin(), {"dp", 1});
  graph.maxStepTokens = options.maxStepTokens;
  graph.maxSequences = options.maxSequences;
  graph.maxContext = options.maxContext ? options.maxContext : checkpoint.config().contextLength;
  graph.maxLogitRows = options.maxLogitRows ? options.maxLogitRows : options.maxStepTokens;
  graph.pageSlots = options.pageSlots;
  FailureOr<OwningOpRef<ModuleOp>> module = importModel(context, checkpoint, graph);
  if (succeeded(module))
    chooseVariants(**module, graph);
  return module;
}

/// As text that --from reads again. Returns the exit code.
int writeModule(ModuleOp module, llvm::StringRef path) {
  std::string message;
  auto output = openOutputFile(path.empty() ? "-" : path, &message);
  if (!output)
    return report(llvm::createStringError("E4202 cannot write the module because " + message));
  module->print(output->os(), OpPrintingFlags().enableDebugInfo());
  output->os() << "\n";
  output->keep();
  return 0;
}

/// Writes the plan and the weights file beside it, prints the summary and returns the exit code.
int writePlan(ModuleOp module, const Options &options, const Checkpoint *checkpoint, CompilePlanOptions compile,
              std::chrono::steady_clock::time_point started) {
  compile.planPath = options.output;
  llvm::SmallString<128> weightsPath(options.output);
  llvm::sys::path::replace_extension(weightsPath, "weights");
  compile.weightsPath = weightsPath.str().str();
  compile.producer = "muster " MUSTER_VERSION;
  ModelWeights weights(checkpoint, module);
  compile.weightSource = [&](WeightOp weight, float *out) { return weights.read(weight, out); };
  ProgressLine progress("writing weights");
  compile.progress = [&](uint64_t done, uint64_t all) { progress.update(done, all); };
  llvm::Expected<CompiledPlan> plan = compilePlan(module, compile);
  if (!plan)
    return report(plan.takeError());
  printSummary(options, getMesh(module), *plan,
               std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count());
  return 0;
}

int run(const Options &options) {
  auto started = std::chrono::steady_clock::now();
  PhaseRange phases = checkUsage(options);
  llvm::Expected<codegen::HostTarget> target = codegen::HostTarget::parse(options.target);
  if (!target)
    return report(target.takeError());

  DialectRegistry registry;
  registerAllDialects(registry);
  registerAllExtensions(registry);
  codegen::registerHostCodegenDialects(registry);
  registry.insert<MusterDialect, nn::NNDialect, plan::PlanDialect>();
  MLIRContext context(registry);
  context.loadAllAvailableDialects();
  context.printOpOnDiagnostic(false); // One line an error.
  llvm::SourceMgr sources;
  SourceMgrDiagnosticHandler lines(sources, &context, llvm::errs());
  DiagnosticPrinter diagnostics(&context);

  CompilePlanOptions compile;
  std::unique_ptr<Checkpoint> checkpoint;
  if (std::string path = options.inputIsModule() ? options.checkpoint : options.input; !path.empty()) {
    llvm::Expected<std::unique_ptr<Checkpoint>> opened = openCheckpoint(path);
    if (!opened)
      return report(opened.takeError());
    checkpoint = std::move(*opened);
    if (llvm::Error error = describeCheckpoint(*checkpoint, compile))
      return report(std::move(error));
  }
  FailureOr<OwningOpRef<ModuleOp>> module = options.inputIsModule()
                                                ? FailureOr(parseProgram(options.input, sources, &context))
                                                : buildGraph(&context, options, *checkpoint);
  if (failed(module) || !*module)
    return diagnostics.exitCode();
  ModuleOp op = **module;
  if (!phases.from && !(phases.from = getPhase(op)))
    return report(llvm::createStringError("E4021 expected attribute '" + phaseAttribute +
                                          "' to be a phase from model to planned but got " +
                                          printed(op->getAttr(phaseAttribute))));
  if (options.splitsBatches() && *phases.from != Phase::Model)
    usageError("E0107 expected --overlap two-batch with a module in phase model only but got phase " +
               stringifyPhase(*phases.from));
  if (!options.paddingOption.empty() && *phases.from != Phase::Model)
    usageError("E0107 expected " + options.paddingOption + " with a module in phase model only but got phase " +
               stringifyPhase(*phases.from));
  if (phases.to < *phases.from)
    usageError("E0106 expected --to to be " + stringifyPhase(*phases.from) + " or a phase behind it but got " +
               options.to);

  PassManager manager(&context);
  if (options.timing)
    manager.enableTiming();
  LoweringOptions lowering;
  lowering.packWeights = target->packsMatmulWeights();
  lowering.splitBatches = options.splitsBatches();
  lowering.padding = *symbolizePaddingMode(options.padding);
  lowering.alignTokens = options.alignTokens;
  addPhases(manager, *phases.from, phases.to, lowering);
  if (failed(manager.run(op)))
    return diagnostics.exitCode();
  if (!options.to.empty())
    return writeModule(op, options.output);
  compile.target = std::move(*target);
  compile.threads = options.threads ? options.threads : std::max(1u, std::thread::hardware_concurrency());
  return writePlan(op, options, checkpoint.get(), std::move(compile), started);
}

} // namespace

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  Options options;
  if (std::optional<int> code = parseCommandLine(argc, argv, options))
    return *code;
  return run(options);
}
