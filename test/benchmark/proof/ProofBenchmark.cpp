// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the proof of layouts costs, on one core. Each program is parsed, proved once and looked at (all must be proved),
// then proved until half a second is over; the figures are of the fastest proof. Whole proofs are CPU time, so that
// what else the machine does shows little.
//
//   - the whole: milliseconds a proof; MB is how much a fresh process grew by while it proved the program for the first
//     time, at its peak; the module itself is not in it.
//   - an operation: from a second series with a clock around each operation, the median and the 99th percentile.
//   - growth: time an operation against the shortest program of the same sort. Twice the work for each operation at ten
//     times the length would be a sum of squares somewhere.
//
// Last the counts: of a Llama graph of 61 layers with data-parallel attention on 48 ranks, as it is counted by
// materialize-token-counts, the proof that every operation has the counts of its rows, and that all ranks issue the
// same collectives.
//
// ProofBenchmark [--dump NAME]: all figures; or the text of one program, to be given to muster-verify.
#include "compiler/Analysis/CollectiveOrder.h"
#include "compiler/Analysis/CountCheck.h"
#include "compiler/Analysis/LayoutInference.h"
#include "compiler/Transforms/Passes.h"
#include "dialects/NN/IR/NNDialect.h"
#include "models/llama/LlamaGraph.h"
#include "test/benchmark/proof/Chains.h"
#include "test/benchmark/proof/MixtureOfExperts.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <functional>

#include <sys/wait.h>
#include <unistd.h>

using namespace mlir;
using namespace muster;

namespace {

using Clock = std::chrono::steady_clock;

double microseconds(Clock::duration duration) { return std::chrono::duration<double, std::micro>(duration).count(); }

double cpuMicroseconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

/// A field of /proc/self/status in MB; 0 where there is none.
double processMegabytes(const char *field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind(field, 0) == 0)
      return static_cast<double>(std::atoll(line.c_str() + std::strlen(field))) / 1024;
  return 0;
}

/// From here on VmHWM is the peak since now.
void resetPeak() { std::ofstream("/proc/self/clear_refs") << "5"; }

struct Figures {
  int64_t operations = 0;
  double wholeUs = 0, megabytes = 0, medianUs = 0, p99Us = 0, maxUs = 0;
};

class Bench {
public:
  Bench() {
    context.loadDialect<MusterDialect, nn::NNDialect, func::FuncDialect, linalg::LinalgDialect, math::MathDialect,
                        tensor::TensorDialect, arith::ArithDialect, scf::SCFDialect>();
    context.disableMultithreading();
  }

  /// In a process of its own, so that memory which another program left is not used again.
  static Figures measureApart(const std::string &text) {
    std::fflush(stdout);
    int ends[2];
    if (pipe(ends) != 0)
      std::exit(1);
    pid_t child = fork();
    if (child == 0) {
      Figures figures = Bench().measure(text);
      std::_Exit(write(ends[1], &figures, sizeof figures) == sizeof figures ? 0 : 1);
    }
    Figures figures;
    close(ends[1]);
    bool isRead = read(ends[0], &figures, sizeof figures) == sizeof figures;
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    if (!isRead || status != 0)
      std::exit(1);
    return figures;
  }

private:
  Figures measure(const std::string &text) {
    OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
    if (!module)
      std::exit(1);
    Figures figures;
    resetPeak();
    double before = processMegabytes("VmRSS:");
    LayoutReport report = inferLayouts(*module);
    figures.megabytes = processMegabytes("VmHWM:") - before;
    figures.operations = report.operations;
    if (!report.findings.empty() || report.results == 0) {
      std::fprintf(stderr, "not proved: %s\n", report.findings.empty() ? "" : report.findings.front().message.c_str());
      if (!report.findings.empty() && report.findings.front().op)
        report.findings.front().op->dump();
      std::exit(1);
    }
    auto repeat = [&](auto run) {
      auto end = Clock::now() + std::chrono::milliseconds(500);
      do
        run();
      while (Clock::now() < end);
    };
    figures.wholeUs = 1e12;
    repeat([&] {
      double start = cpuMicroseconds();
      inferLayouts(*module);
      figures.wholeUs = std::min(figures.wholeUs, cpuMicroseconds() - start);
    });
    // The fastest of each operation: what else the machine does shows in some repetition only.
    std::vector<double> times;
    repeat([&] {
      size_t number = 0;
      auto last = Clock::now();
      inferLayouts(*module, [&](Operation *) {
        auto now = Clock::now();
        if (number == times.size())
          times.push_back(microseconds(now - last));
        times[number] = std::min(times[number], microseconds(now - last));
        ++number;
        last = Clock::now();
      });
    });
    std::sort(times.begin(), times.end());
    figures.medianUs = times[times.size() / 2];
    figures.p99Us = times[times.size() * 99 / 100];
    figures.maxUs = times.back();
    return figures;
  }

  MLIRContext context;
};

