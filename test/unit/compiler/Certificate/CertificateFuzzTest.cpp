// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Certificates of random programs, and of single edits of them, against what the programs compute.
//
// The certificate of a proved program is accepted, or the checker has no rule; there is a ceiling on how often that is.
// An edit is checked against the certificate of the program that it was made of, and against the maps that the
// inference wrote down of itself, whatever it thought of them. None is accepted that differs in a run from what it
// computes on one rank.
//
// MUSTER_FUZZ_PROGRAMS (with MUSTER_FUZZ_SEED, 1 where it is not given) fuzzes so many other programs, without
// ceilings.
#include "compiler/Analysis/LayoutCertificate.h"
#include "compiler/Analysis/LayoutInference.h"
#include "compiler/Certificate/Checker.h"
#include "test/unit/compiler/Analysis/ProgramEdits.h"
#include "test/unit/compiler/Analysis/ProgramJudge.h"
#include "test/unit/compiler/Analysis/RightProgram.h"

#include "llvm/Support/FormatVariadic.h"
#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <thread>

using namespace mlir;
using namespace muster;
using namespace muster::test;

namespace {

struct Counts {
  int64_t right = 0;       ///< proved, of right programs and edits
  int64_t accepted = 0;    ///< of them
  int64_t withoutRule = 0; ///< of them, E1112
  int64_t rejected = 0;    ///< of them, E1111
  int64_t edits = 0;       ///< checked against the certificate of the program before the edit, and their own
  int64_t editsAccepted = 0;
  int64_t editsDifferent = 0; ///< of them, those that differ in a run

  void add(const Counts &other) {
    for (auto member : {&Counts::right, &Counts::accepted, &Counts::withoutRule, &Counts::rejected, &Counts::edits,
                        &Counts::editsAccepted, &Counts::editsDifferent})
      this->*member += other.*member;
  }
};

/// What the inference writes down, proved or not.
struct Written {
  llvm::json::Array functions;
  bool isProved = false;
};

class CertificateJudge {
public:
  void judge(uint64_t seed) {
    Dice dice(seed);
    Program right = makeRight(dice);
    runner.forget();
    OwningOpRef<ModuleOp> module = runner.parse(right.text(right.mesh));
    ASSERT_TRUE(module);
    Written certificate = write(*module);
    judgeProved(*module, certificate, "seed " + std::to_string(seed), right);
    rightRun = runner.run(right, *module);
    for (int i = 0; i < 2; ++i) {
      std::string edit;
      std::optional<Program> mutant = mutate(right, dice, edit);
      OwningOpRef<ModuleOp> edited = mutant ? runner.parse(mutant->text(mutant->mesh)) : nullptr;
      if (!edited)
        continue;
      std::string name = "seed " + std::to_string(seed) + ", " + edit;
      Written own = write(*edited);
      judgeProved(*edited, own, name, *mutant);
      judgeEdit(*mutant, *edited, certificate, name + ", the certificate of the program");
      judgeEdit(*mutant, *edited, own, name + ", its own");
    }
  }

  Counts counts;
  std::map<std::string, int64_t> reasons; ///< of proved programs that are not accepted
  std::vector<std::string> faults;        ///< the first few

private:
  static Written write(ModuleOp module) {
    LayoutCertificate certificate(module);
    LayoutReport report = inferLayouts(module, nullptr, &certificate);
    std::string text;
    llvm::raw_string_ostream stream(text);
    certificate.print(stream, "");
    Written written;
    written.isProved = !report.has(LayoutFinding::Kind::Refuted) && !report.has(LayoutFinding::Kind::Unknown);
    llvm::Expected<llvm::json::Value> parsed = llvm::json::parse(text);
    EXPECT_TRUE(bool(parsed));
    if (parsed)
      written.functions = *parsed->getAsObject()->getArray("functions");
    else
      llvm::consumeError(parsed.takeError());
    return written;
  }

