// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the command line of muster-run asks for.

#ifndef MUSTER_TOOLS_MUSTERRUN_RUNOPTIONS_H
#define MUSTER_TOOLS_MUSTERRUN_RUNOPTIONS_H

#include "runtime/executor/Executor.h"
#include "runtime/session/Sampler.h"
#include "runtime/status/Status.h"

#include <cstdint>
#include <string>
#include <vector>

namespace muster::run {

struct RunOptions {
  std::string plan;
  std::string weights;

  // Text
  std::vector<std::string> prompts;
  std::string promptsFile;
  uint32_t maxTokens = 128;
  session::SamplingOptions sampling;
  bool ignoreStop = false;

  // Token ids and logits
  std::string tokens;
  std::string logits;

  // Any entry
  std::string entry;
  std::vector<std::string> inputs; // "name=file.npy"
  std::vector<std::string> counts; // "t=3,0,5"
  std::string outputDir;

  // How it runs
  uint32_t threads = 0;
  executor::TransferThreads transferThreads = executor::TransferThreads::automatic;
  uint64_t cacheBytes = 0;
  uint32_t deadlineMs = 30000;
  bool processes = false;
  executor::TransportKind transport = executor::TransportKind::local;
  uint32_t rank = 0;
  std::string group;

  // What it prints
  std::string trace;
  bool stats = false;
  bool json = false;
  bool bench = false;
  std::string check;
  float checkTolerance = 1e-3f;

  /// One process of a run talks; the others compute the same in silence.
  bool talks() const { return rank == 0; }
};

/// Reads the command line. An empty plan in the result means that everything was said (--help, --version). Errors:
/// E0101.
Result<RunOptions> parseCommandLine(int argc, char **argv);

/// "512MiB", "2GB", "1073741824" -> bytes. Error: E0102.
Result<uint64_t> parseBytes(const std::string &text);

} // namespace muster::run

#endif // MUSTER_TOOLS_MUSTERRUN_RUNOPTIONS_H
