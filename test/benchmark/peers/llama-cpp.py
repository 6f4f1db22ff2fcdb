#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Measures llama.cpp on one GGUF file and prints one line of JSON, in the form that `muster-run --bench --json` has.

    llama-cpp.py MODEL.gguf --threads 1 [--kv f32|f16] [--tokens tokens.npy]

It goes through the low-level API of PyPI's llama-cpp-python: what is timed is one `llama_decode` of a batch made
beforehand and the `llama_synchronize` after it, so Python's share is two foreign calls (about 2 us a step).
- `load_ms`: reading the model and making a context. `first_token_ms`: from before that to the first token after "The
  capital of France is". The file is in the page cache in both.
- `prefill`: one prompt of 128 or 512 tokens in one batch, logits of the last row; the best of three.
- `decode`: 64 steps from context 128 to 192, one token for each sequence, the first four to warm up; tokens/s over the
  rest, p50 and p99 of a step.
- `peak_rss_bytes` of the process; `base_rss_bytes` is what the interpreter alone had before.
- `greedy`: the first eight tokens after that prompt, by which the caller checks that it computes the right thing.
"""
import argparse
import ctypes
import json
import resource
import time

import llama_cpp as api
import numpy as np

PROMPT = [504, 3575, 282, 4649, 314]  # "The capital of France is"
CONTEXT, STEPS, WARM_UP = 128, 64, 4


def milliseconds(begin):
    return (time.perf_counter() - begin) * 1e3


class Session:
    """One llama.cpp context and one batch."""

    def __init__(self, model, threads, kv, sequences, tokens_each):
        params = api.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_ubatch, params.n_seq_max = sequences * tokens_each, 512, 512, sequences
        params.n_threads = params.n_threads_batch = threads
        params.type_k = params.type_v = {"f32": api.GGML_TYPE_F32, "f16": api.GGML_TYPE_F16}[kv]
        self.context = api.llama_init_from_model(model, params)
        if not self.context:
            raise SystemExit("llama.cpp makes no context")
        self.batch = api.llama_batch_init(512, 0, 1)
        self.vocabulary = api.llama_vocab_n_tokens(api.llama_model_get_vocab(model))

    def close(self):
        api.llama_batch_free(self.batch)
        api.llama_free(self.context)

    def clear(self):
        api.llama_memory_clear(api.llama_get_memory(self.context), True)

    def fill(self, rows):
        """rows: (token, position, sequence, wants logits)."""
        self.batch.n_tokens = len(rows)
        for i, (token, position, sequence, wanted) in enumerate(rows):
            self.batch.token[i], self.batch.pos[i], self.batch.logits[i] = token, position, wanted
            self.batch.n_seq_id[i], self.batch.seq_id[i][0] = 1, sequence

    def decode(self):
        """Runs the batch; milliseconds."""
        begin = time.perf_counter()
        status = api.llama_decode(self.context, self.batch)
        api.llama_synchronize(self.context)
        elapsed = milliseconds(begin)
        if status:
            raise SystemExit(f"llama_decode returns {status}")
        return elapsed

    def prompt(self, tokens, sequence=0):
        self.fill([(int(t), i, sequence, i == len(tokens) - 1) for i, t in enumerate(tokens)])
        return self.decode()

    def best(self, row):
        logits = api.llama_get_logits_ith(self.context, row)
        return int(np.ctypeslib.as_array(logits, (self.vocabulary,)).argmax())


def measure_prefill(session, tokens, length, repetitions):
    times = []
    for i in range(repetitions + 1):
        session.clear()
        times.append(session.prompt(tokens[i * 16 : i * 16 + length]))
    best = min(times[1:])  # the first one warms up
    return {"tokens": length, "tokens_per_s": length / best * 1e3, "ms": best}


def measure_decode(session, tokens, batch):
    session.clear()
    for sequence in range(batch):
        session.prompt(tokens[sequence * CONTEXT : (sequence + 1) * CONTEXT], sequence)
    following = [int(t) for t in tokens[: batch]]
    times = []
    for step in range(STEPS):
        session.fill([(following[s], CONTEXT + step, s, True) for s in range(batch)])
        times.append(session.decode())
        following = [session.best(s) for s in range(batch)]
    times = times[WARM_UP:]
    return {"batch": batch, "tokens_per_s": batch * len(times) / sum(times) * 1e3,
            "p50_ms": float(np.percentile(times, 50)), "p99_ms": float(np.percentile(times, 99))}


def greedy(session, count, start):
    """(tokens after PROMPT, milliseconds from start to the first of them)."""
    session.clear()
    session.prompt(PROMPT)
    tokens = [session.best(-1)]
    first_ms = milliseconds(start)
    while len(tokens) < count:
        session.fill([(tokens[-1], len(PROMPT) + len(tokens) - 1, 0, True)])
        session.decode()
        tokens.append(session.best(-1))
    return tokens, first_ms


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--kv", choices=["f32", "f16"], default="f32")
    parser.add_argument("--tokens", required=True, help="an .npy file of at least 1024 token ids")
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    tokens = np.load(options.tokens)
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    quiet = api.llama_log_callback(lambda level, text, data: None)
    api.llama_log_set(quiet, ctypes.c_void_p(0))

    start = time.perf_counter()
    api.llama_backend_init()
    model = api.llama_model_load_from_file(options.model.encode(), api.llama_model_default_params())
    if not model:
        raise SystemExit(f"llama.cpp cannot read {options.model}")
    session = Session(model, options.threads, options.kv, 1, 1024)
    result = {"threads": options.threads, "kv": options.kv, "load_ms": milliseconds(start)}
    result["greedy"], result["first_token_ms"] = greedy(session, 8, start)
    result["prefill"] = [measure_prefill(session, tokens, n, options.repetitions) for n in (128, 512)]
    result["decode"] = [measure_decode(session, tokens, 1)]
    session.close()
    session = Session(model, options.threads, options.kv, 8, 256)
    result["decode"].append(measure_decode(session, tokens, 8))
    session.close()
    api.llama_model_free(model)
    result["base_rss_bytes"] = base
    result["peak_rss_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(result))


if __name__ == "__main__":
    main()