  void judgeProved(ModuleOp module, const Written &certificate, const std::string &name, const Program &program) {
    if (!certificate.isProved)
      return;
    ++counts.right;
    std::optional<certificate::Fault> fault = certificate::check(module, certificate.functions);
    if (const char *folder = std::getenv("MUSTER_FUZZ_DUMP"))
      std::ofstream(std::string(folder) + "/" + name + ".mlir") << program.text(program.mesh);
    counts.accepted += !fault;
    counts.withoutRule += fault && fault->isUnsupported;
    counts.rejected += fault && !fault->isUnsupported;
    if (fault && ++reasons[fault->message.substr(0, 60)] <= mostShown && std::getenv("MUSTER_FUZZ_SHOW_UNKNOWN"))
      faults.push_back(name + ": " + fault->message + "\n" + program.text(program.mesh));
  }

  void judgeEdit(const Program &mutant, ModuleOp module, const Written &certificate, const std::string &name) {
    ++counts.edits;
    if (certificate::check(module, certificate.functions))
      return;
    ++counts.editsAccepted;
    ProgramRun got = runner.run(mutant, module);
    const ProgramRun *wanted = runner.runSingle(mutant);
    bool hasNan = false;
    for (const ProgramRun *run : {wanted, static_cast<const ProgramRun *>(&rightRun)})
      if (run && run->logical && got.logical && isClose(*got.logical, *run->logical, hasNan))
        return;
    ProgramJudge judge;
    if (got.logical && (hasNan || judge.hasOtherConstants(mutant, *got.logical)))
      return;
    ++counts.editsDifferent;
    if (faults.size() < mostShown)
      faults.push_back("accepted, but the result differs: " + name + "\n" + mutant.text(mutant.mesh) +
                       llvm::formatv("{0}", llvm::json::Value(llvm::json::Array(certificate.functions))).str());
  }

  static constexpr int64_t mostShown = 4;
  ProgramRunner runner;
  ProgramRun rightRun;
};

TEST(CertificateFuzz, AcceptedProgramsAreRight) {
  auto numberOf = [](const char *variable, uint64_t otherwise) {
    const char *text = std::getenv(variable);
    return text ? std::strtoull(text, nullptr, 10) : otherwise;
  };
  uint64_t first = numberOf("MUSTER_FUZZ_SEED", 1), programs = numberOf("MUSTER_FUZZ_PROGRAMS", 1000);
  CertificateJudge judges[2];
  std::vector<std::thread> threads;
  for (uint64_t thread : {0, 1})
    threads.emplace_back([&, thread] {
      for (uint64_t seed = first + thread; seed < first + programs; seed += 2)
        judges[thread].judge(seed);
    });
  Counts counts;
  for (uint64_t thread : {0, 1}) {
    threads[thread].join();
    counts.add(judges[thread].counts);
    for (const auto &[reason, count] : judges[thread].reasons)
      std::printf("  %ld proved and not accepted: %s\n", long(count), reason.c_str());
    for (const std::string &fault : judges[thread].faults)
      std::printf("%s\n", fault.c_str());
  }
  std::printf("%ld proved programs: %ld accepted, %ld without a rule, %ld rejected; %ld certificates for edits: %ld "
              "accepted, of which %ld differ\n",
              long(counts.right), long(counts.accepted), long(counts.withoutRule), long(counts.rejected),
              long(counts.edits), long(counts.editsAccepted), long(counts.editsDifferent));
  EXPECT_EQ(counts.editsDifferent, 0);
  if (!std::getenv("MUSTER_FUZZ_PROGRAMS") && !std::getenv("MUSTER_FUZZ_SEED")) {
    // Both are for want of the right reading. Lower a ceiling where there are fewer; none may rise.
    EXPECT_LE(counts.withoutRule, 108);
    EXPECT_LE(counts.rejected, 4);
  }
  EXPECT_GE(counts.edits, int64_t(programs) * 3);
  EXPECT_GE(counts.editsAccepted, int64_t(programs) / 100);
  EXPECT_GE(counts.right, int64_t(programs) * 99 / 100);
}

} // namespace
