#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes a random Llama checkpoint of any small shape, the same weights in both formats.

    make-tiny-llama.py FOLDER [--heads 6 --kv-heads 2 --untied --encoding Q8_0 ...]

makes FOLDER/config.json, FOLDER/model.safetensors (or several files with an index) and FOLDER/model.gguf. Both hold
exactly the same numbers: what an encoding rounds is rounded before either file is written. GGUF stores the rows of q
and k in pairs, as llama.cpp's converter does; safetensors stores them in halves. There is no tokenizer. Needs numpy
alone.
"""
import argparse
import json
import pathlib
import struct

import numpy as np

# GGUF's number of each type.
ENCODINGS = {"F32": 0, "F16": 1, "BF16": 30, "Q4_0": 2, "Q4_1": 3, "Q8_0": 8}


def encode_bf16(values):
    bits = values.view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def as_bytes(halves):
    return halves.astype(np.float16).view(np.uint8).reshape(-1, 2)


def encode_blocks(values, encoding):
    """ggml's reference quantisation of rows of 32; returns the blocks' bytes and the values that they decode to."""
    blocks = values.reshape(-1, 32)
    if encoding == "Q8_0":
        scale = (np.abs(blocks).max(1, keepdims=True) / np.float32(127)).astype(np.float16)
    elif encoding == "Q4_0":
        extreme = np.take_along_axis(blocks, np.abs(blocks).argmax(1)[:, None], 1)
        scale = (extreme / np.float32(-8)).astype(np.float16)
    else:
        low = blocks.min(1, keepdims=True).astype(np.float16)
        scale = ((blocks.max(1, keepdims=True) - low.astype(np.float32)) / np.float32(15)).astype(np.float16)
    factor = scale.astype(np.float32)
    inverse = np.divide(np.float32(1), factor, out=np.zeros_like(factor), where=factor != 0)
    if encoding == "Q8_0":
        quants = np.clip(np.rint(blocks * inverse), -127, 127).astype(np.int8)
        return np.hstack([as_bytes(scale), quants.view(np.uint8)]), quants.astype(np.float32) * factor
    if encoding == "Q4_0":
        quants = np.clip(np.rint(blocks * inverse) + 8, 0, 15).astype(np.uint8)
        head, decoded = as_bytes(scale), (quants.astype(np.float32) - 8) * factor
    else:
        floor = low.astype(np.float32)
        quants = np.clip(np.rint((blocks - floor) * inverse), 0, 15).astype(np.uint8)
        head, decoded = np.hstack([as_bytes(scale), as_bytes(low)]), quants.astype(np.float32) * factor + floor
    return np.hstack([head, quants[:, :16] | quants[:, 16:] << 4]), decoded


def encode(values, encoding):
    """Bytes of `values` in the encoding, and the float32 values that they decode to."""
    values = np.ascontiguousarray(values, np.float32)
    if encoding == "F32":
        return values.tobytes(), values
    if encoding == "F16":
        halves = values.astype(np.float16)
        return halves.tobytes(), halves.astype(np.float32)
    if encoding == "BF16":
        halves = encode_bf16(values)
        return halves.tobytes(), (halves.astype(np.uint32) << 16).view(np.float32)
    if values.shape[-1] % 32:
        raise SystemExit(f"{encoding} needs rows of a multiple of 32 elements but got {values.shape[-1]}")
    data, decoded = encode_blocks(values, encoding)
    return data.tobytes(), decoded.reshape(values.shape)


def in_pairs(values, heads):
    """The order of q's and k's rows in GGUF: row (half, i) of a head becomes row (i, half)."""
    rows = values.shape[0]
    return values.reshape(heads, 2, rows // heads // 2, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)


def tensor_list(o):
    """(GGUF name, safetensors name, shape, heads whose rows are paired or 0), in the order of the model."""
    query, kv = o.heads * o.head_dim, o.kv_heads * o.head_dim
    parts = [("attn_norm.weight", "input_layernorm.weight", (o.hidden,), 0),
             ("attn_q.weight", "self_attn.q_proj.weight", (query, o.hidden), o.heads),
             ("attn_k.weight", "self_attn.k_proj.weight", (kv, o.hidden), o.kv_heads),
             ("attn_v.weight", "self_attn.v_proj.weight", (kv, o.hidden), 0),
             ("attn_output.weight", "self_attn.o_proj.weight", (o.hidden, query), 0),
             ("ffn_norm.weight", "post_attention_layernorm.weight", (o.hidden,), 0),
             ("ffn_gate.weight", "mlp.gate_proj.weight", (o.feed_forward, o.hidden), 0),
             ("ffn_up.weight", "mlp.up_proj.weight", (o.feed_forward, o.hidden), 0),
             ("ffn_down.weight", "mlp.down_proj.weight", (o.hidden, o.feed_forward), 0)]
    biased = (["attn_q", "attn_k", "attn_v", "attn_output"] if o.attention_bias else []) + \
             (["ffn_gate", "ffn_up", "ffn_down"] if o.mlp_bias else [])
    parts += [(g.replace("weight", "bias"), s.replace("weight", "bias"), shape[:1], heads)
              for g, s, shape, heads in parts if g.split(".")[0] in biased]
    tensors = [("token_embd.weight", "model.embed_tokens.weight", (o.vocabulary, o.hidden), 0)]
    for layer in range(o.layers):
        tensors += [(f"blk.{layer}.{g}", f"model.layers.{layer}.{s}", shape, heads) for g, s, shape, heads in parts]
    tensors.append(("output_norm.weight", "model.norm.weight", (o.hidden,), 0))
    return tensors if o.tied else tensors + [("output.weight", "lm_head.weight", (o.vocabulary, o.hidden), 0)]


def random_values(name, shape, rng):
    values = rng.standard_normal(shape)
    if "norm" in name:
        return 1.0 + 0.1 * values
    return 0.1 * values if name.endswith("bias") else values / np.sqrt(shape[-1])


def rope_divisors(o):
    """Llama 3's scaling as GGUF stores it: one divisor of each frequency."""
    factor, low, high, context = o.llama3_scaling
    wavelength = 2 * np.pi * o.rope_theta ** (np.arange(0, o.head_dim, 2) / o.head_dim)
    smooth = (context / wavelength - low) / (high - low)
    middle = 1 / ((1 - smooth) / factor + smooth)
    kept_or_middle = np.where(wavelength < context / high, 1.0, middle)
    return np.where(wavelength > context / low, factor, kept_or_middle).astype(np.float32)


