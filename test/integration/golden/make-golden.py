#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Makes the golden values of SmolLM2-135M-Instruct from the weights of its GGUF file, by Hugging Face transformers.

    python3 -m venv build/venv-golden
    build/venv-golden/bin/pip install numpy gguf tokenizers torch transformers
    build/venv-golden/bin/python test/integration/golden/make-golden.py build/models/SmolLM2-135M-Instruct.Q4_1.gguf

Run by hand when a golden value has to change; the tests read what it wrote and need NumPy alone. It takes 6 GiB and a
few minutes, uses no random numbers but the fixed choice of columns, and writes beside itself:

- `tokens.npy`: int32 [2000], the ids of text.txt, which is cut so that it makes exactly these.
- `logits.npz`: of those tokens, teacher-forced as one sequence (row i follows tokens 0..i), in float64: `columns`
  int32 [24] and `sample` [2000, 24], the logits of these columns; `lse` [2000], the log of the sum of the exponentials
  of all 49152 logits; `next` [2000], the logit of the token that does follow (the last row: of token 0); and `f32_*`:
  the errors of transformers in float32 against that, by the measures of check-logits.py.
- `greedy.json`: eight prompts, their ids, 32 greedy tokens each in float64, and at every step the margin: how far
  the chosen logit lies above the second. `tolerance` says which margins are too small to ask for equality. Generation
  goes on after the model's stop token, `stop`, which comes up in one of them.

