// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "tools/muster-verify/Report.h"

#include "llvm/ADT/STLExtras.h"

using namespace muster;
using namespace muster::verify;
using llvm::json::Array;
using llvm::json::Object;
using llvm::json::Value;

namespace {

struct Rule {
  int number;
  const char *name, *description;
};
constexpr Rule rules[] = {
    {1104, "WrongElements", "elements at the wrong place"},
    {1105, "WrongReduction", "not reduced, or reduced twice"},
    {1106, "OperandsDisagree", "operands do not agree"},
    {1107, "LayoutDoesNotFit", "layout that does not fit"},
    {1108, "CannotBeProved", "nothing can be proved of it"},
    {1113, "ComputesOtherwise", "computes otherwise than on one rank"},
    {1201, "NoCounts", "rows moved without counts"},
    {1202, "OtherBatch", "counts of another batch"},
    {1203, "OtherUnit", "counts of another unit"},
    {1204, "OtherAxes", "counts or rows over other axes"},
    {1205, "NotAgreed", "counts that ranks do not agree on"},
    {1206, "OtherRows", "counts that do not count these rows"},
    {1207, "OtherFirstRow", "rows that begin elsewhere"},
    {1208, "NotAligned", "unaligned rows in equal parts"},
    {1209, "NoRoom", "no room for the rows of a step"},
    {1210, "DeadRows", "rows that nobody gave a value"},
    {1211, "NotTheChildren", "children that are not their batch"},
    {1212, "CountedTwice", "a batch that is counted more than once"},
    {1213, "NotSent", "rows received that nobody sends"},
    {1214, "PaddedTwice", "a batch that is padded in two ways"},
    {1220, "CountsNotProved", "counts that cannot be proved"},
    {1221, "BranchesDiffer", "branches with different collectives"},
    {1222, "LoopsDiffer", "loops that ranks run differently often"},
    {1223, "SizesDiffer", "a collective of tensors of different sizes"},
};

} // namespace

static Object text(llvm::StringRef own) { return Object{{"text", own.str()}}; }

static Object physical(const Position &at) {
  return Object{{"artifactLocation", Object{{"uri", at.file}}},
                {"region", Object{{"startLine", at.line}, {"startColumn", at.column}}}};
}

/// SARIF counts from 1; MLIR's locations do too.
static std::optional<Object> locate(mlir::Location location) {
  Position at = positionOf(location);
  if (at.file.empty() || at.line == 0 || at.column == 0)
    return std::nullopt;
  return Object{{"physicalLocation", physical(at)}};
}

/// The region of the first `before` at or behind a position, within the operation's lines: a handful.
static std::optional<Object> regionOf(const Position &at, llvm::StringRef before, llvm::StringRef source) {
  constexpr unsigned mostLines = 8;
  llvm::SmallVector<llvm::StringRef> lines;
  source.split(lines, '\n');
  for (unsigned line = at.line; line < at.line + mostLines && line >= 1 && line <= lines.size(); ++line) {
    size_t column = lines[line - 1].find(before, line == at.line ? at.column - 1 : 0);
    if (column != llvm::StringRef::npos)
      return Object{{"startLine", line},
                    {"startColumn", int64_t(column) + 1},
                    {"endLine", line},
                    {"endColumn", int64_t(column + before.size()) + 1}};
  }
  return std::nullopt;
}

static std::optional<Object> toSarif(const LayoutFix &fix, llvm::StringRef source) {
  Position at = positionOf(fix.location);
  if (fix.before.empty() || at.file.empty())
    return std::nullopt;
  std::optional<Object> region = regionOf(at, fix.before, source);
  if (!region)
    return std::nullopt;
  Object replacement{{"deletedRegion", std::move(*region)}, {"insertedContent", text(fix.after)}};
  Object change{{"artifactLocation", Object{{"uri", at.file}}}, {"replacements", Array{std::move(replacement)}}};
  return Object{{"description", text(fix.text)}, {"artifactChanges", Array{std::move(change)}}};
}

static Object toSarif(const LayoutMessage &message, int number) {
  using Severity = LayoutMessage::Severity;
  // A reader of a plain list sees the message alone, so that what the notes say of the same place belongs to it.
  std::string whole = message.text;
  Array related;
  for (const LayoutMessage::Note &note : message.notes) {
    whole += "\n" + note.text;
    if (std::optional<Object> at = locate(note.location)) {
      (*at)["message"] = text(note.text);
      related.push_back(std::move(*at));
    }
  }
  Object result{{"level", message.severity == Severity::Error     ? "error"
                          : message.severity == Severity::Warning ? "warning"
                                                                  : "note"},
                {"message", text(whole)}};
  if (number) {
    result["ruleId"] = "E" + std::to_string(number);
    const Rule *known = llvm::find_if(rules, [&](const Rule &rule) { return rule.number == number; });
    if (known != std::end(rules))
      result["ruleIndex"] = int64_t(known - rules);
  }
  if (std::optional<Object> at = locate(message.location))
    result["locations"] = Array{std::move(*at)};
  if (!related.empty())
    result["relatedLocations"] = std::move(related);
  return result;
}

static Object toSarif(const LayoutFinding &finding, bool allowUnknown, llvm::StringRef source) {
  Object result = toSarif(renderFinding(finding, allowUnknown), finding.number);
  Array fixes;
  for (const LayoutFix &fix : finding.fixes)
    if (std::optional<Object> own = toSarif(fix, source))
      fixes.push_back(std::move(*own));
  if (!fixes.empty())
    result["fixes"] = std::move(fixes);
  return result;
}

Value verify::toSarif(const Answer &answer, llvm::StringRef source) {
  Array descriptors;
  for (const Rule &rule : rules) {
    std::string id = "E" + std::to_string(rule.number);
    descriptors.push_back(Object{{"id", id},
                                 {"name", rule.name},
                                 {"shortDescription", text(rule.description)},
                                 {"helpUri", "docs/errors/" + id + ".md"}});
  }
  Array results;
  for (const LayoutFinding &finding : answer.report.findings)
    results.push_back(::toSarif(finding, answer.allowUnknown, source));
  for (const StepFinding &finding : answer.stepFindings)
    results.push_back(::toSarif(renderFinding(finding, answer.allowUnknown), finding.number));
  for (const LayoutMessage &message : answer.unchecked) {
    Object result = ::toSarif(message, 0);
    result["kind"] = "notApplicable";
    result["level"] = "none";
    results.push_back(std::move(result));
  }
  Object driver{{"name", "muster-verify"}, {"version", MUSTER_VERSION}, {"rules", std::move(descriptors)}};
  Object run{{"tool", Object{{"driver", std::move(driver)}}},
             {"columnKind", "utf16CodeUnits"},
             {"artifacts", Array{Object{{"location", Object{{"uri", answer.file}}}}}},
             {"results", std::move(results)}};
  return Object{{"$schema", "https://json.schemastore.org/sarif-2.1.0.json"},
                {"version", "2.1.0"},
                {"runs", Array{std::move(run)}}};
}