def gguf_text(text):
    return struct.pack("<Q", len(text.encode())) + text.encode()


def byte_alphabet(count):
    """`count` tokens of a byte-level tokenizer: three for control, one for every byte as GPT-2 spells it, and names."""
    printed = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {byte: chr(byte) for byte in printed}
    letters |= {byte: chr(256 + i) for i, byte in enumerate(b for b in range(256) if b not in letters)}
    return ["<unk>", "<s>", "</s>"] + [letters[b] for b in range(256)] + [f"<{i}>" for i in range(259, count)]


def gguf_tokenizer(count):
    """The metadata of that tokenizer: no merges, the rules of SmolLM's pre-tokenizer."""
    tokens = b"".join(map(gguf_text, byte_alphabet(count)))
    types = struct.pack(f"<{count}i", 3, 3, 3, *(1 for _ in range(256)), *(5 for _ in range(count - 259)))
    key = "tokenizer.ggml."
    return [gguf_text(key + "model") + struct.pack("<I", 8) + gguf_text("gpt2"),
            gguf_text(key + "pre") + struct.pack("<I", 8) + gguf_text("smollm"),
            gguf_text(key + "tokens") + struct.pack("<IIQ", 9, 8, count) + tokens,
            gguf_text(key + "token_type") + struct.pack("<IIQ", 9, 5, count) + types,
            gguf_text(key + "merges") + struct.pack("<IIQ", 9, 8, 0)]


def write_gguf(path, o, tensors):
    """`tensors`: (name, shape, encoding, bytes)."""
    integers = {"block_count": o.layers, "embedding_length": o.hidden, "attention.head_count": o.heads,
                "attention.head_count_kv": o.kv_heads, "attention.key_length": o.head_dim,
                "attention.value_length": o.head_dim, "feed_forward_length": o.feed_forward,
                "context_length": o.context, "vocab_size": o.vocabulary, "rope.dimension_count": o.head_dim}
    floats = {"attention.layer_norm_rms_epsilon": o.epsilon, "rope.freq_base": o.rope_theta}
    texts = {"general.architecture": "llama", "general.name": "tiny random llama"}
    if o.linear_scaling:
        texts["llama.rope.scaling.type"] = "linear"
        floats["rope.scaling.factor"] = o.linear_scaling
    values = [gguf_text(key) + struct.pack("<I", 8) + gguf_text(text) for key, text in texts.items()]
    values += [gguf_text("llama." + key) + struct.pack("<II", 4, value) for key, value in integers.items()]
    values += [gguf_text("llama." + key) + struct.pack("<If", 6, value) for key, value in floats.items()]
    values += [gguf_text(f"tokenizer.ggml.{key}_token_id") + struct.pack("<II", 4, value)
               for key, value in (("bos", 1), ("eos", 2))]
    if o.byte_tokenizer:
        values += gguf_tokenizer(o.vocabulary)
    header, data = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(values)), *values], bytearray()
    for name, shape, encoding, content in tensors:
        data += bytes(-len(data) % 32)
        header.append(gguf_text(name))
        header.append(struct.pack(f"<I{len(shape)}QIQ", len(shape), *reversed(shape), ENCODINGS[encoding], len(data)))
        data += content
    start = b"".join(header)
    path.write_bytes(start + bytes(-len(start) % 32) + data)