The judge is LlamaForCausalLM in float64 with a rotary embedding whose frequencies and angles, and RMS norms whose
means, are float64 too: transformers computes all of them in float32 whatever the model's dtype is (the norms alone
cost 1.3e-5 here). Attention is the default, `sdpa`, which keeps to float64 (`eager` has a softmax in float32). The
float32 run is transformers as it comes.
`--prove-reference` compares ../Inputs/reference-llama.py with the same judge instead, on random models and on this one,
and writes `tiny.npz`: what the judge says of the random models, for checkers.test to compare with.
"""
import argparse
import importlib.util
import json
import pathlib
import sys
import tempfile

import numpy as np
import torch
import transformers
from gguf import GGUFReader, dequantize
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

HERE = pathlib.Path(__file__).resolve().parent
TOKENS, COLUMNS, NEW_TOKENS = 2000, 24, 32
PROMPTS = [
    "The capital of France is",
    "Hello",  # a single token
    "def fibonacci(n):\n",
    "Die Hauptstadt von Deutschland ist",
    "1, 2, 3, 4, 5, 6,",
    "Once upon a time, in a small village by the sea,",
    "<|im_start|>user\nWhy is the sky blue?<|im_end|>\n<|im_start|>assistant\n",
    540,  # the first 540 tokens of text.txt
]


def module_of(path):
    spec = importlib.util.spec_from_file_location(path.stem.replace("-", "_"), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = module_of(HERE.parent / "Inputs" / "reference-llama.py")
checkers = module_of(HERE.parent / "Inputs" / "check-the-checkers.py")
check_logits = module_of(HERE.parent / "check-logits.py")

NAMES = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj",
         "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
         "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}


def halves(weight, heads):
    """Rows of a head from pairs side by side, as GGUF holds them, to halves, as Hugging Face does."""
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def read_gguf(path):
    """config.json's fields, float32 weights by Hugging Face's names, and the tokenizer of a Llama GGUF file."""
    reader = GGUFReader(path)
    field = lambda name: reader.fields[name].contents()
    config = {
        "hidden_size": field("llama.embedding_length"), "intermediate_size": field("llama.feed_forward_length"),
        "num_hidden_layers": field("llama.block_count"), "vocab_size": field("llama.vocab_size"),
        "num_attention_heads": field("llama.attention.head_count"), "hidden_act": "silu",
        "num_key_value_heads": field("llama.attention.head_count_kv"), "tie_word_embeddings": True,
        "max_position_embeddings": field("llama.context_length"), "rope_theta": field("llama.rope.freq_base"),
        "rms_norm_eps": field("llama.attention.layer_norm_rms_epsilon"),
        "bos_token_id": field("tokenizer.ggml.bos_token_id"), "eos_token_id": field("tokenizer.ggml.eos_token_id"),
    }
    weights = {}
    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        name, part = tensor.name.removesuffix(".weight"), tensor.name.split(".")
        if name == "token_embd":
            name = "model.embed_tokens"
        elif name == "output_norm":
            name = "model.norm"
        else:
            name = f"model.layers.{part[1]}.{NAMES[part[2]]}"
            if part[2] in ("attn_q", "attn_k"):
                values = halves(values, config["num_attention_heads" if part[2] == "attn_q" else "num_key_value_heads"])
        weights[name + ".weight"] = values
    ids = {token: index for index, token in enumerate(field("tokenizer.ggml.tokens"))}
    merges = [tuple(merge.split(" ")) for merge in field("tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE(vocab=ids, merges=merges))
    # "smollm": each code point of category N is a piece of its own, then GPT-2's pattern.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    control = [t for t, kind in zip(field("tokenizer.ggml.tokens"), field("tokenizer.ggml.token_type")) if kind == 3]
    tokenizer.add_special_tokens(control)
    return config, weights, tokenizer


class ExactRotary(torch.nn.Module):
    """Stands in for LlamaRotaryEmbedding: frequencies and angles in float64."""

    def __init__(self, frequencies):
        super().__init__()
        self.frequencies = torch.from_numpy(np.ascontiguousarray(frequencies))

    def forward(self, x, position_ids, **_):
        angles = position_ids[:, :, None].to(torch.float64) * self.frequencies
        angles = torch.cat((angles, angles), dim=-1)
        return angles.cos().to(x.dtype), angles.sin().to(x.dtype)


class ExactNorm(torch.nn.Module):
    """Stands in for LlamaRMSNorm, which goes through float32."""

    def __init__(self, norm):
        super().__init__()
        self.weight, self.epsilon = norm.weight, norm.variance_epsilon

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.epsilon) * self.weight


def make_exact(model, frequencies):
    """Replaces what transformers computes in float32 whatever the dtype is; returns model."""
    for layer in model.model.layers:
        layer.input_layernorm = ExactNorm(layer.input_layernorm)
        layer.post_attention_layernorm = ExactNorm(layer.post_attention_layernorm)
    model.model.norm = ExactNorm(model.model.norm)
    model.model.rotary_emb = ExactRotary(frequencies)
    return model


def transformers_model(config, weights, dtype):
    fields = {k: v for k, v in config.items() if k not in ("architectures", "model_type", "torch_dtype")}
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**fields)).to(dtype).eval()
    state = {name: torch.from_numpy(np.ascontiguousarray(value)).to(dtype) for name, value in weights.items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}, (missing, unexpected)
    model.tie_weights()
    return make_exact(model, reference.rope_frequencies(reference.Config(config))) if dtype == torch.float64 else model


@torch.no_grad()
def measure(model, tokens, columns):
    """(sample, lse, next) of the teacher-forced logits, in float64."""
    hidden = model.model(torch.from_numpy(tokens.astype(np.int64))[None], use_cache=False).last_hidden_state[0]
    parts = []
    for begin in range(0, len(tokens), 200):
        logits = model.lm_head(hidden[begin : begin + 200]).double().numpy()
        parts.append(check_logits.measures_of(logits, columns, np.roll(tokens, -1)[begin : begin + 200]))
    return [np.concatenate(part) for part in zip(*parts)]


@torch.no_grad()
def greedy(model, prompt):
    """NEW_TOKENS greedy tokens after the prompt, and the margin of each over the second best."""
    tokens, margins, cache = [], [], transformers.DynamicCache()
    step = torch.tensor([prompt])
    for _ in range(NEW_TOKENS):
        top = torch.topk(model(step, past_key_values=cache, use_cache=True).logits[0, -1], 2)
        tokens.append(int(top.indices[0]))
        margins.append(float(top.values[0] - top.values[1]))
        step = top.indices[:1][None]
    return tokens, margins


def make(path):
    config, weights, tokenizer = read_gguf(path)
    tokens = np.array(tokenizer.encode((HERE / "text.txt").read_text()).ids, np.int32)
    assert tokens.shape == (TOKENS,), tokens.shape
    chosen = np.random.default_rng(20250101).choice(config["vocab_size"], COLUMNS, replace=False)
    columns = np.sort(chosen).astype(np.int32)

    single = transformers_model(config, weights, torch.float32)
    f32 = measure(single, tokens, columns)
    f32_greedy = [greedy(single, ids_of(prompt, tokenizer, tokens))[0] for prompt in PROMPTS]
    del single
    double = transformers_model(config, weights, torch.float64)
    f64 = measure(double, tokens, columns)
    errors = check_logits.errors_of(f32, f64)
    tolerance = check_logits.LIMIT * 2 * errors["sample_max"]
    print("transformers float32 against float64:", errors)
    np.save(HERE / "tokens.npy", tokens)
    np.savez_compressed(HERE / "logits.npz", columns=columns, sample=f64[0], lse=f64[1], next=f64[2],
                        **{"f32_" + name: value for name, value in errors.items()})

    results = []
    for prompt, other in zip(PROMPTS, f32_greedy):
        ids = ids_of(prompt, tokenizer, tokens)
        text = tokenizer.decode(ids, skip_special_tokens=False)
        chosen, margins = greedy(double, ids)
        results.append({"prompt": text, "prompt_tokens": ids, "tokens": chosen, "text": tokenizer.decode(chosen),
                        "margins": [round(m, 6) for m in margins]})
        equal = sum(a == b for a, b in zip(chosen, other))
        print(f"{len(ids)} tokens, least margin {min(margins):.5f}, {equal} equal in float32: {results[-1]['text']!r}")
    document = {"model": "SmolLM2-135M-Instruct.Q4_1.gguf", "tolerance": tolerance, "stop": config["eos_token_id"],
                "results": results}
    (HERE / "greedy.json").write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n")


def ids_of(prompt, tokenizer, tokens):
    return tokens[:prompt].tolist() if isinstance(prompt, int) else tokenizer.encode(prompt).ids


def prove_reference(path):
    """Compares reference-llama.py with the judge, and its frequencies with those of transformers."""
    worst, expectations = 0.0, {}
    for seed, case in enumerate(checkers.TINY):
        with tempfile.TemporaryDirectory() as folder:
            tokens = checkers.write_tiny(folder, seed)
            model = reference.Llama.load(folder)
            # transformers reads the folder by itself, so that both readers are compared too.
            judge = transformers.LlamaForCausalLM.from_pretrained(folder, dtype=torch.float64)
            ours = reference.rope_frequencies(model.config)
            theirs = judge.model.rotary_emb.inv_freq.double().numpy()
            make_exact(judge, ours)
            with torch.no_grad():
                expected = judge(torch.from_numpy(tokens)[None]).logits[0].numpy()
            error = np.abs(model.logits(tokens) - expected).max()
            worst = max(worst, error)
            expectations[f"case{seed}"] = expected[-3:]
            print(f"{case}: max difference {error:.2e}, rms of logits {np.sqrt(np.mean(expected ** 2)):.2f}, "
                  f"frequencies {np.abs(ours / theirs - 1).max():.1e}")
    np.savez_compressed(HERE / "tiny.npz", **expectations)
    config, weights, _ = read_gguf(path)
    tokens, golden = np.load(HERE / "tokens.npy"), np.load(HERE / "logits.npz")
    model = reference.Llama(config, {name: value.astype(np.float64) for name, value in weights.items()})
    actual = check_logits.measures_of(model.logits(tokens), golden["columns"], np.roll(tokens, -1))
    errors = check_logits.errors_of(actual, [golden[name] for name in ("sample", "lse", "next")])
    print("SmolLM2, 2000 tokens:", errors)
    other = transformers.AutoModelForCausalLM.from_pretrained(
        pathlib.Path(path).parent, gguf_file=pathlib.Path(path).name, dtype=torch.float32).state_dict()
    assert all(np.array_equal(other[name].numpy(), value) for name, value in weights.items())
    print("transformers reads the same", len(weights), "weights from the file")
    return 0 if worst < 1e-10 and errors["sample_max"] < 1e-9 else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gguf")
    parser.add_argument("--prove-reference", action="store_true")
    options = parser.parse_args()
    print("numpy", np.__version__, "torch", torch.__version__, "transformers", transformers.__version__)
    return prove_reference(options.gguf) if options.prove_reference else make(options.gguf)


if __name__ == "__main__":
    sys.exit(main())
