// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/plan/LoadedPlan.h"

#include "runtime/device/host/CpuFeatures.h"
#include "runtime/plan/AlignedStructs.h"
#include "runtime/plan/CheckPlan.h"
#include "runtime/plan/Digest.h"
#include "runtime/plan/HostObject.h"

#include <algorithm>
#include <cstring>

namespace muster::plan {

namespace {

Status checkHeader(const std::string &path, std::span<const std::byte> bytes, schema::PlanHeader &header) {
  if (bytes.size() < sizeof(header))
    return Status::error(2004, "expected a plan file of at least {} bytes but {} has {}", sizeof(header), path,
                         bytes.size());
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (std::memcmp(header.magic, schema::planMagic, sizeof(header.magic)) != 0)
    return Status::error(2002, "expected a plan file but {} begins otherwise", path);
  if (header.version != schema::planVersion)
    return Status::error(2003,
                         "expected plan version {} but {} has version {}; compile the model again with this release",
                         schema::planVersion, path, header.version);
  if (header.headerBytes != sizeof(header))
    return Status::error(2004, "expected a header of {} bytes in {} but got {}", sizeof(header), path,
                         header.headerBytes);
  if (header.fileBytes != bytes.size())
    return Status::error(2004, "expected {} bytes in {} but got {}", header.fileBytes, path, bytes.size());
  if (header.planOffset < sizeof(header) || header.planOffset % 8 != 0 || header.planOffset > bytes.size() ||
      header.planBytes > bytes.size() - header.planOffset || header.planBytes > (uint64_t(1) << 31) - 1)
    return Status::error(2004, "expected the plan at a multiple of 8 inside the {} bytes of {} but got [{}, +{})",
                         bytes.size(), path, header.planOffset, header.planBytes);
  Digest digest = digestOf(bytes.subspan(sizeof(header)));
  if (std::memcmp(digest.data(), header.digest, digest.size()) != 0)
    return Status::error(2005, "expected digest {} for {} but its bytes have {}; the file is damaged",
                         toHex(header.digest), path, toHex(digest));
  return Status::ok();
}

Status decode(const std::string &path, std::span<const std::byte> bytes, schema::PlanT &plan) {
  // Every table takes at least 8 bytes, so shared tables cannot make the walk longer than a file of distinct ones.
  flatbuffers::uoffset_t tables = static_cast<flatbuffers::uoffset_t>(bytes.size() / 8 + 16);
  flatbuffers::Verifier verifier(reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size(), 64, tables);
  if (!schema::VerifyPlanBuffer(verifier) || !hasAlignedStructs(*schema::GetPlan(bytes.data())))
    return Status::error(2006, "expected a valid flatbuffer in {} but its verification failed", path);
  schema::GetPlan(bytes.data())->UnPackTo(&plan);
  return Status::ok();
}

} // namespace

LoadedPlan::LoadedPlan() = default;
LoadedPlan::~LoadedPlan() = default;

std::vector<uint32_t> LoadedPlan::coordinates(uint32_t rank) const {
  std::vector<uint32_t> result(plan.mesh->axes.size());
  for (size_t i = result.size(); i-- != 0;) {
    result[i] = rank % plan.mesh->axes[i]->size;
    rank /= plan.mesh->axes[i]->size;
  }
  return result;
}

std::optional<uint32_t> LoadedPlan::findEntry(std::string_view name) const {
  for (uint32_t i = 0; i != plan.entries.size(); ++i)
    if (plan.entries[i]->name == name)
      return i;
  return std::nullopt;
}

uint32_t LoadedPlan::positionOn(std::span<const uint8_t> axes, uint32_t rank) const {
  std::vector<uint32_t> own = coordinates(rank);
  uint32_t position = 0;
  for (uint8_t axis : axes)
    position = position * plan.mesh->axes[axis]->size + own[axis];
  return position;
}

std::optional<uint32_t> LoadedPlan::findRecordField(std::string_view name) const {
  for (uint32_t i = 0; i != plan.counts->inputs.size(); ++i)
    if (plan.counts->inputs[i]->name == name)
      return i;
  return std::nullopt;
}

std::span<const std::byte> LoadedPlan::section(uint32_t index) const {
  const schema::SectionT &section = *plan.sections[index];
  return mapped.bytes().subspan(section.offset, section.length);
}

std::span<const std::byte> LoadedPlan::section(schema::SectionKind kind) const {
  for (uint32_t i = 0; i != plan.sections.size(); ++i)
    if (plan.sections[i]->kind == kind)
      return section(i);
  return {};
}

const std::byte *LoadedPlan::weight(uint32_t rank, uint32_t index) const {
  const schema::WeightT &weight = *plan.weights[index];
  const schema::WeightGroupT &group = *plan.weight_groups[weight.group];
  return weights->section(firstSections[weight.group] + group.parts[rank]).data() + weight.offset;
}

Status LoadedPlan::verifyWeights() const { return weights ? weights->verify() : Status::ok(); }

std::string defaultWeightsPath(const std::string &planPath) {
  size_t slash = planPath.rfind('/');
  size_t name = slash == std::string::npos ? 0 : slash + 1;
  size_t dot = planPath.rfind('.');
  bool hasExtension = dot != std::string::npos && dot > name;
  return (hasExtension ? planPath.substr(0, dot) : planPath) + ".weights";
}

Result<std::shared_ptr<const LoadedPlan>> loadPlan(const std::string &path, const LoadOptions &options) {
  std::shared_ptr<LoadedPlan> loaded(new LoadedPlan());
  MUSTER_ASSIGN_OR_RETURN(loaded->mapped, MappedFile::open(path));
  std::span<const std::byte> bytes = loaded->mapped.bytes();
  schema::PlanHeader header;
  MUSTER_RETURN_IF_ERROR(checkHeader(path, bytes, header));
  std::copy(std::begin(header.digest), std::end(header.digest), loaded->digestBytes);
  loaded->facts = {path, bytes.size(), header.planBytes, header.version};
  loaded->inspectOnly = options.inspectOnly;

  schema::PlanT &plan = loaded->plan;
  MUSTER_RETURN_IF_ERROR(decode(path, bytes.subspan(header.planOffset, header.planBytes), plan));
  MUSTER_ASSIGN_OR_RETURN(loaded->countProgram, checkPlan(plan, header.planOffset + header.planBytes, bytes.size()));
  loaded->rankCount = *rankCount(*plan.mesh);
  if (options.inspectOnly)
    return std::shared_ptr<const LoadedPlan>(std::move(loaded));

  MUSTER_RETURN_IF_ERROR(device::checkTarget(plan.target->arch, plan.target->cpu, plan.target->features));
  if (!plan.weights.empty()) {
    ExpectedWeights expected = expectedWeights(plan);
    for (uint32_t first = 0; const auto &group : plan.weight_groups) {
      loaded->firstSections.push_back(first);
      first += partCount(*group);
    }
    std::string weightsPath = options.weightsPath.empty() ? defaultWeightsPath(path) : options.weightsPath;
    MUSTER_ASSIGN_OR_RETURN(loaded->weights, WeightsFile::open(weightsPath, expected));
  }
  MUSTER_RETURN_IF_ERROR(loaded->linkKernels());
  return std::shared_ptr<const LoadedPlan>(std::move(loaded));
}

Status LoadedPlan::linkKernels() {
  objects.resize(plan.sections.size());
  for (const auto &kernel : plan.kernels) {
    std::unique_ptr<HostObject> &object = objects[kernel->section];
    if (!object) {
      MUSTER_ASSIGN_OR_RETURN(object, HostObject::link(section(kernel->section), plan.sections[kernel->section]->name));
    }
    muster_kernel_fn function = object->find(kernel->name);
    if (!function)
      return Status::error(2123, "expected kernel {} in section {} but it has no such symbol", kernel->name,
                           plan.sections[kernel->section]->name);
    kernels.push_back(function);
  }
  return Status::ok();
}

} // namespace muster::plan
