// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Analysis/LayoutDiagnostics.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace muster;

using NamedNumbers = ArrayRef<std::pair<std::string, int64_t>>;

static std::string assignments(NamedNumbers numbers) {
  return llvm::join(
      llvm::map_range(numbers, [](const auto &number) { return number.first + "=" + std::to_string(number.second); }),
      ", ");
}

template <typename Range, typename Text>
static std::string list(Range &&range, Text text) {
  return "[" + llvm::join(llvm::map_range(range, text), ", ") + "]";
}

std::string muster::describe(const LayoutCounterexample &example) {
  auto number = [](const auto &named) { return std::to_string(named.second); };
  auto name = [](const auto &named) { return named.first; };
  std::string text = "rank (" + assignments(example.coordinates) + "), local index " +
                     list(example.index, [](int64_t value) { return std::to_string(value); }) + ": wanted logical " +
                     list(example.wanted, number) + " of " + list(example.wanted, name) + ", got " +
                     list(example.got, number);
  if (!example.symbols.empty())
    text += " (where " + assignments(example.symbols) + ")";
  return text;
}

/// " at attention.mlir:26:10"; the folders are in the location of the note.
static std::string placeOf(Location location) {
  auto at = location->findInstanceOf<FileLineColLoc>();
  if (!at)
    return "";
  return (" at " + llvm::sys::path::filename(at.getFilename().getValue()) + ":" + Twine(at.getLine()) + ":" +
          Twine(at.getColumn()))
      .str();
}

LayoutMessage muster::renderFinding(const LayoutFinding &finding, bool allowUnknown) {
  using Severity = LayoutMessage::Severity;
  bool isUnknown = finding.kind == LayoutFinding::Kind::Unknown;
  LayoutMessage message{isUnknown && allowUnknown ? Severity::Warning : Severity::Error, "", finding.op->getLoc(), {}};
  if (finding.kind == LayoutFinding::Kind::Assumed) {
    message.severity = Severity::Remark;
    message.text = "assumed: " + finding.message;
    return message;
  }
  if (finding.number)
    message.text = "E" + std::to_string(finding.number) + " ";
  message.text += (isUnknown ? "cannot be proved: " : "") + finding.message;
  if (finding.counterexample)
    message.notes.push_back({message.location, describe(*finding.counterexample)});
  for (const auto &[location, text] : finding.notes)
    message.notes.push_back({location, text});
  for (const LayoutFix &fix : finding.fixes)
    message.notes.push_back({fix.location, "verified fix: " + fix.text + placeOf(fix.location)});
  if (!finding.condition.empty())
    message.notes.push_back({message.location, "the program is right as written iff " + finding.condition});
  if (!finding.missingFact.empty())
    message.notes.push_back(
        {message.location,
         (finding.kind == LayoutFinding::Kind::Refuted ? "" : "what would settle it: ") + finding.missingFact});
  return message;
}

void muster::emitMessage(const LayoutMessage &message) {
  InFlightDiagnostic diagnostic = message.severity == LayoutMessage::Severity::Error     ? emitError(message.location)
                                  : message.severity == LayoutMessage::Severity::Warning ? emitWarning(message.location)
                                                                                         : emitRemark(message.location);
  diagnostic << message.text;
  for (const LayoutMessage::Note &note : message.notes)
    diagnostic.attachNote(note.location) << note.text;
}
