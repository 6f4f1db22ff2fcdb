// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// muster-run --input: any entry, tensors in and out as .npy.

#include "runtime/schema/Elements.h"
#include "runtime/session/EntryCall.h"
#include "tools/muster-run/Modes.h"
#include "tools/muster-run/Npy.h"

#include <charconv>
#include <filesystem>

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace muster::run {

namespace {

Result<std::string> chooseEntry(const LoadedModel &model, const RunOptions &options) {
  const auto &entries = model.plan->root().entries;
  if (!options.entry.empty())
    return options.entry;
  if (entries.size() == 1)
    return entries[0]->name;
  std::vector<std::string_view> names;
  for (const auto &entry : entries)
    names.push_back(entry->name);
  return Status::error(101, "expected --entry to choose one of {} but got none", fmt::join(names, ", "));
}

Status writeResult(const LoadedModel &model, const RunOptions &options, uint32_t index,
                   const session::ResultShape &shape) {
  std::vector<std::byte> data(shape.bytes);
  MUSTER_RETURN_IF_ERROR(model.executor->readResult(index, data.data(), data.size()));
  std::filesystem::path path = std::filesystem::path(options.outputDir) / (std::string(shape.name) + ".npy");
  MUSTER_ASSIGN_OR_RETURN(NpyWriter writer, NpyWriter::create(path.string(), shape.element, shape.dims));
  MUSTER_RETURN_IF_ERROR(writer.append(data.data(), data.size()));
  return writer.close();
}

/// What the command line says of the step is input: names, dims, and counts that no step of this plan can have.
Status asInput(Status status) {
  bool isInput = (status.number() >= 2410 && status.number() <= 2413) || status.number() == 2417 ||
                 status.number() == 2431 || status.number() == 2432;
  return isInput ? std::move(status).withExitCode(ExitCode::input) : status;
}

/// "t=3,0,5"
Result<session::NamedCounts> parseCounts(std::string_view text) {
  size_t equals = text.find('=');
  session::NamedCounts counts{text.substr(0, equals), {}};
  bool isFine = equals != std::string_view::npos && equals != 0;
  for (std::string_view rest = isFine ? text.substr(equals + 1) : ""; isFine;) {
    std::string_view number = rest.substr(0, rest.find(','));
    int64_t value = 0;
    auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
    isFine = error == std::errc() && end == number.data() + number.size() && value >= 0;
    counts.values.push_back(value);
    if (number.size() == rest.size())
      break;
    rest.remove_prefix(number.size() + 1);
  }
  if (!isFine)
    return Status::error(101, "expected --counts such as t=3,0,5 but got {}", text);
  return counts;
}

} // namespace

Result<int> runEntry(const RunOptions &options) {
  std::vector<NpyArray> arrays(options.inputs.size());
  std::vector<session::NamedTensor> inputs;
  for (size_t i = 0; i != options.inputs.size(); ++i) {
    std::string_view text = options.inputs[i];
    size_t equals = text.find('=');
    if (equals == std::string_view::npos)
      return Status::error(101, "expected --input name=file.npy but got {}", text);
    MUSTER_ASSIGN_OR_RETURN(arrays[i], readNpy(std::string(text.substr(equals + 1))));
    inputs.push_back({text.substr(0, equals), arrays[i].element, arrays[i].dims, arrays[i].data.data()});
  }
  std::vector<session::NamedCounts> counts;
  for (const std::string &text : options.counts) {
    MUSTER_ASSIGN_OR_RETURN(session::NamedCounts each, parseCounts(text));
    counts.push_back(std::move(each));
  }
  MUSTER_ASSIGN_OR_RETURN(LoadedModel model, loadModel(options.plan, options, /*withSteps=*/false));
  MUSTER_ASSIGN_OR_RETURN(std::string entry, chooseEntry(model, options));
  auto called = session::callEntry(*model.executor, entry, inputs, counts);
  if (!called.isOk())
    return asInput(std::move(called).status());
  const std::vector<session::ResultShape> &shapes = *called;
  if (options.talks() && !options.outputDir.empty()) {
    std::error_code error;
    std::filesystem::create_directories(options.outputDir, error);
    for (uint32_t i = 0; i != shapes.size(); ++i)
      MUSTER_RETURN_IF_ERROR(writeResult(model, options, i, shapes[i]));
  }
  nlohmann::json results = nlohmann::json::array();
  for (const session::ResultShape &shape : shapes) {
    results.push_back({{"name", shape.name}, {"element", schema::elementName(shape.element)}, {"dims", shape.dims}});
    if (options.talks() && !options.json)
      fmt::print("{} {} [{}]\n", shape.name, schema::elementName(shape.element), fmt::join(shape.dims, ", "));
  }
  if (options.talks() && options.json)
    fmt::print("{}\n", nlohmann::json{{"results", results}}.dump());
  MUSTER_RETURN_IF_ERROR(finishRun(model, options, {}));
  return 0;
}

} // namespace muster::run
