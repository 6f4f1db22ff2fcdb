# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""check-redistribute.py FOLDER: redistributions on six ranks, as threads and as processes, end where they began; and what they move.

A tensor goes through layouts whose transfers list their peers (other axes, zig-zag), so what comes out is what went in only if
each step puts every element where its layout says. Then the bytes that a rank pulls: one redistribution against the gather and slice
that do the same."""
import json
import pathlib
import subprocess
import sys

import numpy as np

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def compile_program(name, mesh, layouts, shapes, body=None):
    """A function @move from the first layout through the others to the last."""
    types = ["tensor<" + "x".join(map(str, shape)) + "xf32>" for shape in shapes]
    body = body or "".join(
        f"  %{i} = muster.redistribute %{'x' if i == 1 else i - 1} from <{layouts[i - 1]}> to <{layouts[i]}> : {types[i - 1]} -> {types[i]}\n"
        for i in range(1, len(layouts)))
    last = len(layouts) - 1
    (folder / f"{name}.mlir").write_text(
        f"muster.mesh @node <[{mesh}]>\nfunc.func @move(%x: {types[0]} {{muster.name = \"x\", muster.layout = #muster.layout<{layouts[0]}>}})\n"
        f"    -> ({types[last]} {{muster.name = \"y\", muster.layout = #muster.layout<{layouts[last]}>}}) {{\n{body}"
        f"  return %{last} : {types[last]}\n}}\n")
    run("muster-compile", folder / f"{name}.mlir", "-o", folder / f"{name}.plan")
    return folder / f"{name}.plan"


def pulled(plan):
    """Bytes that a rank pulls in each transfer, its own included."""
    report, found = json.loads(run("muster-inspect", "--json", plan)), []

    def visit(node):
        if isinstance(node, dict):
            if node.get("kind") == "transfer":
                found.append(node["bytes_at_most"])
            node = list(node.values())
        if isinstance(node, list):
            for each in node:
                visit(each)

    visit(report)
    return found


layouts = ["[s/(a,b), h]", "[s/b zigzag, h/a]", "[s/(b,a), h]", "[s/a, h/b]", "[s/b, h/a]", "[s, h/(b,a)]"]
shapes = [(4, 18), (8, 9), (4, 18), (12, 6), (8, 9), (24, 3)]
plan = compile_program("chain", '"a" = 2, "b" = 3', layouts, shapes)
x = np.random.default_rng(5).standard_normal((24, 18)).astype(np.float32)
np.save(folder / "x.npy", x)
for mode in ([], ["--processes"]):
    run("muster-run", plan, f"--input=x={folder / 'x.npy'}", f"--output-dir={folder / 'out'}", *mode)
    y = np.load(folder / "out" / "y.npy")
    assert np.array_equal(x, y), f"{mode}: {np.count_nonzero(x != y)} of {x.size} elements differ"
# Whatever the layouts, a rank pulls what it then holds: the tensor over six ranks.
assert pulled(plan) == [24 * 18 * 4 // 6] * 5, pulled(plan)

# [t/a] to [t/b] on 2 x 4 ranks, of N bytes: N/4 at once, N and then N/4 by gather and slice.
whole = 8 * 5 * 4
shapes = [(4, 5), (2, 5)]
at_once = pulled(compile_program("once", '"a" = 2, "b" = 4', ["[t/a, i]", "[t/b, i]"], shapes))
by_collectives = pulled(compile_program(
    "twice", '"a" = 2, "b" = 4', ["[t/a, i]", "[t/b, i]"], shapes,
    '  %0 = muster.all_gather %x on "a" dim 0 : tensor<4x5xf32> -> tensor<8x5xf32>\n'
    '  %1 = muster.slice %0 on "b" dim 0 : tensor<8x5xf32> -> tensor<2x5xf32>\n'))
assert at_once == [whole // 4], at_once
assert by_collectives == [whole, whole // 4], by_collectives
print(f"redistributions end where they began; {at_once} bytes in the place of {by_collectives}")
