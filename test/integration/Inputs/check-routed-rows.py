# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""check-routed-rows.py FOLDER: rows sent to ranks that the device counts, from operations to results.

A tiny dispatch: each rank counts how many of its rows go to each rank, tells the others, sends the rows, computes with them where they are, and
takes them home. Compiled for 2, 3 and 4 ranks and run as threads and as processes with random routings, many of them of no rows; the
reference interpreter says what comes out of the same program, and so does numpy. Then counts that come from outside and are wrong."""
import json
import pathlib
import subprocess
import sys

import numpy as np

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
rows, width = 6, 5


def dispatch(ranks):
    """Rows for rank p become 2 x + p, so that a row that was sent elsewhere is seen."""
    all_rows = ranks * rows
    return f"""
#counts = #muster.routed<rows, @route, {rows}>
#row = affine_map<(d0, d1) -> (d0, d1)>
muster.mesh @mesh <["ep" = {ranks}]>
func.func @dispatch(%x: tensor<{rows}x{width}xf32> {{muster.name = "x", muster.layout = #muster.layout<[t/ep, i]>}},
                    %to: tensor<{rows}xi32> {{muster.name = "to", muster.layout = #muster.layout<[t/ep]>}})
    -> (tensor<{rows}x{width}xf32> {{muster.name = "y", muster.layout = #muster.layout<[t/ep, i]>}}) {{
  %s = nn.histogram %to : tensor<{rows}xi32> -> tensor<{ranks}xi32, #counts>
  %r = muster.exchange %s on "ep" : tensor<{ranks}xi32, #counts>
  %there = muster.all_to_all_v %x on "ep" send(%s : tensor<{ranks}xi32, #counts>) receive(%r : tensor<{ranks}xi32, #counts>) : tensor<{rows}x{width}xf32> -> tensor<{all_rows}x{width}xf32>
  %memory = tensor.empty() : tensor<{all_rows}x{width}xf32>
  %twice = linalg.generic {{indexing_maps = [#row, #row], iterator_types = ["parallel", "parallel"]}} ins(%there : tensor<{all_rows}x{width}xf32>) outs(%memory : tensor<{all_rows}x{width}xf32>) {{
  ^bb0(%a: f32, %o: f32):
    %one = arith.constant 1.0 : f32
    %double = arith.addf %a, %a : f32
    %more = arith.addf %double, %one : f32
    linalg.yield %more : f32
  }} -> tensor<{all_rows}x{width}xf32>
  %y = muster.all_to_all_v %twice on "ep" send(%r : tensor<{ranks}xi32, #counts>) receive(%s : tensor<{ranks}xi32, #counts>) : tensor<{all_rows}x{width}xf32> -> tensor<{rows}x{width}xf32>
  return %y : tensor<{rows}x{width}xf32>
}}
"""


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def routing(ranks, seed):
    """Which rank each row goes to, in order on each rank; often all to one, or none to some."""
    random = np.random.default_rng(seed)
    parts = []
    for _ in range(ranks):
        among = random.choice(ranks, size=random.integers(1, ranks + 1), replace=False)
        parts.append(np.sort(random.choice(among, size=rows)))
    return np.concatenate(parts).astype(np.int32)


def arrivals(ranks):
    """What comes, with a number of the rank that got it, by counts from outside. The layout proof does not know such rows as results."""
    all_rows = ranks * rows
    return f"""
#counts = #muster.routed<rows, @route, {rows}>
#row = affine_map<(d0, d1) -> (d0, d1)>
#one = affine_map<(d0, d1) -> (0)>
muster.mesh @mesh <["ep" = {ranks}]>
muster.weight @number : tensor<{ranks}xf32> layout <[e/ep]> {{muster.generator = "coordinate"}}
func.func @arrivals(%x: tensor<{rows}x{width}xf32> {{muster.name = "x", muster.layout = #muster.layout<[t/ep, i]>}},
                    %s: tensor<{ranks}x2xi32, #counts> {{muster.name = "s", muster.layout = #muster.layout<[g/ep, part]>}})
    -> (tensor<{all_rows}x{width}xf32> {{muster.name = "there", muster.layout = #muster.layout<[u/ep, i]>}}) {{
  %r = muster.exchange %s on "ep" : tensor<{ranks}x2xi32, #counts>
  %there = muster.all_to_all_v %x on "ep" send(%s : tensor<{ranks}x2xi32, #counts>) receive(%r : tensor<{ranks}x2xi32, #counts>) : tensor<{rows}x{width}xf32> -> tensor<{all_rows}x{width}xf32>
  %number = muster.load @number : tensor<1xf32>
  %memory = tensor.empty() : tensor<{all_rows}x{width}xf32>
  %seen = linalg.generic {{indexing_maps = [#row, #one, #row], iterator_types = ["parallel", "parallel"]}} ins(%there, %number : tensor<{all_rows}x{width}xf32>, tensor<1xf32>) outs(%memory : tensor<{all_rows}x{width}xf32>) {{
  ^bb0(%a: f32, %n: f32, %o: f32):
    %sum = arith.addf %a, %n : f32
    linalg.yield %sum : f32
  }} -> tensor<{all_rows}x{width}xf32>
  return %seen : tensor<{all_rows}x{width}xf32>
}}
"""


steps = 0
for ranks in (2, 3, 4):
    program, plan = folder / f"dispatch{ranks}.mlir", folder / f"dispatch{ranks}.plan"
    program.write_text(dispatch(ranks))
    code, text = run("muster-compile", program, "-o", plan)
    assert code == 0, text
    for seed in range(12):
        x = np.random.default_rng(seed).standard_normal((ranks * rows, width)).astype(np.float32)
        to = routing(ranks, seed)
        np.save(folder / "x.npy", x)
        np.save(folder / "to.npy", to)
        (folder / "inputs.json").write_text(json.dumps({"x": x.tolist(), "to": to.tolist()}))
        code, text = run("muster-opt", program, f"--muster-interpret=inputs={folder / 'inputs.json'}", "-o", "/dev/null")
        assert code == 0, text
        # "y: tensor<12x5xf32> = [[1.0, ...], ...]"
        interpreted = np.array(json.loads(text[text.index("["):]), np.float32)
        assert interpreted.shape == x.shape and np.array_equal(interpreted, x + x + np.float32(1)), text
        for mode in ([], ["--processes"]):
            code, text = run("muster-run", plan, f"--input=x={folder / 'x.npy'}", f"--input=to={folder / 'to.npy'}",
                             f"--output-dir={folder / 'out'}", *mode)
            assert code == 0, (ranks, seed, mode, text)
            y = np.load(folder / "out" / "y.npy")
            assert np.array_equal(y, x + x + np.float32(1)), (ranks, seed, mode)
            steps += 1
passes = ("resolve-sizes", "lower-collectives", "select-library-calls", "lower-rows", "lower-nn", "form-kernels")
refused = 0
for ranks in (2, 3, 4):
    program, formed, plan = folder / f"arrivals{ranks}.mlir", folder / "formed.mlir", folder / f"arrivals{ranks}.plan"
    program.write_text(arrivals(ranks))
    code, text = run("muster-opt", program, *(f"--muster-{name}" for name in passes), "-o", formed)
    assert code == 0, text
    code, text = run("muster-compile", "--from=formed", formed, "-o", plan)
    assert code == 0, text
    for seed in range(8):
        random = np.random.default_rng(100 + seed)
        x = random.standard_normal((ranks * rows, width)).astype(np.float32)
        counts = np.stack([np.bincount(random.integers(0, 2 * ranks, random.integers(0, rows + 1)), minlength=2 * ranks)
                           for _ in range(ranks)]).astype(np.int32)
        if seed % 4 == 3:
            counts[seed % ranks, 1] = (-1, rows + 1)[seed // 4]
        np.save(folder / "x.npy", x)
        np.save(folder / "s.npy", counts.reshape(ranks * ranks, 2))
        sent = counts.reshape(ranks, ranks, 2).sum(2)
        texts = set()
        for mode in ([], ["--processes"]):
            code, text = run("muster-run", plan, f"--input=x={folder / 'x.npy'}", f"--input=s={folder / 's.npy'}",
                             f"--output-dir={folder / 'out'}", *mode)
            if seed % 4 == 3:
                assert code == 4 and "E2445" in text, (ranks, seed, mode, code, text)
                texts.add(text)
                refused += 1
                continue
            assert code == 0, (ranks, seed, mode, text)
            there = np.load(folder / "out" / "there.npy").reshape(ranks, ranks * rows, width)
            for rank in range(ranks):
                starts = np.cumsum(sent, axis=1) - sent
                wanted = np.concatenate([x[p * rows + starts[p, rank]:][:sent[p, rank]] for p in range(ranks)])
                assert np.array_equal(there[rank, :len(wanted)], wanted + np.float32(rank)), (ranks, seed, mode, rank)
            steps += 1
        assert len(texts) < 2, texts
print(steps, "steps are as computed by hand,", refused, "end with E2445")
