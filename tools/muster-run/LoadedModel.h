// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A plan that is ready to run: file, executor and, where it has the entry `step`, a session and a tokenizer.

#ifndef MUSTER_TOOLS_MUSTERRUN_LOADEDMODEL_H
#define MUSTER_TOOLS_MUSTERRUN_LOADEDMODEL_H

#include "runtime/session/PlanStepModel.h"
#include "runtime/session/Session.h"
#include "runtime/text/Tokenizer.h"
#include "tools/muster-run/RunOptions.h"

#include <optional>

namespace muster::run {

struct LoadedModel {
  std::shared_ptr<const plan::LoadedPlan> plan;
  std::shared_ptr<executor::Executor> executor;
  std::unique_ptr<session::Session> session;
  const session::PlanStepModel *steps = nullptr; // the session's
  std::optional<Tokenizer> tokenizer;
  double loadMs = 0;
};

/// Loads `path` and makes what `options` ask for. On a terminal it says on stderr what takes longer than a second.
/// `withSteps`: a plan without the entry `step` is an error (E2428). The executor is made once, so states begin as
/// zeros.
Result<LoadedModel> loadModel(const std::string &path, const RunOptions &options, bool withSteps);

/// The tokenizer, or E2429.
Result<const Tokenizer *> needTokenizer(const LoadedModel &model);

} // namespace muster::run

#endif // MUSTER_TOOLS_MUSTERRUN_LOADEDMODEL_H
