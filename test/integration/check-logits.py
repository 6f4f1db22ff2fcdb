#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Judges teacher-forced logits of SmolLM2 against float64.

    muster-run smollm2.plan --tokens golden/tokens.npy --logits logits.npy
    check-logits.py logits.npy [golden/logits.npz] [--tokens golden/tokens.npy]

Exits 1 when an error exceeds 3 times that of transformers in float32. logits.npy is float32 [2000, 49152], row i
following tokens 0..i. The golden file holds, in float64, 24 columns, the logit of the next token and the log-sum-exp
over all columns, so that a wrong value anywhere in a row shows. Errors are measured as greatest and root mean square
over positions, and each is set beside what transformers in float32 has by the same measure. NumPy alone.
"""
import argparse
import pathlib
import sys

import numpy as np

LIMIT = 3.0
HERE = pathlib.Path(__file__).resolve().parent


def measures_of(logits, columns, following):
    """(sample [n, columns], lse [n], next [n]) in float64 of logits [n, vocabulary]."""
    logits = logits.astype(np.float64)
    top = logits.max(axis=1)
    lse = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    return logits[:, columns], lse, logits[np.arange(len(logits)), following]


def errors_of(actual, expected):
    """Greatest and root-mean-square difference of each measure, by name."""
    errors = {}
    for name, got, want in zip(("sample", "lse", "next"), actual, expected):
        difference = np.abs(np.asarray(got) - want)
        errors[name + "_max"] = float(difference.max())
        errors[name + "_rms"] = float(np.sqrt(np.mean(difference**2)))
    return errors


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logits")
    parser.add_argument("golden", nargs="?", default=HERE / "golden" / "logits.npz")
    parser.add_argument("--tokens", default=HERE / "golden" / "tokens.npy")
    parser.add_argument("--limit", type=float, default=LIMIT)
    options = parser.parse_args()
    logits, golden, tokens = np.load(options.logits, mmap_mode="r"), np.load(options.golden), np.load(options.tokens)
    rows, vocabulary = len(golden["lse"]), 49152
    if logits.shape != (rows, vocabulary) or logits.dtype != np.float32:
        print(f"expected float32 [{rows}, {vocabulary}] but got {logits.dtype} {list(logits.shape)}")
        return 1
    following = np.roll(tokens, -1)
    blocks = [slice(begin, begin + 200) for begin in range(0, rows, 200)]
    parts = [measures_of(logits[block], golden["columns"], following[block]) for block in blocks]
    actual = [np.concatenate(part) for part in zip(*parts)]
    errors = errors_of(actual, [golden[name] for name in ("sample", "lse", "next")])
    worst = np.abs(actual[0] - golden["sample"]).max(axis=1).argmax()
    failed = 0
    print(f"{'measure':<12}{'error':>12}{'transformers f32':>18}{'ratio':>8}")
    for name, error in errors.items():
        own = float(golden["f32_" + name])
        # A NaN compares false and fails.
        good = error <= options.limit * own
        failed += not good
        print(f"{name:<12}{error:>12.3e}{own:>18.3e}{error / own:>8.2f}{'' if good else '  above the limit'}")
    outcome = "FAILED" if failed else "passed"
    print(f"worst position {worst}; limit {options.limit:g} times transformers in float32: {outcome}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
