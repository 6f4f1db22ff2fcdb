// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The byte layout of plan files and weights files around what plan.fbs describes. Plain data. The files of this folder
// are all that the compiler and the runtime share.
//
//   plan file:     PlanHeader, flatbuffer (plan.fbs) at planOffset, sections (Plan.sections), each at a multiple of
//   pageBytes
//   weights file:  WeightsHeader, WeightsSection[sections] directly behind it (one for each part of each group of
//                  weights, Plan.weight_groups), sections, each at a multiple of pageBytes; an empty section has length
//                  0 and offset 0
//
// Everything is little endian. Digests are XXH3 with 128 bits in canonical (big-endian) form.
#pragma once

#include <cstdint>

namespace muster::schema {

/// Raised when an older loader would misread a newer file; a loader accepts its own version only.
inline constexpr uint32_t planVersion = 4;
inline constexpr uint32_t weightsVersion = 2;
/// Alignment of sections in both files: mappable on every machine that has pages of 4 to 64 KiB.
inline constexpr uint64_t pageBytes = 65536;
/// Alignment of a weight in its section, of a span in the arena and of a state: a cache line, and what vector loads
/// want.
inline constexpr uint64_t spanAlignment = 64;
inline constexpr char planMagic[8] = {'M', 'U', 'S', 'T', 'E', 'R', 'P', 'L'};
inline constexpr char weightsMagic[8] = {'M', 'U', 'S', 'T', 'E', 'R', 'W', 'T'};

struct PlanHeader {
  char magic[8];
  uint32_t version;
  uint32_t headerBytes; // sizeof(PlanHeader)
  uint64_t fileBytes;
  uint64_t planOffset; // of the flatbuffer
  uint64_t planBytes;
  uint8_t digest[16]; // of every byte behind the header
};
static_assert(sizeof(PlanHeader) == 56);

struct WeightsHeader {
  char magic[8];
  uint32_t version;
  uint32_t sections;
  uint64_t fileBytes;
  uint8_t id[16]; // digest of the digests of all sections, in order
};
static_assert(sizeof(WeightsHeader) == 40);

struct WeightsSection {
  uint64_t offset;
  uint64_t length;
  uint8_t digest[16];
};
static_assert(sizeof(WeightsSection) == 32);

} // namespace muster::schema
