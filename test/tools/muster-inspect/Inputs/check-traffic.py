# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""check-traffic.py HIDDEN VOCABULARY LAYERS HEADS KEY-VALUE-HEADS HEAD-DIM MESH=PLAN...: what muster-inspect --at says that ranks receive is
what data-parallel attention, or sequence parallelism, has to move, transfer by transfer, for a Llama with untied embeddings whose vocabulary
and heads the mesh divides (MESH like dp=2,tp=2 or sp=3)."""
import argparse
import json
import random
import subprocess
import sys


def inspect(plan, counts, *options):
    at = ",".join(f"{name}={':'.join(map(str, values if isinstance(values, list) else [values]))}" for name, values in counts.items())
    return subprocess.run(["muster-inspect", plan, "--at", at, *options], capture_output=True, text=True, check=True, timeout=60).stdout


def positionsOn(axis, mesh):
    """The position on an axis of each rank."""
    positions, ranks = [], 1
    for size in mesh.values():
        ranks *= size
    for rank in range(ranks):
        for name, size in reversed(mesh.items()):
            if name == axis:
                positions.append(rank % size)
            rank //= size
    return positions


def expectedOfRows(mesh, counts, shape):
    """The same with the rows of a batch spread over the ranks: between rows and heads everybody pulls what it lacks."""
    spread, tensor, asked, total = mesh["sp"], mesh.get("tp", 1), counts["r"], sum(counts["t"])
    own = [counts["t"][position] for position in positionsOn("sp", mesh)]
    ranks = len(own)
    row = lambda heads: heads // ranks * shape.head_dim * 4
    toHeads = [("all_to_all", [(total - n) * row(heads) for n in own]) for heads in (shape.heads, shape.kv_heads, shape.kv_heads)]
    back = ("all_to_all", [n * (spread - 1) * row(shape.heads) for n in own])
    sums = [("all_reduce", [(tensor - 1) * n * shape.hidden * 4 for n in own])] if tensor > 1 else []
    layer = [*toHeads, back, *sums, *sums]
    return [*sums, *(layer * shape.layers), ("all_reduce", [(spread - 1) * asked * shape.hidden * 4] * ranks),
            (None, [asked * shape.vocabulary * (ranks - 1) // ranks * 4] * ranks)]


def expected(mesh, counts, shape):
    """(kind, bytes by rank) of each transfer, in order; kinds in which ways of moving the same bytes may differ are None."""
    if "sp" in mesh:
        return expectedOfRows(mesh, counts, shape)
    hidden, vocabulary, layers = shape.hidden, shape.vocabulary, shape.layers
    positions, heads = mesh["dp"], mesh.get("tp", 1)
    group = positionsOn("dp", mesh)
    total, asked = sum(counts["t"]), sum(counts["r"])
    own = [counts["t"][each] for each in group]
    gather = ("all_gather", [(total - n) * hidden * 4 for n in own])
    scatter = ("reduce_scatter", [(positions - 1) * n * hidden * 4 for n in own])
    sums = [("all_reduce", [(heads - 1) * n * hidden * 4 for n in own])] if heads > 1 else []
    ranks = len(group)
    layer = [*sums, gather, scatter, *sums]
    return [("all_gather", [(total - n) * 4 for n in own]), scatter, *sums, *(layer * layers),
            ("all_gather", [(asked - counts["r"][each]) * hidden * 4 for each in group]),
            (None, [counts["r"][each] * vocabulary * (ranks - 1) // ranks * 4 for each in group])]


def check(plan, mesh, counts, shape):
    report = json.loads(inspect(plan, counts, "--json"))
    entry, = report["entries"]
    listed = {name: each if isinstance(each, list) else [each] for name, each in counts.items()}
    assert {name: report["counts"][name] for name in counts} == listed, report["counts"]
    want = expected(mesh, counts, shape)
    got = [(each["kind"], each["received"]) for each in entry["transfers"]]
    message = f"{plan} with {counts}: expected {want} but got {got}"
    assert len(want) == len(got), message
    for (kind, received), (gotKind, gotReceived) in zip(want, got):
        assert (kind is None or kind == gotKind) and received == gotReceived, message
    # The sums by kind and in all, for machines and for people.
    ranks = len(want[0][1])
    for kind in {each for each, _ in got}:
        assert entry["received"][kind] == [sum(all[rank] for each, all in got if each == kind) for rank in range(ranks)], message
    sums = [sum(received[rank] for _, received in want) for rank in range(ranks)]
    assert entry["received_sum"] == sums, message
    lines = [line.split() for line in inspect(plan, counts).splitlines()]
    head = next(i for i, line in enumerate(lines) if line[:1] == ["rank"])
    assert lines[head][1:] == [*sorted(entry["received"]), "sum"], lines[head]
    rows = {line[0]: list(map(int, line[1:])) for line in lines[head + 1:head + 2 + ranks]}
    for rank in range(ranks):
        assert rows[str(rank)] == [*(entry["received"][kind][rank] for kind in sorted(entry["received"])), sums[rank]], rows
    assert rows["all"][-1] == sum(sums), rows
    assert ["padding:", "the", "plan", "pads", "no", "count,", "so", "0", "rows", "are", "dead", "in", "every", "variant"] in lines
    return sum(sums)


def main():
    shape = argparse.Namespace(**dict(zip(("hidden", "vocabulary", "layers", "heads", "kv_heads", "head_dim"), map(int, sys.argv[1:7]))))
    rng = random.Random(5)
    for argument in sys.argv[7:]:
        axes, plan = argument.rsplit("=", 1)
        mesh = {name: int(size) for name, size in (axis.split("=") for axis in axes.split(","))}
        rows = "dp" if "dp" in mesh else "sp"
        positions = mesh[rows]
        assert shape.vocabulary % (positions * mesh.get("tp", 1)) == 0
        # Of one position; of all together where they have one batch.
        room = 24 if rows == "dp" else 24 // positions
        tokens = [[0] * positions, [room] * positions]
        for alone in range(positions):
            tokens.append([min(7, room) if position == alone else 0 for position in range(positions)])
        tokens += [[rng.choice([0, 1, rng.randint(0, room)]) for _ in range(positions)] for _ in range(20)]
        most = 0
        for own in tokens:
            batches = own if rows == "dp" else [sum(own)]
            sequences = [min(n, rng.randint(1, 3)) for n in batches]
            asked = [rng.randint(0, n) for n in batches]
            counts = {"t": own, "s": sequences, "r": asked}
            if rows == "sp":
                counts |= {"s": sequences[0], "r": min(asked[0], 24)}
            most = max(most, check(plan, mesh, counts, shape))
        assert most > 0
        print(f"{axes}: {len(tokens)} steps move what they have to, up to {most} bytes")


main()
