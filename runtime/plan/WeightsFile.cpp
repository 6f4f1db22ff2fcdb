// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/plan/WeightsFile.h"

#include "runtime/plan/Digest.h"

#include <algorithm>
#include <cstring>

namespace muster::plan {

namespace {

Status checkHeader(const std::string &path, std::span<const std::byte> bytes, schema::WeightsHeader &header) {
  if (bytes.size() < sizeof(header))
    return Status::error(2201, "expected a weights file of at least {} bytes but got {} of {} bytes", sizeof(header),
                         path, bytes.size());
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (std::memcmp(header.magic, schema::weightsMagic, sizeof(header.magic)) != 0)
    return Status::error(2202, "expected a weights file but {} begins otherwise", path);
  if (header.version != schema::weightsVersion)
    return Status::error(2202, "expected a weights file of version {} but {} has version {}", schema::weightsVersion,
                         path, header.version);
  if (header.fileBytes != bytes.size())
    return Status::error(2201, "expected {} bytes in {} but got {}", header.fileBytes, path, bytes.size());
  return Status::ok();
}

Status checkSection(const std::string &path, size_t index, const schema::WeightsSection &section, uint64_t fileBytes,
                    uint64_t expectedBytes) {
  if (section.length == 0 ? section.offset != 0 : section.offset % schema::pageBytes != 0)
    return Status::error(2203, "expected section {} of {} at a multiple of {} but got offset {}", index, path,
                         schema::pageBytes, section.offset);
  if (section.offset > fileBytes || section.length > fileBytes - section.offset)
    return Status::error(2203, "expected section {} of {} inside its {} bytes but got [{}, +{})", index, path,
                         fileBytes, section.offset, section.length);
  if (section.length != expectedBytes)
    return Status::error(2204, "expected {} bytes in section {} of {} as the plan says but got {}", expectedBytes,
                         index, path, section.length);
  return Status::ok();
}

} // namespace

uint32_t partCount(const schema::WeightGroupT &group) {
  return group.parts.empty() ? 0 : *std::max_element(group.parts.begin(), group.parts.end()) + 1;
}

ExpectedWeights expectedWeights(const schema::PlanT &plan) {
  ExpectedWeights expected{{}, plan.weights_id};
  for (const auto &group : plan.weight_groups)
    expected.sectionBytes.insert(expected.sectionBytes.end(), partCount(*group), group->section_bytes);
  return expected;
}

Result<WeightsFile> WeightsFile::open(const std::string &path, const ExpectedWeights &expected) {
  WeightsFile weights;
  weights.filePath = path;
  Result<MappedFile> mapped = MappedFile::open(path);
  if (!mapped)
    return Status::error(2201, "cannot read the weights: {}", mapped.status().text().substr(6));
  weights.file = *std::move(mapped);
  std::span<const std::byte> bytes = weights.file.bytes();
  schema::WeightsHeader header;
  MUSTER_RETURN_IF_ERROR(checkHeader(path, bytes, header));
  std::memcpy(weights.id, header.id, sizeof(weights.id));
  if (header.sections != expected.sectionBytes.size())
    return Status::error(2204, "expected weights of {} sections as the plan says but {} has {}",
                         expected.sectionBytes.size(), path, header.sections);
  if (std::memcmp(header.id, expected.id.data(), sizeof(header.id)) != 0)
    return Status::error(2204, "expected weights {} of the plan but {} holds {}", toHex(expected.id), path,
                         toHex(header.id));
  uint64_t sectionCount = header.sections;
  if ((bytes.size() - sizeof(header)) / sizeof(schema::WeightsSection) < sectionCount)
    return Status::error(2201, "expected {} sections listed in {} but it has {} bytes", sectionCount, path,
                         bytes.size());
  weights.sections.resize(sectionCount);
  std::memcpy(weights.sections.data(), bytes.data() + sizeof(header), sectionCount * sizeof(schema::WeightsSection));
  for (size_t i = 0; i != sectionCount; ++i)
    MUSTER_RETURN_IF_ERROR(checkSection(path, i, weights.sections[i], bytes.size(), expected.sectionBytes[i]));
  return weights;
}

Status WeightsFile::verify() const {
  std::vector<uint8_t> digests;
  for (uint32_t i = 0; i != sections.size(); ++i) {
    Digest digest = digestOf(section(i));
    if (std::memcmp(digest.data(), sections[i].digest, digest.size()) != 0)
      return Status::error(2205, "expected digest {} for section {} of {} but got {}", toHex(sections[i].digest), i,
                           filePath, toHex(digest));
    digests.insert(digests.end(), digest.begin(), digest.end());
  }
  Digest all = digestOf(std::as_bytes(std::span(digests)));
  if (std::memcmp(all.data(), id, all.size()) != 0)
    return Status::error(2205, "expected id {} for {} but its sections have {}", toHex(id), filePath, toHex(all));
  return Status::ok();
}

} // namespace muster::plan
