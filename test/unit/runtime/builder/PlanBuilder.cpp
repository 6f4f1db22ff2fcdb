// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "test/unit/runtime/builder/PlanBuilder.h"

#include "runtime/plan/Digest.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <unistd.h>

namespace muster::test {

namespace {
uint64_t roundUp(uint64_t value, uint64_t multiple) { return (value + multiple - 1) / multiple * multiple; }
} // namespace

AmountPtr amount(int64_t constant) {
  auto result = std::make_unique<schema::AmountT>();
  result->constant = constant;
  return result;
}

AmountPtr amountOf(uint32_t slot, int64_t coefficient, int64_t constant) {
  auto result = amount(constant);
  result->terms.emplace_back(coefficient, static_cast<int32_t>(slot), uint8_t(0), schema::Position::One,
                             schema::Element::Fixed);
  return result;
}

AmountPtr amountOfElement(schema::Element element, uint32_t slot, int64_t coefficient) {
  auto result = amount(0);
  result->terms.emplace_back(coefficient, static_cast<int32_t>(slot), uint8_t(0), schema::Position::One, element);
  return result;
}

AmountPtr amountAt(schema::Position position, uint8_t axis, int64_t coefficient, int32_t slot) {
  auto result = amount(0);
  result->terms.emplace_back(coefficient, slot, axis, position, schema::Element::Fixed);
  return result;
}

Dim dim(AmountPtr extent, int64_t sourceStride, int64_t destinationStride) {
  return {std::move(extent), amount(sourceStride), amount(destinationStride)};
}

std::vector<float> packBlocked(const std::vector<float> &matrix, uint64_t n, uint64_t k) {
  uint64_t blocks = (k + 15) / 16;
  std::vector<float> packed((n + 63) / 64 * blocks * 16 * 64);
  for (uint64_t i = 0; i != n; ++i)
    for (uint64_t j = 0; j != k; ++j)
      packed[((i / 64 * blocks + j / 16) * 16 + j % 16) * 64 + i % 64] = matrix[i * k + j];
  return packed;
}

std::string scratchFolder() {
  struct Folder {
    Folder() {
      // In memory where there is such a place: the fuzz tests write tens of thousands of files.
      std::string name = "/dev/shm/muster-test-XXXXXX";
      if (!mkdtemp(name.data())) {
        name = (std::filesystem::temp_directory_path() / "muster-test-XXXXXX").string();
        if (!mkdtemp(name.data()))
          std::abort();
      }
      path = name;
    }
    ~Folder() {
      std::error_code ignored;
      if (getpid() == owner)
        std::filesystem::remove_all(path, ignored);
    }
    pid_t owner = getpid();
    std::string path;
  };
  static Folder folder;
  return folder.path;
}

std::vector<std::byte> readFile(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<char> text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::vector<std::byte> bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

void writeFile(const std::string &path, const std::vector<std::byte> &bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char *>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

PlanBuilder::PlanBuilder(std::vector<std::pair<std::string, uint32_t>> axes) {
  plan.producer = "PlanBuilder";
  plan.target = std::make_unique<schema::TargetT>();
#if defined(__x86_64__)
  plan.target->arch = "x86_64";
#else
  plan.target->arch = "aarch64";
#endif
  plan.target->cpu = "generic";
  plan.mesh = std::make_unique<schema::MeshT>();
  plan.mesh->name = "node";
  for (auto &[name, size] : axes) {
    auto axis = std::make_unique<schema::AxisT>();
    axis->name = name;
    axis->size = size;
    rankCount *= size;
    plan.mesh->axes.push_back(std::move(axis));
  }
  plan.counts = std::make_unique<schema::CountProgramT>();
  plan.matmul_rows = {1, 2, 4, 8, 16, 32};
  plan.locations = {"layer 0"};
  sections.resize(rankCount + 1);
  object = readFile(MUSTER_TEST_KERNELS);
}

uint32_t PlanBuilder::addInstruction(schema::CountInstruction instruction) {
  uint32_t width = 1;
  auto widthAt = [&](int32_t slot) {
    return slot < 0 || static_cast<size_t>(slot) >= widths.size() ? 1 : widths[static_cast<size_t>(slot)];
  };
  if (instruction.op() == schema::CountOp::Input && static_cast<size_t>(instruction.a()) < plan.counts->inputs.size())
    for (uint8_t axis : plan.counts->inputs[static_cast<size_t>(instruction.a())]->axes)
      width *= axis < plan.mesh->axes.size() ? plan.mesh->axes[axis]->size : 1;
  else if (instruction.op() == schema::CountOp::ExclusiveScan)
    width = widthAt(instruction.a());
  else if (instruction.op() >= schema::CountOp::Add && instruction.op() <= schema::CountOp::Select)
    width = std::max({widthAt(instruction.a()), widthAt(instruction.b()),
                      instruction.op() == schema::CountOp::Select ? widthAt(instruction.c()) : 1});
  plan.counts->instructions.push_back(instruction);
  uint32_t first = static_cast<uint32_t>(widths.size());
  widths.push_back(width);
  widths.resize(first + width);
  return first;
}

uint32_t PlanBuilder::input(const std::string &name, int64_t bound, std::vector<uint8_t> axes) {
  auto input = std::make_unique<schema::CountInputT>();
  input->name = name;
  input->bound = bound;
  input->axes = std::move(axes);
  plan.counts->inputs.push_back(std::move(input));
  return instruction(schema::CountOp::Input, static_cast<int32_t>(plan.counts->inputs.size()) - 1);
}

uint32_t PlanBuilder::constant(int64_t value) {
  return addInstruction(schema::CountInstruction(value, 0, 0, 0, schema::CountOp::Constant));
}

uint32_t PlanBuilder::instruction(schema::CountOp op, int32_t a, int32_t b, int32_t c) {
  return addInstruction(schema::CountInstruction(0, a, b, c, op));
}

void PlanBuilder::check(uint32_t slot, int64_t bound, const std::string &name) {
  auto check = std::make_unique<schema::CapacityCheckT>();
  check->slot = slot;
  check->bound = bound;
  check->name = name;
  plan.counts->checks.push_back(std::move(check));
}

uint32_t PlanBuilder::weight(const std::string &name, uint64_t n, uint64_t k, schema::Packing packing,
                             const std::vector<std::vector<float>> &values, bool shared) {
  auto weight = std::make_unique<schema::WeightT>();
  weight->name = name;
  weight->shape = weight->logical_shape = {static_cast<int64_t>(n), static_cast<int64_t>(k)};
  weight->layout = "[o, i]";
  weight->packing = packing;
  weight->group = shared ? 0 : 1;
  weight->offset = roundUp(sections[shared ? 0 : 1].size(), schema::spanAlignment);
  for (size_t i = 0; i != (shared ? 1 : rankCount); ++i) {
    std::vector<float> packed = packing == schema::Packing::BlockedN64K16 ? packBlocked(values[i], n, k) : values[i];
    weight->length = packed.size() * sizeof(float);
    std::vector<std::byte> &section = sections[shared ? 0 : i + 1];
    section.resize(weight->offset + weight->length);
    std::memcpy(section.data() + weight->offset, packed.data(), weight->length);
  }
  plan.weights.push_back(std::move(weight));
  return static_cast<uint32_t>(plan.weights.size()) - 1;
}

uint32_t PlanBuilder::pagedState(const std::string &name, const std::vector<int64_t> &pageShape) {
  auto state = std::make_unique<schema::StateT>();
  state->name = name;
  state->shape = {-1};
  state->shape.insert(state->shape.end(), pageShape.begin(), pageShape.end());
  state->layout = "[page]";
  state->paged = true;
  state->page_bytes = sizeof(float);
  for (int64_t extent : pageShape)
    state->page_bytes *= static_cast<uint64_t>(extent);
  plan.states.push_back(std::move(state));
  return static_cast<uint32_t>(plan.states.size()) - 1;
}

uint32_t PlanBuilder::kernel(const std::string &name, uint32_t bindings, uint32_t sizes) {
  if (plan.sections.empty()) {
    auto section = std::make_unique<schema::SectionT>();
    section->kind = schema::SectionKind::HostObject;
    section->name = "kernels";
    section->length = object.size();
    plan.sections.push_back(std::move(section));
  }
  auto kernel = std::make_unique<schema::KernelT>();
  kernel->name = name;
  kernel->bindings = bindings;
  kernel->sizes = sizes;
  plan.kernels.push_back(std::move(kernel));
  return static_cast<uint32_t>(plan.kernels.size()) - 1;
}

void PlanBuilder::addSection(schema::SectionKind kind, const std::string &name, std::span<const uint8_t> bytes) {
  auto section = std::make_unique<schema::SectionT>();
  section->kind = kind;
  section->name = name;
  section->length = bytes.size();
  plan.sections.push_back(std::move(section));
  auto *first = reinterpret_cast<const std::byte *>(bytes.data());
  otherSections.emplace_back(first, first + bytes.size());
}

schema::EntryT &PlanBuilder::addEntry(const std::string &name) {
  plan.entries.push_back(std::make_unique<schema::EntryT>());
  plan.entries.back()->name = name;
  return *plan.entries.back();
}

schema::VariantT &PlanBuilder::addVariant(schema::EntryT &entry, const std::string &name, uint64_t arenaBytes) {
  entry.variants.push_back(std::make_unique<schema::VariantT>());
  entry.variants.back()->name = name;
  entry.variants.back()->arena_bytes = arenaBytes;
  return *entry.variants.back();
}

void PlanBuilder::addPort(std::vector<std::unique_ptr<schema::PortT>> &ports, const std::string &name,
                          std::vector<AmountPtr> dims, std::vector<std::vector<uint8_t>> axes,
                          schema::ElementType element) {
  auto port = std::make_unique<schema::PortT>();
  port->name = name;
  port->element = element;
  port->layout = "[]";
  axes.resize(dims.size());
  for (size_t i = 0; i != dims.size(); ++i) {
    auto portDim = std::make_unique<schema::PortDimT>();
    portDim->name = "d" + std::to_string(i);
    portDim->size = std::move(dims[i]);
    portDim->axes = axes[i];
    port->dims.push_back(std::move(portDim));
  }
  ports.push_back(std::move(port));
}

uint32_t PlanBuilder::addStep(schema::VariantT &variant, std::unique_ptr<schema::StepT> step,
                              std::vector<uint32_t> waits, std::vector<uint32_t> acknowledgements) {
  step->waits = std::move(waits);
  step->acknowledgements = std::move(acknowledgements);
  variant.steps.push_back(std::move(step));
  return static_cast<uint32_t>(variant.steps.size()) - 1;
}

uint32_t PlanBuilder::launch(schema::VariantT &variant, uint32_t kernel, std::vector<Operand> operands,
                             std::vector<uint32_t> sizes, AmountPtr grid, std::vector<uint32_t> waits,
                             std::vector<uint32_t> acknowledgements) {
  schema::LaunchT launch;
  launch.kernel = kernel;
  for (const Operand &operand : operands) {
    launch.bindings.push_back(operand.binding);
    launch.written.push_back(operand.isWritten);
  }
  launch.sizes = std::move(sizes);
  launch.grid = std::move(grid);
  auto step = std::make_unique<schema::StepT>();
  step->action.Set(std::move(launch));
  return addStep(variant, std::move(step), std::move(waits), std::move(acknowledgements));
}

uint32_t PlanBuilder::matmul(schema::VariantT &variant, AmountPtr rows, uint64_t n, uint64_t k, schema::Binding source,
                             uint32_t weight, schema::Binding result, std::vector<uint32_t> waits, bool accumulate) {
  schema::MatmulT matmul;
  matmul.rows = std::move(rows);
  matmul.n = n;
  matmul.k = k;
  matmul.source = std::make_unique<schema::Binding>(source);
  matmul.weight = std::make_unique<schema::Binding>(weightBinding(weight));
  matmul.result = std::make_unique<schema::Binding>(result);
  matmul.source_stride = k;
  matmul.result_stride = n;
  matmul.accumulate = accumulate;
  auto step = std::make_unique<schema::StepT>();
  step->action.Set(std::move(matmul));
  return addStep(variant, std::move(step), std::move(waits), {});
}

uint32_t PlanBuilder::transfer(schema::VariantT &variant, TransferSpec spec, std::vector<uint32_t> waits,
                               std::vector<uint32_t> acknowledgements) {
  schema::TransferT transfer;
  transfer.name = spec.name;
  transfer.group = spec.group;
  transfer.reduction = spec.reduction;
  transfer.element = spec.element;
  transfer.source = std::make_unique<schema::Binding>(spec.source);
  transfer.destination = std::make_unique<schema::Binding>(spec.destination);
  transfer.source_offset = std::move(spec.sourceOffset);
  transfer.destination_offset = std::move(spec.destinationOffset);
  for (Dim &own : spec.box) {
    auto boxDim = std::make_unique<schema::BoxDimT>();
    boxDim->extent = std::move(own.extent);
    boxDim->source_stride = std::move(own.sourceStride);
    boxDim->destination_stride = std::move(own.destinationStride);
    transfer.box.push_back(std::move(boxDim));
  }
  transfer.sources = spec.sources;
  auto step = std::make_unique<schema::StepT>();
  step->action.Set(std::move(transfer));
  return addStep(variant, std::move(step), std::move(waits), std::move(acknowledgements));
}

std::vector<uint8_t> PlanBuilder::flatbuffer() {
  // Section offsets depend on the plan's size, which does not depend on them: 64-bit scalars stay where they are,
  // unless one is the default.
  for (auto &section : plan.sections)
    section->offset = schema::pageBytes;
  for (int pass = 0;; ++pass) {
    flatbuffers::FlatBufferBuilder builder;
    schema::FinishPlanBuffer(builder, schema::Plan::Pack(builder, &plan));
    if (pass == 1 || plan.sections.empty())
      return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
    uint64_t end = 64 + builder.GetSize();
    for (auto &section : plan.sections) {
      section->offset = roundUp(end, schema::pageBytes);
      end = section->offset + section->length;
    }
  }
}

std::vector<std::byte> PlanBuilder::container(const std::vector<uint8_t> &flatbuffer) const {
  schema::PlanHeader header{};
  std::memcpy(header.magic, schema::planMagic, sizeof(header.magic));
  header.version = schema::planVersion;
  header.headerBytes = sizeof(header);
  header.planOffset = 64;
  header.planBytes = flatbuffer.size();
  std::vector<std::byte> file(64 + flatbuffer.size());
  std::memcpy(file.data() + 64, flatbuffer.data(), flatbuffer.size());
  if (!plan.sections.empty()) {
    file.resize(roundUp(file.size(), schema::pageBytes));
    file.insert(file.end(), object.begin(), object.end());
    for (const auto &section : otherSections) {
      file.resize(roundUp(file.size(), schema::pageBytes));
      file.insert(file.end(), section.begin(), section.end());
    }
  }
  header.fileBytes = file.size();
  std::memcpy(file.data(), &header, sizeof(header));
  sealPlan(file);
  return file;
}

void sealPlan(std::vector<std::byte> &file) {
  plan::Digest digest = plan::digestOf(std::span(file).subspan(sizeof(schema::PlanHeader)));
  std::memcpy(file.data() + offsetof(schema::PlanHeader, digest), digest.data(), digest.size());
}

void PlanBuilder::writeWeights(const std::string &path) {
  schema::WeightsHeader header{};
  std::memcpy(header.magic, schema::weightsMagic, sizeof(header.magic));
  header.version = schema::weightsVersion;
  header.sections = static_cast<uint32_t>(sections.size());
  std::vector<schema::WeightsSection> table;
  std::vector<uint8_t> digests;
  uint64_t end = sizeof(header) + sections.size() * sizeof(schema::WeightsSection);
  for (const auto &section : sections) {
    schema::WeightsSection own{};
    own.length = section.size();
    own.offset = section.empty() ? 0 : roundUp(end, schema::pageBytes);
    end = section.empty() ? end : own.offset + own.length;
    plan::Digest digest = plan::digestOf(section);
    std::memcpy(own.digest, digest.data(), digest.size());
    digests.insert(digests.end(), digest.begin(), digest.end());
    table.push_back(own);
  }
  plan::Digest id = plan::digestOf(std::as_bytes(std::span(digests)));
  std::memcpy(header.id, id.data(), id.size());
  header.fileBytes = end;
  std::vector<std::byte> file(end);
  std::memcpy(file.data(), &header, sizeof(header));
  std::memcpy(file.data() + sizeof(header), table.data(), table.size() * sizeof(table[0]));
  for (size_t i = 0; i != sections.size(); ++i)
    std::copy(sections[i].begin(), sections[i].end(), file.begin() + static_cast<ptrdiff_t>(table[i].offset));
  writeFile(path, file);
  plan.weights_id.assign(id.begin(), id.end());
  plan.weight_groups.clear();
  for (bool shared : {true, false}) {
    auto group = std::make_unique<schema::WeightGroupT>();
    group->section_bytes = sections[shared ? 0 : 1].size();
    for (uint32_t rank = 0; rank != rankCount; ++rank)
      group->parts.push_back(shared ? 0 : rank);
    plan.weight_groups.push_back(std::move(group));
  }
}

std::string PlanBuilder::write(const std::string &folder, const std::string &name) {
  if (!plan.weights.empty())
    writeWeights(folder + "/" + name + ".weights");
  std::string path = folder + "/" + name + ".plan";
  writeFile(path, container(flatbuffer()));
  return path;
}

} // namespace muster::test
