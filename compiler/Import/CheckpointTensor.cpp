// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Import/CheckpointTensor.h"

#include "llvm/Support/Endian.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/MathExtras.h"

#include <bit>
#include <cassert>
#include <cstring>
#include <vector>

namespace muster {

namespace {

struct EncodingFacts {
  llvm::StringRef name;
  int64_t elements;
  int64_t bytes;
};

EncodingFacts factsOf(TensorEncoding encoding) {
  switch (encoding) {
  case TensorEncoding::F32:
    return {"F32", 1, 4};
  case TensorEncoding::F16:
    return {"F16", 1, 2};
  case TensorEncoding::BF16:
    return {"BF16", 1, 2};
  case TensorEncoding::Q4_0:
    return {"Q4_0", 32, 2 + 16};
  case TensorEncoding::Q4_1:
    return {"Q4_1", 32, 2 + 2 + 16};
  case TensorEncoding::Q5_0:
    return {"Q5_0", 32, 2 + 4 + 16};
  case TensorEncoding::Q5_1:
    return {"Q5_1", 32, 2 + 2 + 4 + 16};
  case TensorEncoding::Q8_0:
    return {"Q8_0", 32, 2 + 32};
  case TensorEncoding::Q4_K:
    return {"Q4_K", 256, 2 + 2 + 12 + 128};
  case TensorEncoding::Q5_K:
    return {"Q5_K", 256, 2 + 2 + 12 + 32 + 128};
  case TensorEncoding::Q6_K:
    return {"Q6_K", 256, 128 + 64 + 16 + 2};
  }
  llvm_unreachable("every encoding has its facts");
}

// IEEE half to float by integer arithmetic, without a branch, so that loops over it vectorise on every CPU (a
// conversion by _Float16 is a library call where the compiler may not assume F16C). Exact for normal, subnormal,
// infinite and NaN values.
inline float halfToFloat(uint16_t half) {
  uint32_t shifted = static_cast<uint32_t>(half) << 16;
  uint32_t sign = shifted & 0x80000000u;
  uint32_t magnitude = shifted + shifted;
  float normal = std::bit_cast<float>((magnitude >> 4) + (0xE0u << 23)) * 0x1.0p-112f;
  float subnormal = std::bit_cast<float>((magnitude >> 17) | (126u << 23)) - 0.5f;
  uint32_t bits = magnitude < (1u << 27) ? std::bit_cast<uint32_t>(subnormal) : std::bit_cast<uint32_t>(normal);
  return std::bit_cast<float>(sign | bits);
}

inline float halfAt(const uint8_t *bytes) { return halfToFloat(llvm::support::endian::read16le(bytes)); }

void decodeF32(const uint8_t *bytes, int64_t count, float *out) {
  static_assert(std::endian::native == std::endian::little, "model files are little endian");
  std::memcpy(out, bytes, static_cast<size_t>(count) * sizeof(float));
}

void decodeF16(const uint8_t *bytes, int64_t count, float *out) {
  for (int64_t i = 0; i < count; ++i)
    out[i] = halfAt(bytes + 2 * i);
}

void decodeBF16(const uint8_t *bytes, int64_t count, float *out) {
  for (int64_t i = 0; i < count; ++i)
    out[i] = std::bit_cast<float>(static_cast<uint32_t>(llvm::support::endian::read16le(bytes + 2 * i)) << 16);
}

// One block of 32: the low nibbles are elements 0 to 15, the high ones 16 to 31.
void decodeBlockQ4_0(const uint8_t *block, float *out) {
  const float scale = halfAt(block);
  const uint8_t *nibbles = block + 2;
  for (int i = 0; i < 16; ++i) {
    out[i] = static_cast<float>((nibbles[i] & 0xF) - 8) * scale;
    out[i + 16] = static_cast<float>((nibbles[i] >> 4) - 8) * scale;
  }
}

void decodeBlockQ4_1(const uint8_t *block, float *out) {
  const float scale = halfAt(block), minimum = halfAt(block + 2);
  const uint8_t *nibbles = block + 4;
  for (int i = 0; i < 16; ++i) {
    out[i] = static_cast<float>(nibbles[i] & 0xF) * scale + minimum;
    out[i + 16] = static_cast<float>(nibbles[i] >> 4) * scale + minimum;
  }
}

// The fifth bits of all 32 elements lie in one little-endian word, element i in bit i.
void decodeBlockQ5_0(const uint8_t *block, float *out) {
  const float scale = halfAt(block);
  const uint32_t fifthBits = llvm::support::endian::read32le(block + 2);
  const uint8_t *nibbles = block + 6;
  for (int i = 0; i < 16; ++i) {
    const int low = (nibbles[i] & 0xF) | ((fifthBits >> i & 1) << 4);
    const int high = (nibbles[i] >> 4) | ((fifthBits >> (i + 16) & 1) << 4);
    out[i] = static_cast<float>(low - 16) * scale;
    out[i + 16] = static_cast<float>(high - 16) * scale;
  }
}

void decodeBlockQ5_1(const uint8_t *block, float *out) {
  const float scale = halfAt(block), minimum = halfAt(block + 2);
  const uint32_t fifthBits = llvm::support::endian::read32le(block + 4);
  const uint8_t *nibbles = block + 8;
  for (int i = 0; i < 16; ++i) {
    const int low = (nibbles[i] & 0xF) | ((fifthBits >> i & 1) << 4);
    const int high = (nibbles[i] >> 4) | ((fifthBits >> (i + 16) & 1) << 4);
    out[i] = static_cast<float>(low) * scale + minimum;
    out[i + 16] = static_cast<float>(high) * scale + minimum;
  }
}

void decodeBlockQ8_0(const uint8_t *block, float *out) {
  const float scale = halfAt(block);
  for (int i = 0; i < 32; ++i)
    out[i] = static_cast<float>(static_cast<int8_t>(block[2 + i])) * scale;
}

// Eight 6-bit scales and eight 6-bit minima in 12 bytes: the first four of each in the low six bits of bytes 0 to 7,
// the low nibbles of the last four in bytes 8 to 11, their upper two bits on top of bytes 0 to 7.
void unpackScalesK(const uint8_t *packed, int part, int &scale, int &minimum) {
  if (part < 4) {
    scale = packed[part] & 63;
    minimum = packed[part + 4] & 63;
    return;
  }
  scale = (packed[part + 4] & 0xF) | ((packed[part - 4] >> 6) << 4);
  minimum = (packed[part + 4] >> 4) | ((packed[part] >> 6) << 4);
}

// Eight parts of 32 elements; parts 2k and 2k + 1 share 32 bytes as low and high nibbles. `fifthBits` is null for Q4_K;
// for Q5_K its byte i holds in bit `part` the fifth bit of element i of that part.
void decodeBlockK(const uint8_t *block, const uint8_t *fifthBits, const uint8_t *nibbles, float *out) {
  const float scale = halfAt(block), minimumScale = halfAt(block + 2);
  for (int part = 0; part < 8; ++part) {
    int partScale, partMinimum;
    unpackScalesK(block + 4, part, partScale, partMinimum);
    const float factor = scale * static_cast<float>(partScale);
    const float minimum = minimumScale * static_cast<float>(partMinimum);
    const uint8_t *source = nibbles + part / 2 * 32;
    const int shift = part % 2 * 4;
    for (int i = 0; i < 32; ++i) {
      int value = source[i] >> shift & 0xF;
      if (fifthBits)
        value |= (fifthBits[i] >> part & 1) << 4;
      out[part * 32 + i] = factor * static_cast<float>(value) - minimum;
    }
  }
}

void decodeBlockQ4_K(const uint8_t *block, float *out) { decodeBlockK(block, nullptr, block + 16, out); }

void decodeBlockQ5_K(const uint8_t *block, float *out) { decodeBlockK(block, block + 16, block + 48, out); }

// Two halves of 128 elements, each of four runs of 32: low four bits in 64 bytes, upper two bits of the four runs in
// one byte.
void decodeBlockQ6_K(const uint8_t *block, float *out) {
  const float scale = halfAt(block + 208);
  for (int half = 0; half < 2; ++half) {
    const uint8_t *low = block + half * 64, *high = block + 128 + half * 32;
    const uint8_t *scales = block + 192 + half * 8;
    for (int run = 0; run < 4; ++run) {
      for (int i = 0; i < 32; ++i) {
        const int value = (low[i + run % 2 * 32] >> (run / 2 * 4) & 0xF) | ((high[i] >> (run * 2) & 3) << 4);
        const float factor = scale * static_cast<float>(static_cast<int8_t>(scales[run * 2 + i / 16]));
        out[half * 128 + run * 32 + i] = factor * static_cast<float>(value - 32);
      }
    }
  }
}

template <void (*decodeBlock)(const uint8_t *, float *)>
void decodeBlocks(const uint8_t *bytes, int64_t count, float *out, TensorEncoding encoding) {
  const EncodingFacts facts = factsOf(encoding);
  for (int64_t i = 0; i < count; i += facts.elements, bytes += facts.bytes)
    decodeBlock(bytes, out + i);
}

// Decodes `count` elements, whole blocks.
void decodeElements(TensorEncoding encoding, const uint8_t *bytes, int64_t count, float *out) {
  switch (encoding) {
  case TensorEncoding::F32:
    return decodeF32(bytes, count, out);
  case TensorEncoding::F16:
    return decodeF16(bytes, count, out);
  case TensorEncoding::BF16:
    return decodeBF16(bytes, count, out);
  case TensorEncoding::Q4_0:
    return decodeBlocks<decodeBlockQ4_0>(bytes, count, out, encoding);
  case TensorEncoding::Q4_1:
    return decodeBlocks<decodeBlockQ4_1>(bytes, count, out, encoding);
  case TensorEncoding::Q5_0:
    return decodeBlocks<decodeBlockQ5_0>(bytes, count, out, encoding);
  case TensorEncoding::Q5_1:
    return decodeBlocks<decodeBlockQ5_1>(bytes, count, out, encoding);
  case TensorEncoding::Q8_0:
    return decodeBlocks<decodeBlockQ8_0>(bytes, count, out, encoding);
  case TensorEncoding::Q4_K:
    return decodeBlocks<decodeBlockQ4_K>(bytes, count, out, encoding);
  case TensorEncoding::Q5_K:
    return decodeBlocks<decodeBlockQ5_K>(bytes, count, out, encoding);
  case TensorEncoding::Q6_K:
    return decodeBlocks<decodeBlockQ6_K>(bytes, count, out, encoding);
  }
  llvm_unreachable("every encoding has its decoder");
}

} // namespace

llvm::StringRef name(TensorEncoding encoding) { return factsOf(encoding).name; }

int64_t blockElements(TensorEncoding encoding) { return factsOf(encoding).elements; }

int64_t blockBytes(TensorEncoding encoding) { return factsOf(encoding).bytes; }

std::optional<int64_t> encodedBytes(TensorEncoding encoding, llvm::ArrayRef<int64_t> shape) {
  const EncodingFacts facts = factsOf(encoding);
  const int64_t innermost = shape.empty() ? 1 : shape.back();
  if (innermost < 0 || innermost % facts.elements != 0)
    return std::nullopt;
  int64_t bytes = 0;
  if (llvm::MulOverflow(innermost / facts.elements, facts.bytes, bytes))
    return std::nullopt;
  for (int64_t dim : shape.drop_back(shape.empty() ? 0 : 1))
    if (dim < 0 || llvm::MulOverflow(bytes, dim, bytes))
      return std::nullopt;
  return bytes;
}

std::string shapeText(llvm::ArrayRef<int64_t> shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i)
    text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

void decodeRows(const CheckpointTensor &tensor, int64_t firstRow, int64_t rowCount, float *out) {
  [[maybe_unused]] const int64_t rows = tensor.shape.empty() ? 1 : tensor.shape.front();
  assert(firstRow >= 0 && rowCount >= 0 && rowCount <= rows - firstRow && "rows must lie inside the tensor");
  if (rowCount == 0)
    return;
  int64_t rowElements = 1;
  for (int64_t dim : llvm::ArrayRef<int64_t>(tensor.shape).drop_front(tensor.shape.empty() ? 0 : 1))
    rowElements *= dim;
  const EncodingFacts facts = factsOf(tensor.encoding);
  if (rowElements % facts.elements == 0) {
    const uint8_t *bytes = tensor.bytes.data() + firstRow * (rowElements / facts.elements) * facts.bytes;
    return decodeElements(tensor.encoding, bytes, rowCount * rowElements, out);
  }
  // A quantised vector: its rows are single elements, so the blocks that hold them are decoded aside.
  const int64_t firstBlock = firstRow / facts.elements;
  const int64_t endBlock = (firstRow + rowCount + facts.elements - 1) / facts.elements;
  std::vector<float> blocks(static_cast<size_t>((endBlock - firstBlock) * facts.elements));
  decodeElements(tensor.encoding, tensor.bytes.data() + firstBlock * facts.bytes, static_cast<int64_t>(blocks.size()),
                 blocks.data());
  std::memcpy(out, blocks.data() + (firstRow - firstBlock * facts.elements),
              static_cast<size_t>(rowCount) * sizeof(float));
}

} // namespace muster
