#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Prints GoldenBlocks.h: blocks of random bytes and what ggml's own Python package (PyPI `gguf`) decodes them to.

    python3 make-golden-blocks.py > GoldenBlocks.h        # needs numpy and gguf; made with gguf 0.19.0

Scales are kept to finite halves of ordinary size, one of them subnormal; all other bytes are random.
"""
import numpy as np
from gguf import GGMLQuantizationType, quants

# Type and the byte offsets of its halves within a block.
KINDS = [("Q4_0", 18, [0]), ("Q4_1", 20, [0, 2]), ("Q5_0", 22, [0]), ("Q5_1", 24, [0, 2]), ("Q8_0", 34, [0]),
         ("Q4_K", 144, [0, 2]), ("Q5_K", 176, [0, 2]), ("Q6_K", 210, [208]), ("BF16", 2, []), ("F16", 2, [])]


def main():
    rng = np.random.default_rng(20260722)
    print("// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception")
    print("// Made by make-golden-blocks.py; expected values come from the PyPI package gguf.")
    print("// clang-format off")
    print('#include "compiler/Import/CheckpointTensor.h"\n#include <cstdint>\n#include <vector>\n')
    print("struct GoldenBlocks {\n  muster::TensorEncoding encoding;\n  std::vector<uint8_t> bytes;")
    print("  std::vector<float> values;\n};\n")
    print("inline std::vector<GoldenBlocks> goldenBlocks() {\n  return {")
    for name, size, halves in KINDS:
        count = 2 if halves else 16
        data = rng.integers(0, 256, (count, size), dtype=np.uint8)
        for block in range(count):
            for at in halves:
                scale = np.float16(rng.uniform(-0.5, 0.5)) if block == 0 else np.float16(3.1e-6)
                data[block, at:at + 2] = np.array([scale], np.float16).view(np.uint8)
        if name == "BF16":
            data[:, 1] = data[:, 1] & 0xBF  # keeps exponents small: no NaN
        if name == "F16":
            data[:, 1] = np.where((data[:, 1] & 0x7C) == 0x7C, data[:, 1] & 0xBF, data[:, 1])
            data[0] = [0x01, 0x80]  # the smallest subnormal, negative
            data[1] = [0x00, 0x80]  # minus zero
            data[2] = [0xFF, 0x03]  # the largest subnormal
            data[3] = [0x00, 0x7C]  # infinity
        values = quants.dequantize(data.reshape(-1), GGMLQuantizationType[name]).astype(np.float32).reshape(-1)
        print(f"    {{muster::TensorEncoding::{name},\n     {{{','.join(str(b) for b in data.reshape(-1))}}},")
        text = ["__builtin_inff()" if np.isinf(v) else f"{float(v).hex()}f" for v in values]
        print(f"     {{{','.join(text)}}}}},")
    print("  };\n}")


main()