void print(const std::string &name, const Figures &figures, double growth = 0) {
  std::printf("%-34s %8ld %10.2f %8.2f %8.2f %8.2f %9.2f %7.1f", name.c_str(), long(figures.operations),
              figures.wholeUs / 1000, figures.wholeUs / static_cast<double>(figures.operations), figures.medianUs,
              figures.p99Us, figures.maxUs, figures.megabytes);
  if (growth > 0)
    std::printf(" %6.2f", growth);
  std::printf("\n");
  std::fflush(stdout);
}

benchmarks::MixtureOfExperts onRanks(int64_t ep, int64_t tp) {
  benchmarks::MixtureOfExperts model;
  model.ep = ep;
  model.tp = tp;
  return model;
}

struct Series {
  const char *name;
  std::string (*make)(int64_t);
  std::vector<int64_t> lengths;
};

const Series series[] = {
    {"movement", benchmarks::movementChain, {1000, 10000, 100000}},
    {"misaligned", benchmarks::misalignedChain, {40, 400, 4000}},
    {"weights", benchmarks::weights, {100, 1000, 10000}},
    {"calls", benchmarks::calls, {10, 100, 1000}},
    {"functions", benchmarks::functions, {10, 100, 1000}},
    {"nested", benchmarks::nestedBranches, {10, 100, 390}},
};

/// The fastest of several proofs, in milliseconds of CPU time; negative where something is found.
struct CountFigures {
  int64_t operations = 0, counted = 0;
  double countsMs = -1, orderMs = -1;
};

CountFigures measureCounts() {
  llama::LlamaConfig config;
  config.layers = 61;
  config.hidden = 64;
  config.heads = 16;
  config.kvHeads = 8;
  config.headDim = 8;
  config.feedForward = config.vocabulary = 96;
  config.contextLength = 128;
  config.rmsEpsilon = 1e-5;
  config.ropeTheta = 10000;
  llama::LlamaGraphOptions options;
  options.mesh = {{"dp", 12}, {"tp", 4}};
  options.maxContext = 128;
  MLIRContext context(MLIRContext::Threading::DISABLED);
  CountFigures figures;
  FailureOr<OwningOpRef<ModuleOp>> module = llama::buildLlama(&context, config, options);
  if (failed(module))
    return figures;
  PassManager passes(&context);
  passes.addPass(createMaterializeTokenCountsPass());
  if (failed(passes.run(**module)))
    return figures;
  (*module)->walk([&](Operation *) { ++figures.operations; });
  for (int round = 0; round < 20; ++round) {
    double start = cpuMicroseconds();
    CountReport counts = checkCounts(**module);
    double between = cpuMicroseconds();
    CollectiveReport order = checkCollectiveOrder(**module);
    double end = cpuMicroseconds();
    // Two gathers, two reductions and more a layer.
    if (!counts.findings.empty() || !order.findings.empty() || counts.operations < 2 * config.layers)
      return CountFigures();
    figures.counted = counts.operations;
    auto keep = [](double &best, double us) { best = best < 0 ? us / 1000 : std::min(best, us / 1000); };
    keep(figures.countsMs, between - start);
    keep(figures.orderMs, end - between);
  }
  return figures;
}

int dump(const std::string &name) {
  if (name == "experts-8" || name == "experts-8192") {
    std::fputs((name == "experts-8" ? onRanks(4, 2) : onRanks(128, 64)).text().c_str(), stdout);
    return 0;
  }
  for (const Series &one : series)
    for (int64_t length : one.lengths)
      if (name == one.name + ("-" + std::to_string(length))) {
        std::fputs(one.make(length).c_str(), stdout);
        return 0;
      }
  std::fprintf(stderr, "expected the name of a program but got %s\n", name.c_str());
  return 2;
}

} // namespace

int main(int argc, char **argv) {
  if (argc == 3 && std::strcmp(argv[1], "--dump") == 0)
    return dump(argv[2]);
  std::printf("%-34s %8s %10s %8s %8s %8s %9s %7s %6s\n", "program", "ops", "ms", "us/op", "median", "p99", "max", "MB",
              "growth");
  Figures few = Bench::measureApart(onRanks(4, 2).text()), many = Bench::measureApart(onRanks(128, 64).text());
  print("experts-8", few);
  print("experts-8192", many, many.wholeUs / few.wholeUs);
  for (const Series &one : series) {
    double first = 0;
    for (int64_t length : one.lengths) {
      Figures figures = Bench::measureApart(one.make(length));
      double each = figures.wholeUs / static_cast<double>(figures.operations);
      first = first ? first : each;
      print(one.name + ("-" + std::to_string(length)), figures, each / first);
    }
  }
  CountFigures counts = measureCounts();
  if (counts.countsMs < 0) {
    std::fprintf(stderr, "expected the counts of the Llama graph to be proved\n");
    return 1;
  }
  std::printf(
      "counts of 61 layers on 48 ranks: %ld operations, %ld with counts: %.2f ms; order of collectives %.2f ms\n",
      long(counts.operations), long(counts.counted), counts.countsMs, counts.orderMs);
  return 0;
}
