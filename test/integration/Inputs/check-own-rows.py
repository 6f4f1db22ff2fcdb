# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""check-own-rows.py FOLDER: pad, unpad, split_rows and join_rows, from operations to results, as threads and as processes.

Each rank's rows are padded to the most that any has, in multiples of four, all of them gathered, negated and unpadded; and split into
two children, which change places. numpy says what comes out."""
import pathlib
import subprocess
import sys

import numpy as np

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
ranks = 3
program = """
!tokens = !muster.counts<[dp], tokens, @step>
!first = !muster.counts<[dp], tokens, @step.a>
!second = !muster.counts<[dp], tokens, @step.b>
!padded = !muster.counts<[dp], padded, @step>
muster.mesh @mesh <["dp" = 3]>
func.func @rows(%x: tensor<?x5xf32> {muster.name = "x", muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
                %of_a: tensor<?x5xf32> {muster.name = "of_a", muster.layout = #muster.layout<[a/dp : tokens @step.a, i]>})
    -> (tensor<?x5xf32> {muster.name = "negated", muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
        tensor<?x5xf32> {muster.name = "swapped", muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
        tensor<?x5xf32> {muster.name = "a", muster.layout = #muster.layout<[a/dp : tokens @step.a, i]>})
    attributes {muster.bounds = {t = 8, a = 8}} {
  %c0 = arith.constant 0 : index
  %one = arith.constant 1.0 : f32
  %t = tensor.dim %x, %c0 : tensor<?x5xf32>
  %ta = tensor.dim %of_a, %c0 : tensor<?x5xf32>
  %l = muster.local_count %t field "t" : !muster.counts<[], tokens, @step>
  %la = muster.local_count %ta field "a" : !muster.counts<[], tokens, @step.a>
  %c, %fa = muster.exchange_counts %l, %la : !muster.counts<[], tokens, @step>, !muster.counts<[], tokens, @step.a> -> !tokens, !first
  %a, %b = muster.split_counts %c first %fa : !tokens, !first -> !first, !second
  %g = muster.pad_counts %c align 4 mode max : (!tokens) -> !padded
  %p = muster.pad %x dim 0 counts(%c : !tokens) to(%g : !padded) fill(%one : f32) : tensor<?x5xf32>
  %all = muster.all_gather %p on "dp" dim 0 counts(%g : !padded) : tensor<?x5xf32> -> tensor<?x5xf32>
  %rows = muster.total %g : !padded
  %memory = tensor.empty(%rows) : tensor<?x5xf32>
  %n = linalg.negf ins(%all : tensor<?x5xf32>) outs(%memory : tensor<?x5xf32>) -> tensor<?x5xf32>
  %own = muster.slice %n on "dp" dim 0 counts(%g : !padded) : tensor<?x5xf32> -> tensor<?x5xf32>
  %u = muster.unpad %own dim 0 counts(%g : !padded) to(%c : !tokens) : tensor<?x5xf32>
  %xa, %xb = muster.split_rows %x dim 0 counts(%a : !first, %b : !second) : tensor<?x5xf32>
  %j = muster.join_rows %xb, %xa dim 0 counts(%b : !second, %a : !first) to(%c : !tokens) : tensor<?x5xf32>
  return %u, %j, %xa : tensor<?x5xf32>, tensor<?x5xf32>, tensor<?x5xf32>
}
"""
(folder / "rows.mlir").write_text(program)
formed, plan = folder / "formed.mlir", folder / "rows.plan"


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


# The layout proof says nothing of a first child that comes last: the passes behind it are run by themselves.
passes = ("resolve-sizes", "lower-collectives", "select-library-calls", "lower-rows", "lower-nn", "form-kernels")
code, text = run("muster-opt", folder / "rows.mlir", *(f"--muster-{name}" for name in passes), "-o", formed)
assert code == 0, text
code, text = run("muster-compile", "--from=formed", formed, "-o", plan)
assert code == 0, text
steps = 0
for counts, first in [((3, 0, 5), (2, 0, 1)), ((0, 5, 0), (0, 5, 0)), ((8, 1, 4), (0, 0, 0)), ((0, 0, 0), (0, 0, 0)),
                      ((0, 0, 1), (0, 0, 1)), ((8, 8, 8), (8, 4, 8)), ((2, 7, 3), (1, 7, 0))]:
    total = sum(counts)
    x = np.random.default_rng(total).standard_normal((total, 5)).astype(np.float32)
    parts = np.split(x, np.cumsum(counts)[:-1])
    expected = {
        "negated": -x,
        "swapped": np.concatenate([part for rows, n in zip(parts, first) for part in (rows[n:], rows[:n])]),
        "a": np.concatenate([rows[:n] for rows, n in zip(parts, first)]),
    }
    np.save(folder / "x.npy", x)
    np.save(folder / "a.npy", np.zeros((sum(first), 5), np.float32))
    for mode in ([], ["--processes"]):
        code, text = run("muster-run", plan, f"--input=x={folder / 'x.npy'}", f"--input=of_a={folder / 'a.npy'}",
                         f"--output-dir={folder / 'out'}", "--counts=t=" + ",".join(map(str, counts)),
                         "--counts=a=" + ",".join(map(str, first)), *mode)
        assert code == 0, (counts, mode, text)
        for name, rows in expected.items():
            assert np.array_equal(np.load(folder / "out" / f"{name}.npy"), rows), (counts, first, mode, name)
        steps += 1
# More rows of the first child than there are rows.
np.save(folder / "x.npy", np.zeros((4, 5), np.float32))
np.save(folder / "a.npy", np.zeros((3, 5), np.float32))
code, text = run("muster-run", plan, f"--input=x={folder / 'x.npy'}", f"--input=of_a={folder / 'a.npy'}",
                 f"--output-dir={folder / 'out'}", "--counts=t=2,2,0", "--counts=a=3,0,0")
assert code == 1 and "E2411" in text, (code, text)
print(steps, "divisions of rows are as computed by hand")
