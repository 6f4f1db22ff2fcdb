#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""An independent reference for models of the Llama family: plain NumPy in float64, nothing but the formulas.

    reference-llama.py FOLDER --tokens ids.npy --logits out.npy
    reference-llama.py FOLDER --tokens ids.npy --compare logits.npy --tolerance 1e-4

FOLDER holds `config.json` and one or many `*.safetensors` (F32, F16, BF16) as Hugging Face writes them; the weights
are widened to float64 and every operation, RoPE's frequencies and angles included, is done in float64. `ids.npy` is one
sequence of token ids; row i of the logits (float64 [tokens, vocabulary]) is what follows tokens 0..i.
`--compare` prints the greatest and the root-mean-square difference; it exits 1 above the tolerance, on NaN and on
another shape. `--dump FOLDER` writes the residual stream before each layer and after the last as hidden-NN.npy, to find
the first layer that differs.

Covered: grouped-query attention, RMSNorm, half-split RoPE with none, `linear` or `llama3` scaling, SwiGLU,
`attention_bias`, `mlp_bias`, a `head_dim` of its own, tied and untied heads. Anything else is refused by name.

This file was itself compared with transformers 5.23 (LlamaForCausalLM in float64, what it computes in float32 all the
same replaced; `golden/make-golden.py --prove-reference` does it again). Greatest difference of the logits over 300
tokens of four random models, of rms 1: 1.3e-14; over 2,000 tokens of SmolLM2-135M: 2.7e-13. Its frequencies equal those
of transformers to 3e-7, which is what float32 holds. checkers.test repeats the comparison on the random models.
"""
import argparse
import json
import pathlib
import sys

import numpy as np

STORED = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.uint16}


def read_safetensors(path):
    """Every tensor of one file as float64, by name."""
    data = np.memmap(path, dtype=np.uint8, mode="r")
    length = int(data[:8].view("<u8")[0])
    header = json.loads(bytes(data[8 : 8 + length]))
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        if entry["dtype"] not in STORED:
            raise SystemExit(f"unsupported dtype {entry['dtype']} of {name}")
        values = np.frombuffer(bytes(data[8 + length + begin : 8 + length + end]), dtype=STORED[entry["dtype"]])
        if entry["dtype"] == "BF16":
            values = (values.astype(np.uint32) << 16).view(np.float32)
        tensors[name] = values.astype(np.float64).reshape(entry["shape"])
    return tensors


class Config:
    """The fields of config.json that the formulas read."""

    def __init__(self, fields):
        self.hidden = fields["hidden_size"]
        self.layers = fields["num_hidden_layers"]
        self.heads = fields["num_attention_heads"]
        self.kv_heads = fields.get("num_key_value_heads") or self.heads
        self.head_dim = fields.get("head_dim") or self.hidden // self.heads
        self.epsilon = fields.get("rms_norm_eps", 1e-6)
        self.tied = fields.get("tie_word_embeddings", False)
        # transformers 5 moved rope_theta and rope_scaling into rope_parameters.
        rope = fields.get("rope_parameters") or {}
        self.rope_base = rope.get("rope_theta") or fields.get("rope_theta", 10000.0)
        self.scaling = fields.get("rope_scaling") or rope
        if fields.get("hidden_act", "silu") != "silu":
            raise SystemExit(f"unsupported hidden_act {fields['hidden_act']}")


def rope_frequencies(config):
    """One frequency for each pair of a head, float64 [head_dim / 2]."""
    frequencies = config.rope_base ** (-np.arange(0, config.head_dim, 2, dtype=np.float64) / config.head_dim)
    kind = config.scaling.get("rope_type") or config.scaling.get("type") or "default"
    if kind == "default":
        return frequencies
    if kind == "linear":
        return frequencies / config.scaling["factor"]
    if kind != "llama3":
        raise SystemExit(f"unsupported rope_scaling {kind}")
    # Llama 3: long waves are slowed by `factor`, short ones stay, between the two a straight line in 1 / wavelength.
    factor, original = config.scaling["factor"], config.scaling["original_max_position_embeddings"]
    low, high = config.scaling["low_freq_factor"], config.scaling["high_freq_factor"]
    turns = original * frequencies / (2 * np.pi)
    blend = np.clip((turns - low) / (high - low), 0.0, 1.0)
    return (1 - blend) * frequencies / factor + blend * frequencies


def rotate(x, positions, frequencies):
    """Half-split RoPE of x [tokens, heads, head_dim]: element i turns with element i + head_dim / 2."""
    angles = positions[:, None, None] * frequencies
    cosine, sine = np.cos(angles).astype(x.dtype), np.sin(angles).astype(x.dtype)
    first, second = np.split(x, 2, axis=-1)
    return np.concatenate([first * cosine - second * sine, second * cosine + first * sine], axis=-1)


def rms_norm(x, scale, epsilon):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + epsilon) * scale


def attention(q, k, v):
    """Causal: q [tokens, heads, d] to k, v [tokens, kv_heads, d]; head h reads KV head h // (heads / kv_heads)."""
    tokens, heads, head_dim = q.shape
    group = heads // k.shape[1]
    result = np.empty_like(q)
    later = np.triu(np.ones((tokens, tokens), dtype=bool), 1)
    for head in range(heads):
        scores = q[:, head] @ k[:, head // group].T / head_dim**0.5
        scores[later] = -np.inf
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        result[:, head] = scores / scores.sum(axis=-1, keepdims=True) @ v[:, head // group]
    return result


class Llama:
    """config: the dictionary of config.json; weights: arrays by their Hugging Face names.

    Computes in the weights' type, float64 for a reference; RoPE's angles are float64 in either case.
    """

    def __init__(self, config, weights):
        self.fields, self.config = config, Config(config)
        self.weights = {name.removeprefix("model."): value for name, value in weights.items()}

    @classmethod
    def load(cls, folder):
        folder = pathlib.Path(folder)
        weights = {}
        for path in sorted(folder.glob("*.safetensors")):
            weights.update(read_safetensors(path))
        return cls(json.loads((folder / "config.json").read_text()), weights)

    def linear(self, x, name):
        y = x @ self.weights[name + ".weight"].T
        bias = self.weights.get(name + ".bias")
        return y if bias is None else y + bias

    def layer(self, x, index, positions, frequencies):
        c, prefix = self.config, f"layers.{index}."
        h = rms_norm(x, self.weights[prefix + "input_layernorm.weight"], c.epsilon)
        q, k, v = (self.linear(h, f"{prefix}self_attn.{n}_proj").reshape(len(x), -1, c.head_dim) for n in "qkv")
        assert q.shape[1] == c.heads and k.shape[1] == v.shape[1] == c.kv_heads
        mixed = attention(rotate(q, positions, frequencies), rotate(k, positions, frequencies), v)
        x = x + self.linear(mixed.reshape(len(x), -1), prefix + "self_attn.o_proj")
        h = rms_norm(x, self.weights[prefix + "post_attention_layernorm.weight"], c.epsilon)
        gate = self.linear(h, prefix + "mlp.gate_proj")
        gated = gate / (1 + np.exp(-gate)) * self.linear(h, prefix + "mlp.up_proj")
        return x + self.linear(gated, prefix + "mlp.down_proj")

    def hidden(self, tokens):
        """The residual stream before every layer and after the last: a list of float64 [tokens, hidden]."""
        positions = np.arange(len(tokens), dtype=np.float64)
        frequencies = rope_frequencies(self.config)
        streams = [self.weights["embed_tokens.weight"][np.asarray(tokens)]]
        for index in range(self.config.layers):
            streams.append(self.layer(streams[-1], index, positions, frequencies))
        return streams

    def head(self, x):
        name = "embed_tokens.weight" if self.config.tied else "lm_head.weight"
        return rms_norm(x, self.weights["norm.weight"], self.config.epsilon) @ self.weights[name].T

    def logits(self, tokens):
        """float64 [tokens, vocabulary]; row i predicts what follows tokens[: i + 1]."""
        return self.head(self.hidden(tokens)[-1])


def compare(expected, path, tolerance):
    actual = np.load(path).astype(np.float64)
    if actual.shape != expected.shape:
        print(f"expected logits of shape {expected.shape} but got {actual.shape}")
        return 1
    error = np.abs(actual - expected)
    rms = [np.sqrt(np.mean(values**2)) for values in (error, expected)]
    print(f"max error {error.max():.3e}, rms {rms[0]:.3e}, rms of logits {rms[1]:.3e}")
    # NaN compares false, so it fails here.
    return 0 if error.max() <= tolerance else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--tokens", required=True)
    parser.add_argument("--logits")
    parser.add_argument("--compare")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    parser.add_argument("--dump")
    options = parser.parse_args()
    model, tokens = Llama.load(options.folder), np.load(options.tokens).reshape(-1)
    streams = model.hidden(tokens)
    if options.dump:
        pathlib.Path(options.dump).mkdir(parents=True, exist_ok=True)
        for index, stream in enumerate(streams):
            np.save(f"{options.dump}/hidden-{index:02}.npy", stream)
    logits = model.head(streams[-1])
    if options.logits:
        np.save(options.logits, logits)
    return compare(logits, options.compare, options.tolerance) if options.compare else 0


if __name__ == "__main__":
    sys.exit(main())
