// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "tools/muster-verify/Report.h"

using namespace muster;
using namespace muster::verify;
using llvm::json::Array;
using llvm::json::Object;
using llvm::json::Value;

Position verify::positionOf(mlir::Location location) {
  auto at = location->findInstanceOf<mlir::FileLineColLoc>();
  if (!at)
    return {};
  return {at.getFilename().str(), at.getLine(), at.getColumn()};
}

llvm::StringRef Answer::verdict() const {
  auto isUnknown = [](const StepFinding &finding) { return finding.isUnknown(); };
  if (report.has(LayoutFinding::Kind::Refuted) || !llvm::all_of(stepFindings, isUnknown))
    return "refuted";
  // A program that declares nothing is not proved: there was nothing to prove.
  return report.has(LayoutFinding::Kind::Unknown) || !stepFindings.empty() || report.functions == 0 ? "unknown"
                                                                                                    : "proved";
}

static Value toJson(mlir::Location location) {
  Position at = positionOf(location);
  if (at.file.empty())
    return nullptr;
  return Object{{"file", at.file}, {"line", at.line}, {"column", at.column}};
}

static Object named(llvm::ArrayRef<std::pair<std::string, int64_t>> numbers) {
  Object object;
  for (const auto &[name, number] : numbers)
    object[name] = number;
  return object;
}

static Array numbers(llvm::ArrayRef<std::pair<std::string, int64_t>> named) {
  Array array;
  for (const auto &[name, number] : named)
    array.push_back(number);
  return array;
}

static Object toJson(const LayoutCounterexample &example) {
  Array dims;
  for (const auto &[name, number] : example.wanted)
    dims.push_back(name);
  Object object{{"rank", named(example.coordinates)},
                {"index", Array(example.index)},
                {"dims", std::move(dims)},
                {"wanted", numbers(example.wanted)},
                {"got", numbers(example.got)}};
  if (!example.symbols.empty())
    object["sizes"] = named(example.symbols);
  return object;
}

static Object toJson(const LayoutMessage &message, llvm::StringRef verdict, int number) {
  Object object{{"verdict", verdict}, {"message", message.text}, {"location", toJson(message.location)}};
  if (number)
    object["code"] = "E" + std::to_string(number);
  Array notes;
  for (const LayoutMessage::Note &note : message.notes)
    notes.push_back(Object{{"text", note.text}, {"location", toJson(note.location)}});
  object["notes"] = std::move(notes);
  return object;
}

static Object toJson(const LayoutFinding &finding, bool allowUnknown) {
  bool isRefuted = finding.kind == LayoutFinding::Kind::Refuted;
  Object object = toJson(renderFinding(finding, allowUnknown),
                         isRefuted        ? "refuted"
                         : finding.number ? "unknown"
                                          : "assumed",
                         finding.number);
  if (finding.counterexample)
    object["counterexample"] = toJson(*finding.counterexample);
  if (!finding.missingFact.empty())
    object["missing_fact"] = finding.missingFact;
  if (!finding.condition.empty())
    object["right_iff"] = finding.condition;
  Array fixes;
  for (const LayoutFix &fix : finding.fixes) {
    Object own{{"text", fix.text}, {"location", toJson(fix.location)}};
    if (!fix.before.empty()) {
      own["before"] = fix.before;
      own["after"] = fix.after;
    }
    fixes.push_back(std::move(own));
  }
  object["fixes"] = std::move(fixes);
  return object;
}

Value verify::toJson(const Answer &answer, llvm::ArrayRef<std::string> replay) {
  Array findings;
  for (const LayoutFinding &finding : answer.report.findings)
    findings.push_back(::toJson(finding, answer.allowUnknown));
  for (const StepFinding &finding : answer.stepFindings) {
    Object object = ::toJson(renderFinding(finding, answer.allowUnknown), finding.isUnknown() ? "unknown" : "refuted",
                             finding.number);
    object["fixes"] = Array();
    findings.push_back(std::move(object));
  }
  Array unchecked;
  for (const LayoutMessage &message : answer.unchecked)
    unchecked.push_back(Object{{"message", message.text}, {"location", ::toJson(message.location)}});
  Object object{{"file", answer.file},
                {"verdict", answer.verdict()},
                {"for_all_sizes", answer.report.isSymbolic},
                {"facts", Array(answer.facts)},
                {"functions", answer.report.functions},
                {"results", answer.report.results},
                {"claims", answer.report.claims},
                {"operations", answer.report.operations},
                {"counted", answer.counted},
                {"milliseconds", answer.milliseconds},
                {"unchecked", std::move(unchecked)},
                {"findings", std::move(findings)}};
  if (!replay.empty())
    object["replay"] = Array(replay);
  return object;
}
