// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/session/StepPorts.h"

#include <limits>
#include <string>

namespace muster::session {

namespace {

struct ExpectedPort {
  const char *name;
  const char *field; // of the first dim
  size_t dims;
};
constexpr ExpectedPort expectedInputs[stepInputs] = {
    {"tokens", "t", 1},      {"positions", "t", 1},   {"query_starts", "starts", 1},
    {"block_table", "s", 2}, {"write_slots", "t", 1}, {"logit_rows", "r", 1}};

/// Finds the ports of a step and looks at their dims.
class Binder {
public:
  explicit Binder(const plan::LoadedPlan &plan) : plan(plan), counts(plan.counts()) {}
  Result<StepPorts> run();

private:
  Status bindFields();
  /// Field `name`, over the axes of s (of t, for what is spread as t is); noField where it is absent and `isOptional`.
  Status bindField(const std::string &name, bool isOptional, uint32_t &field) const;
  Status bindInputs(StepPorts::Part &part, const std::string &suffix) const;
  Status bindLogits() const;
  bool isExpected(const schema::PortDimT &dim, StepInput input, const StepPorts::Part &part) const;
  bool isRowsOf(const schema::PortDimT &dim, uint32_t field) const;
  bool isField(const count::Program::Instruction &maker, uint32_t field) const {
    return maker.op == schema::CountOp::Input && maker.operands[0] == field;
  }
  bool isConstant(const count::Program::Instruction &maker, int64_t value) const {
    return maker.op == schema::CountOp::Constant && maker.value == value;
  }
  /// At each position one element more than `field` says.
  bool isOneMore(const schema::PortDimT &dim, uint32_t field) const;
  /// At each position what `first` leaves of `whole`.
  bool isRest(const schema::PortDimT &dim, uint32_t whole, uint32_t first) const;
  const schema::EntryT &step() const { return *plan.root().entries[ports.entry]; }

