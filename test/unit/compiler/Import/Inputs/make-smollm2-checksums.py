#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Prints the CRC-32 of SmolLM2's weights as float32, decoded by ggml's own Python package: for CheckpointTest.cpp.

    python3 make-smollm2-checksums.py SmolLM2-135M-Instruct.Q4_1.gguf     # needs numpy and gguf 0.19.0

A few weights by themselves, then all in the order of the model; q and k with the rows of a head in halves, that is,
with the permutation of llama.cpp's converter undone. The state_dict that transformers 5.23 makes of the same file gives
the same sums.
"""
import sys
import zlib

import numpy as np
from gguf import GGUFReader, dequantize

LAYER = ["attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up", "ffn_down"]


def main():
    tensors = {tensor.name: tensor for tensor in GGUFReader(sys.argv[1]).tensors}
    names = ["token_embd"] + [f"blk.{layer}.{part}" for layer in range(30) for part in LAYER] + ["output_norm"]
    whole = 0
    for name in names:
        tensor = tensors[name + ".weight"]
        values = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        if name.endswith(("attn_q", "attn_k")):
            rows, columns = values.shape
            values = values.reshape(rows // 64, 32, 2, columns).swapaxes(1, 2).reshape(rows, columns)
        content = np.ascontiguousarray(values).tobytes()
        whole = zlib.crc32(content, whole)
        if name in ("token_embd", "blk.7.attn_k", "blk.29.ffn_down"):
            print(name, f"0x{zlib.crc32(content):08X}")
    print("all", f"0x{whole:08X}")


main()
