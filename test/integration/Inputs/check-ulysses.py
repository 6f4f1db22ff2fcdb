# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""check-ulysses.py EXAMPLE FOLDER RANKS...: the sequence-parallel attention of models/examples, for each number of ranks.

EXAMPLE is written for three ranks; the numbers of heads on a rank are rewritten for the others. Two prompts, of 13 and 17 tokens, in one
step: the result against float64 in NumPy (limit: 8 times what the same formulas make of it in float32), and processes and all
numbers of ranks against each other, to the bit. Where counts divide the rows (t/sp : tokens @step), so are divisions of which some leave ranks
without any."""
import pathlib
import re
import subprocess
import sys

import numpy as np

example, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
heads, kv_heads, width, hidden, lengths, page = 12, 6, 8, 10, (13, 17), 16
rng = np.random.default_rng(11)


def draw(*shape):
    return rng.standard_normal(shape).astype(np.float32)


rows = sum(lengths)
positions = np.concatenate([np.arange(n) for n in lengths]).astype(np.int32)
sequence = np.repeat(np.arange(len(lengths)), lengths)
angles = np.arange(64)[:, None] * 10000.0 ** (-2.0 * np.arange(width // 2) / width)
pages = np.array([[3, 0, 0, 0], [1, 4, 0, 0]], np.int32)
inputs = {"x": draw(rows, hidden), "wq": draw(heads * width, hidden), "wk": draw(kv_heads * width, hidden),
          "wv": draw(kv_heads * width, hidden), "wo": draw(hidden, heads * width),
          "cos": np.cos(angles).astype(np.float32), "sin": np.sin(angles).astype(np.float32), "positions": positions,
          "query_starts": np.cumsum((0,) + lengths, dtype=np.int32), "block_table": pages,
          "write_slots": (pages[sequence, positions // page] * page + positions % page).astype(np.int32)}


def reference(kind):
    x, wq, wk, wv, wo, cos, sin = (inputs[n].astype(kind) for n in ("x", "wq", "wk", "wv", "wo", "cos", "sin"))

    def turn(a):
        first, second, c, s = a[..., : width // 2], a[..., width // 2 :], cos[positions][:, None], sin[positions][:, None]
        return np.concatenate([first * c - second * s, second * c + first * s], -1)

    q, k, v = (turn((x @ wq.T).reshape(rows, heads, width)), turn((x @ wk.T).reshape(rows, kv_heads, width)),
               (x @ wv.T).reshape(rows, kv_heads, width))
    k, v = (np.repeat(a, heads // kv_heads, 1) for a in (k, v))
    scores = np.einsum("thd,uhd->htu", q, k) * kind(width**-0.5)
    seen = (sequence[:, None] == sequence) & (positions[:, None] >= positions)
    scores = np.where(seen, scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return np.einsum("htu,uhd->thd", weights, v).reshape(rows, heads * width) @ wo.T


def sizes_of(ranks, q, kv):
    """Pieces of the examples that depend on the number of ranks, with q and kv heads a rank."""
    return [f'"sp" = {ranks}', f"?x{q}x8xf32", f"?x{kv}x8xf32", f"tensor<{ranks}x{q + 2 * kv}x8x10xf32>",
            f"?x{ranks}x{q + 2 * kv}x8xf32", f"?x1x{q + 2 * kv}x8xf32", f"q:{q} | k:{kv} | v:{kv}", f"1, {q}, 8] [1",
            f"1, {kv}, 8] [1", f"0, {q}, 0] [%rows", f"0, {q + kv}, 0] [%rows"]


exact = reference(np.float64)
limit = 8 * np.abs(reference(np.float32) - exact).max()
text, results = example.read_text(), {}
isRagged = "t/sp : tokens @step" in text
for name, value in inputs.items():
    np.save(folder / f"{name}.npy", value)
names = re.findall(r'%\w+: [^{]*{muster.name = "(\w+)"', text)
arguments = [f"--input={name}={folder / name}.npy" for name in names]
for ranks in map(int, sys.argv[3:]):
    program, plan = folder / f"{ranks}.mlir", folder / f"{ranks}.plan"
    q, kv = heads // ranks, kv_heads // ranks
    if "%wqkv" in text:  # by rank: its query heads, its key heads, its value heads
        parts = [inputs[name].reshape(ranks, -1, width, hidden) for name in ("wq", "wk", "wv")]
        np.save(folder / "wqkv.npy", np.concatenate(parts, 1))
    program.write_text(re.sub("|".join(map(re.escape, sizes_of(3, 4, 2))),
                              lambda found: dict(zip(sizes_of(3, 4, 2), sizes_of(ranks, q, kv)))[found[0]], text))
    subprocess.run(["muster-compile", program, "-o", plan, "--threads", "2"], check=True, stdout=subprocess.DEVNULL)
    divisions = []
    if isRagged:
        even = [rows // ranks + (rank < rows % ranks) for rank in range(ranks)]
        cuts = [sorted(rng.integers(0, rows + 1, ranks - 1)) for _ in range(3)]
        divisions = [[f"--counts=t={','.join(map(str, each))}"] for each in
                     [even, [0] * (ranks - 1) + [rows], *(np.diff([0, *cut, rows]) for cut in cuts)]]
    for options in ([], ["--processes"], *divisions):
        out = folder / "out"
        (out / "y.npy").unlink(missing_ok=True)
        subprocess.run(["muster-run", plan, *arguments, "--output-dir", out, *options], check=True, stdout=subprocess.DEVNULL)
        y = np.load(out / "y.npy")
        error = np.abs(y - exact).max()
        assert y.shape == exact.shape and error <= limit, f"sp={ranks} {options}: error {error:.2e}, at most {limit:.2e}"
        assert np.array_equal(y, results.setdefault("y", y)), f"sp={ranks} {options}: differs from {sys.argv[3]} ranks"
if isRagged:
    print(f"right on {sys.argv[3:]} ranks, however rows are divided: error {error:.2e} of at most {limit:.2e}")
    sys.exit()
# Rows that the ranks do not divide are refused: who makes a step pads it.
for name in ("x", "positions", "write_slots"):
    np.save(folder / f"{name}.npy", inputs[name][:-1])
np.save(folder / "query_starts.npy", inputs["query_starts"] - np.array([0, 0, 1], np.int32))
refused = subprocess.run(["muster-run", plan, *arguments], capture_output=True, text=True)
wanted = f"E2413 expected dimension 0 of x to be a multiple of {ranks} but got {rows - 1}"
assert refused.returncode == 1 and wanted in refused.stderr, refused
print(f"right on {sys.argv[3:]} ranks: error {error:.2e} of at most {limit:.2e}")
