# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""peak-memory.py PLAN TOKENS.npy [KV-MEMORY]: a run needs weights + states + arenas + MARGIN at most.

Weights are the whole file's (it is mapped), states and arenas those that --stats names, of all ranks."""
import pathlib
import re
import subprocess
import sys

MARGIN = 64.0  # MiB


def figures(*options):
    done = subprocess.run(["muster-run", *options, "--stats"], check=True, capture_output=True, text=True)
    ranks = int(re.search(r"^ranks +(\d+)", done.stderr, re.M)[1])
    return [ranks, *(float(re.search(rf"^{name} +([0-9.]+) MiB", done.stderr, re.M)[1]) for name in ("arena", "states", "peak memory"))]


plan, tokens, cache = sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "96MiB"
weights = pathlib.Path(plan).with_suffix(".weights").stat().st_size / (1 << 20)
wrong = 0
for name, options in (("prompt", ["--prompt", "The capital of France is", "--max-tokens", "48", "--ignore-stop"]), ("tokens", ["--tokens", tokens])):
    ranks, arena, states, peak = figures(plan, *options, "--kv-memory", cache)
    limit = weights + ranks * (arena + states) + MARGIN
    print(f"{name}: peak {peak:.1f} MiB of at most {limit:.1f} = weights {weights:.1f} + {ranks} x (arena {arena} + states {states}) + {MARGIN}")
    # Weights are mapped, so a peak below them would mean that nothing was measured.
    wrong += not 0.5 * weights < peak <= limit
sys.exit(1 if wrong else 0)
