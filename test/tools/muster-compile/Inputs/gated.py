# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""gated.py make FOLDER: a gated feed-forward block as .mlir for 1 and 3 ranks, and inputs. gated.py check FOLDER: its outputs."""
import pathlib
import sys

import numpy as np

TEXT = """
muster.mesh @mesh <["tp" = {ranks}]>
#matrix = affine_map<(t, i) -> (t, i)>
func.func @mlp(%x: tensor<?x10xf32> {{muster.name = "x", muster.layout = #muster.layout<[t, i]>}},
               %gate: tensor<{part}x10xf32> {{muster.name = "gate", muster.layout = #muster.layout<[o/tp, i]>}},
               %up: tensor<{part}x10xf32> {{muster.name = "up", muster.layout = #muster.layout<[o/tp, i]>}},
               %down: tensor<10x{part}xf32> {{muster.name = "down", muster.layout = #muster.layout<[i, o/tp]>}})
    -> (tensor<?x10xf32> {{muster.name = "y", muster.layout = #muster.layout<[t, i]>}})
    attributes {{muster.bounds = {{t = 64 : i64}}}} {{
  %c0 = arith.constant 0 : index
  %rows = tensor.dim %x, %c0 : tensor<?x10xf32>
  %g = nn.matmul %x, %gate : tensor<?x10xf32>, tensor<{part}x10xf32> -> tensor<?x{part}xf32>
  %u = nn.matmul %x, %up : tensor<?x10xf32>, tensor<{part}x10xf32> -> tensor<?x{part}xf32>
  %empty = tensor.empty(%rows) : tensor<?x{part}xf32>
  %h = linalg.generic {{indexing_maps = [#matrix, #matrix, #matrix], iterator_types = ["parallel", "parallel"]}}
      ins(%g, %u : tensor<?x{part}xf32>, tensor<?x{part}xf32>) outs(%empty : tensor<?x{part}xf32>) {{
  ^bb0(%gated: f32, %upped: f32, %unused: f32):
    %zero = arith.constant 0.0 : f32
    %positive = arith.maximumf %gated, %zero : f32
    %product = arith.mulf %positive, %upped : f32
    linalg.yield %product : f32
  }} -> tensor<?x{part}xf32>
  %part = nn.matmul %h, %down : tensor<?x{part}xf32>, tensor<10x{part}xf32> -> tensor<?x10xf32>
  %y = muster.redistribute %part from <[t, i], partial(sum: tp)> to <[t, i]> : tensor<?x10xf32> -> tensor<?x10xf32>
  return %y : tensor<?x10xf32>
}}
"""

mode, folder = sys.argv[1], pathlib.Path(sys.argv[2])
if mode == "make":
    random = np.random.default_rng(5)
    for name, shape in {"x": (11, 10), "gate": (21, 10), "up": (21, 10), "down": (10, 21)}.items():
        # Small integers: every order of summation gives the same.
        np.save(folder / f"{name}.npy", random.integers(-3, 4, shape).astype(np.float32))
    for ranks in (1, 3):
        (folder / f"gated-{ranks}.mlir").write_text(TEXT.format(ranks=ranks, part=21 // ranks))
else:
    x, gate, up, down = (np.load(folder / f"{name}.npy") for name in ("x", "gate", "up", "down"))
    expected = (np.maximum(x @ gate.T, 0) * (x @ up.T)) @ down.T
    for ranks in ("one", "three"):
        got = np.load(folder / ranks / "y.npy")
        assert got.dtype == np.float32 and np.abs(expected).max() > 10 and (got == expected).all(), (ranks, got, expected)
