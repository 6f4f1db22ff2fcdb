#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes a small random Llama as a Hugging Face folder (config.json and safetensors), with NumPy alone.

    make-tiny-llama.py FOLDER --seed 7 --hidden 60 --layers 2 --heads 6 --kv-heads 2 --head-dim 14 --ff 44 --vocab 101 --tied

The same options and seed give the same bytes. Weights are normal, scaled so that every layer matters to the logits; norm
scales lie around 1 and biases around 0.1, so that a forgotten one shows. `--shards N` spreads the tensors over N files with
an index, `--dtype F32|F16|BF16` is how they are stored, `--rope-scaling` adds Llama 3's scaling.
`--tokens N --tokens-out ids.npy` also writes a sequence of N random token ids (int32).
"""
import argparse
import json
import pathlib
import struct

import numpy as np


def config_of(o):
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
        "hidden_size": o.hidden, "intermediate_size": o.ff, "num_hidden_layers": o.layers, "vocab_size": o.vocab,
        "num_attention_heads": o.heads, "num_key_value_heads": o.kv_heads, "head_dim": o.head_dim or o.hidden // o.heads,
        "max_position_embeddings": o.context, "rms_norm_eps": o.epsilon, "rope_theta": o.rope_base,
        "tie_word_embeddings": o.tied, "attention_bias": o.attention_bias, "mlp_bias": o.mlp_bias,
        "torch_dtype": {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}[o.dtype],
    }
    if o.rope_scaling:
        config["rope_scaling"] = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                                  "original_max_position_embeddings": 64}
    return config


def shapes_of(c):
    """Name to shape, in the order in which Hugging Face lists them."""
    h, f, d = c["hidden_size"], c["intermediate_size"], c["head_dim"]
    q, kv = c["num_attention_heads"] * d, c["num_key_value_heads"] * d
    shapes = {"model.embed_tokens.weight": (c["vocab_size"], h)}
    for layer in range(c["num_hidden_layers"]):
        p = f"model.layers.{layer}."
        shapes[p + "input_layernorm.weight"] = shapes[p + "post_attention_layernorm.weight"] = (h,)
        for name, rows, columns in (("q", q, h), ("k", kv, h), ("v", kv, h), ("o", h, q)):
            shapes[f"{p}self_attn.{name}_proj.weight"] = (rows, columns)
            if c["attention_bias"]:
                shapes[f"{p}self_attn.{name}_proj.bias"] = (rows,)
        for name, rows, columns in (("gate", f, h), ("up", f, h), ("down", h, f)):
            shapes[f"{p}mlp.{name}_proj.weight"] = (rows, columns)
            if c["mlp_bias"]:
                shapes[f"{p}mlp.{name}_proj.bias"] = (rows,)
    shapes["model.norm.weight"] = (h,)
    if not c["tie_word_embeddings"]:
        shapes["lm_head.weight"] = (c["vocab_size"], h)
    return shapes


def values_of(name, shape, generator):
    if "norm" in name:
        return 1 + 0.2 * generator.standard_normal(shape)
    if name.endswith(".bias"):
        return 0.1 * generator.standard_normal(shape)
    return generator.standard_normal(shape) * (1.0 if "embed" in name else shape[1] ** -0.5)


def bytes_of(values, dtype):
    if dtype == "BF16":  # round to nearest, ties to even
        bits = values.astype(np.float32).view(np.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16).tobytes()
    return values.astype({"F32": np.float32, "F16": np.float16}[dtype]).tobytes()


def write_safetensors(path, tensors, dtype):
    """tensors: name to (shape, bytes)."""
    header, offset = {}, 0
    for name, (shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, data in tensors.values():
            file.write(data)


def write_model(folder, config, seed, dtype="F32", shards=1):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    generator = np.random.default_rng(seed)
    tensors = {n: (s, bytes_of(values_of(n, s, generator), dtype)) for n, s in shapes_of(config).items()}
    if shards == 1:
        write_safetensors(folder / "model.safetensors", tensors, dtype)
        return
    names, index = list(tensors), {}
    for shard in range(shards):
        file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        part = {n: tensors[n] for n in names[shard::shards]}
        write_safetensors(folder / file, part, dtype)
        index.update(dict.fromkeys(part, file))
    total = sum(len(data) for _, data in tensors.values())
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {"total_size": total}, "weight_map": index}, indent=2) + "\n")


def parse(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    for name, default in (("seed", 1), ("hidden", 60), ("layers", 2), ("heads", 6), ("kv-heads", 2), ("head-dim", 0), ("ff", 44),
                          ("vocab", 101), ("context", 512), ("shards", 1), ("tokens", 0)):
        parser.add_argument("--" + name, type=int, default=default)
    parser.add_argument("--rope-base", type=float, default=10000.0)
    parser.add_argument("--epsilon", type=float, default=1e-5)
    parser.add_argument("--dtype", choices=["F32", "F16", "BF16"], default="F32")
    for name in ("tied", "attention-bias", "mlp-bias", "rope-scaling"):
        parser.add_argument("--" + name, action="store_true")
    parser.add_argument("--tokens-out")
    return parser.parse_args(arguments)


def main():
    options = parse()
    write_model(options.folder, config_of(options), options.seed, options.dtype, options.shards)
    if options.tokens:
        ids = np.random.default_rng(options.seed + 1).integers(0, options.vocab, options.tokens, dtype=np.int32)
        np.save(options.tokens_out or pathlib.Path(options.folder) / "tokens.npy", ids)


if __name__ == "__main__":
    main()
