// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A tensor as it lies in a model file, and the way from its encoding to float.
#ifndef MUSTER_COMPILER_IMPORT_CHECKPOINTTENSOR_H
#define MUSTER_COMPILER_IMPORT_CHECKPOINTTENSOR_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <optional>
#include <string>

namespace muster {

/// How elements are stored. The quantised ones are ggml's block formats (ggml-common.h): each block holds a fixed
/// number of consecutive elements of a row with their scale.
enum class TensorEncoding { F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K };

/// "Q4_1" and so on.
llvm::StringRef name(TensorEncoding encoding);

/// Elements in one block: 1 for the plain types, 32 or 256 for the quantised ones. Rows are whole blocks.
int64_t blockElements(TensorEncoding encoding);

/// Bytes of one block.
int64_t blockBytes(TensorEncoding encoding);

/// Bytes of a tensor of this encoding and shape; nothing if a dimension is negative, if the innermost dimension is not
/// whole blocks, or if the product leaves int64.
std::optional<int64_t> encodedBytes(TensorEncoding encoding, llvm::ArrayRef<int64_t> shape);

/// A tensor of a mapped file. It owns its name and shape; `bytes` points into the map and lives as long as the file
/// object.
struct CheckpointTensor {
  /// The name that the file uses.
  std::string name;
  /// Row-major, outermost dimension first (GGUF lists them the other way round; its reader turns them).
  llvm::SmallVector<int64_t, 4> shape;
  TensorEncoding encoding = TensorEncoding::F32;
  /// Exactly encodedBytes(encoding, shape) bytes, without alignment.
  llvm::ArrayRef<uint8_t> bytes;
};

/// "[576, 1536]".
std::string shapeText(llvm::ArrayRef<int64_t> shape);

/// Decodes `rowCount` rows from `firstRow` on to float, into `out` in order. A row is one slice of the outermost
/// dimension: of a matrix [out, in] `in` elements, of a vector one element. Formulas and their order of float
/// operations are ggml's (dequantize_row_*), without fused multiply-adds, so results equal ggml's bit for bit. Rows
/// outside the tensor are a caller's mistake (assert).
void decodeRows(const CheckpointTensor &tensor, int64_t firstRow, int64_t rowCount, float *out);

} // namespace muster

#endif // MUSTER_COMPILER_IMPORT_CHECKPOINTTENSOR_H
