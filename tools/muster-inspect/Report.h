// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The whole plan, for people or for machines.

#ifndef MUSTER_TOOLS_MUSTERINSPECT_REPORT_H
#define MUSTER_TOOLS_MUSTERINSPECT_REPORT_H

#include "runtime/plan/LoadedPlan.h"

#include <string>

namespace muster::inspect {

struct ReportOptions {
  /// Every weight, or one line for all layers' weights of one kind.
  bool weights = false;
  /// Every step of every variant, or counts by kind.
  bool steps = false;
  /// Every instruction of the count program.
  bool counts = false;
};

std::string textReport(const plan::LoadedPlan &plan, const ReportOptions &options);

/// One JSON object with everything that textReport can show.
std::string jsonReport(const plan::LoadedPlan &plan);

} // namespace muster::inspect

#endif // MUSTER_TOOLS_MUSTERINSPECT_REPORT_H