  const plan::LoadedPlan &plan;
  const count::Program &counts;
  StepPorts ports;
};

bool Binder::isOneMore(const schema::PortDimT &dim, uint32_t field) const {
  if (dim.parts < 0)
    return false;
  const count::Program::Instruction &sum = counts.maker(static_cast<uint32_t>(dim.parts));
  if (sum.op != schema::CountOp::Add)
    return false;
  const auto &one = counts.maker(sum.operands[0]), &other = counts.maker(sum.operands[1]);
  return (isConstant(one, 1) && isField(other, field)) || (isConstant(other, 1) && isField(one, field));
}

bool Binder::isRest(const schema::PortDimT &dim, uint32_t whole, uint32_t first) const {
  if (dim.parts < 0)
    return false;
  const count::Program::Instruction *rest = &counts.maker(static_cast<uint32_t>(dim.parts));
  // Not below 0: where the first has more than the whole, the step is refused.
  if (rest->op == schema::CountOp::Maximum) {
    bool isLast = isConstant(counts.maker(rest->operands[1]), 0);
    if (!isLast && !isConstant(counts.maker(rest->operands[0]), 0))
      return false;
    rest = &counts.maker(rest->operands[isLast ? 0 : 1]);
  }
  return rest->op == schema::CountOp::Subtract && isField(counts.maker(rest->operands[0]), whole) &&
         isField(counts.maker(rest->operands[1]), first);
}

/// Whether a port's first dim is as long as input `input` of the part.
bool Binder::isExpected(const schema::PortDimT &dim, StepInput input, const StepPorts::Part &part) const {
  uint32_t field = part.tokens, whole = ports.tokens, first = ports.parts[0].tokens;
  if (input == startInput && part.starts == StepPorts::noField)
    return isOneMore(dim, part.sequences);
  if (input == startInput)
    field = part.starts;
  if (input == tableInput)
    field = part.sequences;
  if (input == rowInput)
    field = part.rows, whole = ports.rows, first = ports.parts[0].rows;
  return field != StepPorts::noField ? isRowsOf(dim, field) : isRest(dim, whole, first);
}

/// Whether a port's dim is the rows of a field: of the rank's group, where there are groups.
bool Binder::isRowsOf(const schema::PortDimT &dim, uint32_t field) const {
  return recordFieldOfDim(plan, dim) == field && (!ports.isGrouped || dim.parts >= 0);
}

Status Binder::bindField(const std::string &name, bool isOptional, uint32_t &field) const {
  const auto &all = plan.root().counts->inputs;
  std::optional<uint32_t> found = plan.findRecordField(name);
  if (!found && !isOptional)
    return Status::error(2428, "expected a step record with field {} but got none of that name", name);
  bool isOfTokens = ports.isSpread && (name == "t" || name == "prefills");
  const std::vector<uint8_t> &axes = isOfTokens ? ports.tokenAxes : ports.axes;
  if (found && all[*found]->axes != axes)
    return Status::error(2428, "expected {} in unequal numbers over the axes of {}, which are {}, but got {}", name,
                         isOfTokens ? "t" : "s", axes.size(), all[*found]->axes.size());
  field = found.value_or(StepPorts::noField);
  return Status::ok();
}

Status Binder::bindFields() {
  const auto &all = plan.root().counts->inputs;
  std::optional<uint32_t> tokens = plan.findRecordField("t"),
                          sequences = plan.findRecordField(ports.isSplit() ? "s.a" : "s");
  if (sequences)
    ports.axes = all[*sequences]->axes;
  if (tokens)
    ports.tokenAxes = all[*tokens]->axes;
  ports.isGrouped = !ports.axes.empty();
  ports.isSpread = sequences && !ports.isGrouped && !ports.tokenAxes.empty();
  MUSTER_RETURN_IF_ERROR(bindField("t", false, ports.tokens));
  if (!ports.isSplit()) {
    StepPorts::Part &whole = ports.parts[0];
    whole.tokens = ports.tokens;
    MUSTER_RETURN_IF_ERROR(bindField("starts", ports.isGrouped, whole.starts));
    MUSTER_RETURN_IF_ERROR(bindField("s", false, whole.sequences));
    MUSTER_RETURN_IF_ERROR(bindField("r", false, whole.rows));
    MUSTER_RETURN_IF_ERROR(bindField("prefills", true, whole.prompts));
    ports.rows = whole.rows;
    return Status::ok();
  }
  if (!ports.isGrouped)
    return Status::error(2428, "expected s.a over mesh axes in a step of two halves but got {}",
                         sequences ? "one number for all ranks" : "no such field");
  MUSTER_RETURN_IF_ERROR(bindField("r", false, ports.rows));
  MUSTER_RETURN_IF_ERROR(bindField("t.a", false, ports.parts[0].tokens));
  MUSTER_RETURN_IF_ERROR(bindField("r.a", false, ports.parts[0].rows));
  MUSTER_RETURN_IF_ERROR(bindField("s.a", false, ports.parts[0].sequences));
  MUSTER_RETURN_IF_ERROR(bindField("prefills.a", true, ports.parts[0].prompts));
  MUSTER_RETURN_IF_ERROR(bindField("prefills.b", true, ports.parts[1].prompts));
  return bindField("s.b", false, ports.parts[1].sequences);
}

Status Binder::bindInputs(StepPorts::Part &part, const std::string &suffix) const {
  for (uint32_t i = 0; i != stepInputs; ++i) {
    const ExpectedPort &expected = expectedInputs[i];
    std::string name = expected.name + suffix;
    uint32_t &index = part.inputs[i];
    index = 0;
    while (index != step().inputs.size() && step().inputs[index]->name != name)
      ++index;
    if (index == step().inputs.size())
      return Status::error(2428, "expected entry {} with input {} but got none of that name", stepEntryName, name);
    const schema::PortT &port = *step().inputs[index];
    if (port.element != schema::ElementType::I32 || port.dims.size() != expected.dims ||
        (ports.isGrouped && expected.dims == 2 && !port.dims[1]->axes.empty()) ||
        !isExpected(*port.dims[0], static_cast<StepInput>(i), part))
      return Status::error(2428, "expected input {} of i32 with {} dims, the first {}{}, but got {} with {}", name,
                           expected.dims, expected.field, suffix, schema::EnumNameElementType(port.element),
                           port.dims.size());
  }
  return Status::ok();
}

Status Binder::bindLogits() const {
  const schema::PortT &logits = *step().results[0];
  if (logits.element != schema::ElementType::F32 || logits.dims.size() != 2 || !isRowsOf(*logits.dims[0], ports.rows) ||
      constantDim(*logits.dims[1]) < 1 || constantDim(*logits.dims[1]) > std::numeric_limits<int32_t>::max())
    return Status::error(2428, "expected a result of f32 [r, vocabulary] but got {} {} with {} dims", logits.name,
                         schema::EnumNameElementType(logits.element), logits.dims.size());
  return Status::ok();
}

Result<StepPorts> Binder::run() {
  std::optional<uint32_t> entry = plan.findEntry(stepEntryName);
  if (!entry)
    return Status::error(2428, "expected a plan with entry {} but got {} entries without it", stepEntryName,
                         plan.root().entries.size());
  ports.entry = *entry;
  bool isSplit = false;
  for (const auto &input : step().inputs)
    isSplit |= input->name == "tokens.a" || input->name == "tokens.b";
  ports.parts.resize(isSplit ? 2 : 1);
  MUSTER_RETURN_IF_ERROR(bindFields());
  if (step().inputs.size() != stepInputs * ports.parts.size() || step().results.size() != 1)
    return Status::error(2428, "expected entry {} with {} inputs and 1 result but got {} and {}", stepEntryName,
                         stepInputs * ports.parts.size(), step().inputs.size(), step().results.size());
  const char *const suffixes[2] = {isSplit ? ".a" : "", ".b"};
  for (size_t i = 0; i != ports.parts.size(); ++i)
    MUSTER_RETURN_IF_ERROR(bindInputs(ports.parts[i], suffixes[i]));
  MUSTER_RETURN_IF_ERROR(bindLogits());
  return std::move(ports);
}

} // namespace

int64_t constantDim(const schema::PortDimT &dim) { return dim.size->terms.empty() ? dim.size->constant : -1; }

std::optional<uint32_t> recordFieldOfDim(const plan::LoadedPlan &plan, const schema::PortDimT &dim) {
  const schema::AmountT &size = *dim.size;
  if (size.constant != 0 || size.terms.size() != 1)
    return std::nullopt;
  const schema::Term &term = size.terms[0];
  if (term.coefficient() != 1 || term.position() != schema::Position::One || term.slot() < 0)
    return std::nullopt;
  const count::Program::Instruction *instruction = &plan.counts().maker(static_cast<uint32_t>(term.slot()));
  bool isSum = instruction->op == schema::CountOp::Sum;
  if (isSum)
    instruction = &plan.counts().maker(instruction->operands[0]);
  if (instruction->op != schema::CountOp::Input || instruction->axes.empty() == isSum || (dim.parts >= 0 && !isSum))
    return std::nullopt;
  return instruction->operands[0];
}

Result<StepPorts> StepPorts::bind(const plan::LoadedPlan &plan) { return Binder(plan).run(); }

} // namespace muster::session
