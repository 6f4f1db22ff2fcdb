// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// No right program of the repository is refuted by running, whatever the rules say of it: the corpus, the examples of
// models, and all pieces of the verifier's tests that expect no error.
#include "compiler/Sampling/DecideByRunning.h"
#include "dialects/NN/IR/NNDialect.h"

#include "mlir/InitAllDialects.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringExtras.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

using namespace mlir;
using namespace muster;
using Outcome = sampling::Comparison::Outcome;

namespace {

std::string readFile(const std::filesystem::path &path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

/// Functions of the pieces of all .mlir files of a folder, and how many of them compute what one rank does.
struct Counts {
  int64_t functions = 0, equal = 0;
};

Counts runAll(const std::string &folder, bool byName) {
  DialectRegistry registry;
  registerAllDialects(registry);
  registry.insert<MusterDialect, nn::NNDialect>();
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  ScopedDiagnosticHandler silence(&context, [](Diagnostic &) { return success(); });
  std::string root = std::getenv("MUSTER_SOURCE_ROOT") ? std::getenv("MUSTER_SOURCE_ROOT") : ".";
  Counts counts;
  for (const auto &entry : std::filesystem::directory_iterator(root + "/" + folder)) {
    if (entry.path().extension() != ".mlir")
      continue;
    std::string text = readFile(entry.path());
    SmallVector<StringRef> pieces;
    StringRef(text).split(pieces, "// -----");
    for (StringRef piece : pieces) {
      if (piece.contains("expected-error") || piece.contains("expected-warning"))
        continue;
      OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(piece, ParserConfig(&context));
      if (!module)
        continue;
      for (auto function : module->getOps<func::FuncOp>()) {
        bool isRight = byName ? function.getName().starts_with("right_") : !function.getName().contains("negative");
        if (!isRight || !function.isPublic())
          continue;
        ++counts.functions;
        Outcome outcome = sampling::compareWithOneRank(function).outcome;
        counts.equal += outcome == Outcome::Equal;
        if (outcome == Outcome::Undecided && std::getenv("MUSTER_SHOW_UNDECIDED"))
          std::printf("  %s: @%s\n", entry.path().filename().c_str(), function.getName().str().c_str());
        EXPECT_NE(outcome, Outcome::Different) << entry.path().filename().string() << ": @" << function.getName().str();
      }
    }
  }
  return counts;
}

TEST(RightPrograms, Corpus) {
  Counts counts = runAll("test/corpus/layouts", /*byName=*/true);
  std::printf("%ld functions, %ld equal\n", long(counts.functions), long(counts.equal));
  EXPECT_GE(counts.equal, 75);
}

TEST(RightPrograms, Examples) {
  Counts counts = runAll("models/examples", /*byName=*/false);
  std::printf("%ld functions, %ld equal\n", long(counts.functions), long(counts.equal));
  EXPECT_GE(counts.equal, 5);
}

TEST(RightPrograms, UnusualForms) {
  Counts counts = runAll("test/unit/compiler/Sampling/Inputs", /*byName=*/false);
  EXPECT_EQ(counts.functions, 9);
  EXPECT_EQ(counts.equal, 5);
}

TEST(RightPrograms, TestsOfTheVerifier) {
  Counts counts = runAll("test/compiler/Transforms", /*byName=*/false);
  std::printf("%ld functions, %ld equal\n", long(counts.functions), long(counts.equal));
  EXPECT_GE(counts.equal, 30);
}

} // namespace
