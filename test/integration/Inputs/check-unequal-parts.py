# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""check-unequal-parts.py FOLDER: rows of ranks in unequal numbers, from a model without counts to results, as threads and as processes.

Rows are gathered and computed with; and heads go out and come home, so that each rank once has all rows of its heads. What comes out
does not depend on how the rows were divided."""
import pathlib
import subprocess
import sys

import numpy as np

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
program = """
muster.mesh @mesh <["dp" = 3, "tp" = 2]>
#same = affine_map<(d0, d1) -> (d0, d1)>
func.func @twice(%x: tensor<?x12xf32> {muster.name = "x", muster.layout = #muster.layout<[t/dp : tokens @step, h]>})
    -> (tensor<?x12xf32> {muster.name = "y", muster.layout = #muster.layout<[t/dp : tokens @step, h]>},
        tensor<?x12xf32> {muster.name = "all", muster.layout = #muster.layout<[t, h]>})
    attributes {muster.bounds = {t = 8 : i64, "t.total" = 13 : i64}} {
  %c0 = arith.constant 0 : index
  %two = arith.constant 2.0 : f32
  %out = muster.redistribute %x from <[t/dp : tokens @step, h]> to <[t, h/dp]> : tensor<?x12xf32> -> tensor<?x4xf32>
  %n = tensor.dim %out, %c0 : tensor<?x4xf32>
  %to = tensor.empty(%n) : tensor<?x4xf32>
  %z = linalg.generic {indexing_maps = [#same, #same], iterator_types = ["parallel", "parallel"]}
      ins(%out : tensor<?x4xf32>) outs(%to : tensor<?x4xf32>) {
  ^bb0(%a: f32, %b: f32):
    %s = arith.mulf %a, %two : f32
    linalg.yield %s : f32
  } -> tensor<?x4xf32>
  %y = muster.redistribute %z from <[t, h/dp]> to <[t/dp : tokens @step, h]> : tensor<?x4xf32> -> tensor<?x12xf32>
  %all = muster.redistribute %y from <[t/dp : tokens @step, h]> to <[t, h]> : tensor<?x12xf32> -> tensor<?x12xf32>
  return %y, %all : tensor<?x12xf32>, tensor<?x12xf32>
}
"""
(folder / "twice.mlir").write_text(program)
plan = folder / "twice.plan"


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


code, text = run("muster-compile", folder / "twice.mlir", "-o", plan)
assert code == 0, text
steps = 0
for rows, counts in [(8, "3,0,5"), (5, "0,5,0"), (13, "8,1,4"), (0, "0,0,0"), (1, "0,0,1"), (11, None)]:
    x = np.random.default_rng(rows).standard_normal((rows, 12)).astype(np.float32)
    np.save(folder / "x.npy", x)
    for mode in ([], ["--processes"]):
        code, text = run("muster-run", plan, f"--input=x={folder / 'x.npy'}", f"--output-dir={folder / 'out'}",
                         *([f"--counts=t={counts}"] if counts else []), *mode)
        assert code == 0, (counts, mode, text)
        for name in ("y", "all"):
            assert np.array_equal(np.load(folder / "out" / f"{name}.npy"), 2 * x), (counts, mode, name)
        steps += 1
np.save(folder / "x.npy", np.zeros((14, 12), np.float32))
code, text = run("muster-run", plan, f"--input=x={folder / 'x.npy'}", f"--output-dir={folder / 'out'}", "--counts=t=8,2,4")
assert code != 0 and "E2411 expected at most 13 " in text and "but got 14" in text, (code, text)
print(f"{steps} divisions of rows make no difference")