def write_safetensors(path, tensors):
    """`tensors`: (name, shape, dtype, bytes)."""
    header, data = {"__metadata__": {"format": "pt"}}, bytearray()
    for name, shape, dtype, content in tensors:
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def write_shards(folder, tensors, shards):
    if shards == 1:
        return write_safetensors(folder / "model.safetensors", tensors)
    weight_map = {}
    for shard in range(shards):
        part = tensors[shard::shards]
        name = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        write_safetensors(folder / name, part)
        weight_map.update({tensor[0]: name for tensor in part})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))


def write_config(path, o):
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "attention_bias": o.attention_bias,
              "bos_token_id": 1, "eos_token_id": 2, "head_dim": o.head_dim, "hidden_act": "silu",
              "hidden_size": o.hidden,
              "intermediate_size": o.feed_forward, "max_position_embeddings": o.context, "mlp_bias": o.mlp_bias,
              "num_attention_heads": o.heads, "num_hidden_layers": o.layers, "num_key_value_heads": o.kv_heads,
              "rms_norm_eps": o.epsilon, "tie_word_embeddings": o.tied, "vocab_size": o.vocabulary}
    rope = {"rope_type": "default"}
    if o.llama3_scaling:
        factor, low, high, context = o.llama3_scaling
        rope = {"rope_type": "llama3", "factor": factor, "low_freq_factor": low, "high_freq_factor": high,
                "original_max_position_embeddings": int(context)}
    elif o.linear_scaling:
        rope = {"rope_type" if o.new_keys else "type": "linear", "factor": o.linear_scaling}
    if o.new_keys:  # as transformers 5 writes them
        config |= {"dtype": "float32", "rope_parameters": rope | {"rope_theta": o.rope_theta}}
    else:
        scaling = rope if o.llama3_scaling or o.linear_scaling else None
        config |= {"torch_dtype": "float32", "rope_theta": o.rope_theta, "rope_scaling": scaling}
    if o.terse:
        defaults = {"architectures": ["LlamaForCausalLM"], "attention_bias": False, "bos_token_id": 1, "dtype": "float32",
                    "eos_token_id": 2, "head_dim": o.hidden // o.heads, "hidden_act": "silu", "mlp_bias": False,
                    "num_key_value_heads": o.heads, "rms_norm_eps": 1e-6, "rope_scaling": None, "rope_theta": 10000.0,
                    "tie_word_embeddings": False, "torch_dtype": "float32"}
        config = {key: value for key, value in config.items() if key not in defaults or value != defaults[key]}
    path.write_text(json.dumps(config, indent=2))


def write_checkpoint(o):
    folder = pathlib.Path(o.folder)
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(o.seed)
    dtype = o.encoding if o.encoding in ("F16", "BF16") else "F32"
    gguf, safetensors = [], []
    for gguf_name, name, shape, heads in tensor_list(o):
        values = random_values(gguf_name, shape, rng).astype(np.float32)
        encoding = o.encoding if len(shape) == 2 else "F32"
        # Safetensors has one type for all; GGUF keeps vectors in F32.
        _, values = encode(values, encoding if len(shape) == 2 else dtype)
        stored = encode(in_pairs(values, heads) if heads else values, encoding)[0]
        gguf.append((gguf_name, shape, encoding, stored))
        safetensors.append((name, shape, dtype, encode(values, dtype)[0]))
    if o.llama3_scaling:
        gguf.append(("rope_freqs.weight", (o.head_dim // 2,), "F32", rope_divisors(o).tobytes()))
    write_gguf(folder / "model.gguf", o, gguf)
    write_shards(folder, safetensors, o.shards)
    write_config(folder / "config.json", o)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    for name, value in (("layers", 2), ("hidden", 48), ("heads", 6), ("kv-heads", 2), ("feed-forward", 66),
                        ("vocabulary", 90), ("context", 256), ("shards", 1), ("seed", 1)):
        parser.add_argument("--" + name, type=int, default=value, metavar="N", help=f"(default {value})")
    parser.add_argument("--head-dim", type=int, metavar="N", help="(default hidden / heads)")
    parser.add_argument("--encoding", choices=list(ENCODINGS), default="F32", help="of matrices (default F32)")
    parser.add_argument("--rope-theta", type=float, default=10000.0)
    parser.add_argument("--epsilon", type=float, default=1e-5)
    parser.add_argument("--llama3-scaling", type=float, nargs=4, metavar=("FACTOR", "LOW", "HIGH", "CONTEXT"))
    parser.add_argument("--linear-scaling", type=float, metavar="FACTOR")
    parser.add_argument("--untied", dest="tied", action="store_false", help="a head of its own")
    parser.add_argument("--attention-bias", action="store_true")
    parser.add_argument("--mlp-bias", action="store_true")
    parser.add_argument("--byte-tokenizer", action="store_true",
                        help="one token a byte, in the GGUF file; needs a vocabulary of at least 259")
    parser.add_argument("--new-keys", action="store_true", help="rope_parameters and dtype, as transformers 5 writes")
    parser.add_argument("--terse", action="store_true", help="leave out of config.json what transformers takes by default")
    options = parser.parse_args()
    if options.head_dim is None:
        options.head_dim = options.hidden // options.heads
    write_checkpoint(options)


if __name__ == "__main__":
    main()
