// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/session/EntryCall.h"

#include "runtime/schema/Elements.h"
#include "runtime/session/PlanStepModel.h"

#include <algorithm>

#include <fmt/ranges.h>

namespace muster::session {

namespace {

std::string namesOf(const std::vector<std::unique_ptr<schema::PortT>> &ports) {
  std::vector<std::string_view> names;
  for (const auto &port : ports)
    names.push_back(port->name);
  return fmt::format("{}", fmt::join(names, ", "));
}

/// Checks `tensor` against its port and notes the fields of the record that its dims are equal to.
Status checkInput(const plan::LoadedPlan &plan, const schema::PortT &port, const NamedTensor &tensor,
                  std::vector<int64_t> &record, std::vector<bool> &known) {
  if (tensor.element != port.element || tensor.dims.size() != port.dims.size())
    return Status::error(2432, "expected input {} of {} with {} dims but got {} with {}", port.name,
                         elementName(port.element), port.dims.size(), elementName(tensor.element), tensor.dims.size());
  for (size_t i = 0; i != port.dims.size(); ++i) {
    int64_t size = tensor.dims[i];
    const schema::PortDimT &dim = *port.dims[i];
    if (dim.size->terms.empty() && dim.size->constant != size)
      return Status::error(2432, "expected dim {} of input {} to be {} but got {}", i, port.name, dim.size->constant,
                           size);
    std::optional<uint32_t> field = recordFieldOfDim(plan, dim);
    if (!field)
      continue;
    if (known[*field] && record[*field] != size)
      return Status::error(2432, "expected dim {} of input {} to be {}, as another input's {} is, but got {}", i,
                           port.name, record[*field], plan.root().counts->inputs[*field]->name, size);
    record[*field] = size;
    known[*field] = true;
  }
  return Status::ok();
}

/// The values of a field at the positions of its axes. `isDim`: some input has as many elements as all of them
/// together.
Result<std::vector<int64_t>> divide(const count::Program::Input &field, int64_t size, bool isDim,
                                    std::span<const NamedCounts> counts) {
  auto given = std::find_if(counts.begin(), counts.end(), [&](auto &each) { return each.field == field.name; });
  if (given == counts.end()) {
    std::vector<int64_t> values(field.width);
    for (size_t i = 0; i != values.size(); ++i)
      values[i] = evenShare(size, field.width, static_cast<int64_t>(i));
    return values;
  }
  // No sum that is too great may wrap around to one that fits.
  int64_t sum = 0;
  bool isSum = std::all_of(given->values.begin(), given->values.end(),
                           [&](int64_t value) { return !__builtin_add_overflow(sum, value, &sum); }) &&
               sum == size;
  if (given->values.size() != field.width && !isDim)
    return Status::error(2432, "expected {} counts of {} but got [{}]", field.width, field.name,
                         fmt::join(given->values, ", "));
  if (given->values.size() != field.width || (isDim && !isSum))
    return Status::error(2432, "expected {} counts of {} with the sum {} but got [{}]", field.width, field.name, size,
                         fmt::join(given->values, ", "));
  return given->values;
}

/// The records of the ranks of this process, one behind the other.
Result<std::vector<int64_t>> recordsOf(const executor::Executor &executor, std::span<const int64_t> sizes,
                                       const std::vector<bool> &isDim, std::span<const NamedCounts> counts) {
  const plan::LoadedPlan &plan = executor.plan();
  std::span<const count::Program::Input> fields = plan.counts().inputs();
  for (size_t i = 0; i != counts.size(); ++i) {
    const NamedCounts &each = counts[i];
    if (std::any_of(counts.begin(), counts.begin() + static_cast<ptrdiff_t>(i),
                    [&](const NamedCounts &other) { return other.field == each.field; }))
      return Status::error(2431, "expected counts of {} once but got them twice", each.field);
    std::optional<uint32_t> field = plan.findRecordField(each.field);
    if (!field || plan.root().counts->inputs[*field]->axes.empty())
      return Status::error(2431, "expected counts of a field that ranks have in unequal numbers but got {}",
                           each.field);
  }
  std::vector<int64_t> records(executor.ownCount() * fields.size());
  for (size_t i = 0; i != fields.size(); ++i) {
    const std::vector<uint8_t> &axes = plan.root().counts->inputs[i]->axes;
    MUSTER_ASSIGN_OR_RETURN(std::vector<int64_t> values, axes.empty() ? Result<std::vector<int64_t>>({sizes[i]})
                                                                      : divide(fields[i], sizes[i], isDim[i], counts));
    for (uint32_t rank = 0; rank != executor.ownCount(); ++rank)
      records[rank * fields.size() + i] = values[plan.positionOn(axes, executor.firstOwn() + rank)];
  }
  return records;
}

} // namespace

Result<std::vector<ResultShape>> callEntry(executor::Executor &executor, std::string_view entry,
                                           std::span<const NamedTensor> inputs, std::span<const NamedCounts> counts) {
  const plan::LoadedPlan &plan = executor.plan();
  std::optional<uint32_t> index = plan.findEntry(entry);
  if (!index) {
    std::vector<std::string_view> names;
    for (const auto &each : plan.root().entries)
      names.push_back(each->name);
    return Status::error(2431, "references unknown entry {}; the plan has {}", entry, fmt::join(names, ", "));
  }
  const schema::EntryT &called = *plan.root().entries[*index];
  std::vector<int64_t> record(plan.root().counts->inputs.size(), 0);
  std::vector<bool> known(record.size());
  std::vector<const NamedTensor *> byPort(called.inputs.size());
  for (const NamedTensor &tensor : inputs) {
    auto port =
        std::find_if(called.inputs.begin(), called.inputs.end(), [&](auto &p) { return p->name == tensor.name; });
    if (port == called.inputs.end())
      return Status::error(2431, "references unknown input {} of entry {}, which has {}", tensor.name, entry,
                           namesOf(called.inputs));
    const NamedTensor *&given = byPort[static_cast<size_t>(port - called.inputs.begin())];
    if (given)
      return Status::error(2431, "expected input {} once but got it twice", tensor.name);
    given = &tensor;
    MUSTER_RETURN_IF_ERROR(checkInput(plan, **port, tensor, record, known));
  }
  for (size_t i = 0; i != byPort.size(); ++i)
    if (!byPort[i])
      return Status::error(2431, "expected input {} of entry {} but got none of that name", called.inputs[i]->name,
                           entry);

  MUSTER_ASSIGN_OR_RETURN(std::vector<int64_t> records, recordsOf(executor, record, known, counts));
  MUSTER_RETURN_IF_ERROR(executor.begin(*index, records));
  for (uint32_t i = 0; i != byPort.size(); ++i) {
    std::span<const int64_t> dims = executor.inputDims(i);
    if (!std::equal(dims.begin(), dims.end(), byPort[i]->dims.begin(), byPort[i]->dims.end()))
      return Status::error(2432, "expected input {} of dims [{}] but got [{}]", called.inputs[i]->name,
                           fmt::join(dims, ", "), fmt::join(byPort[i]->dims, ", "));
    MUSTER_RETURN_IF_ERROR(executor.setInput(i, byPort[i]->data, executor.inputBytes(i)));
  }
  MUSTER_RETURN_IF_ERROR(executor.run());
  std::vector<ResultShape> shapes;
  for (uint32_t i = 0; i != called.results.size(); ++i) {
    std::span<const int64_t> dims = executor.resultDims(i);
    shapes.push_back(
        {called.results[i]->name, called.results[i]->element, {dims.begin(), dims.end()}, executor.resultBytes(i)});
  }
  return shapes;
}

} // namespace muster::session
