# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""check-traffic.py HIDDEN VOCABULARY LAYERS MESH=PLAN...: what muster-inspect --at says that ranks receive is what data-parallel attention
has to move, transfer by transfer, for a Llama with untied embeddings whose vocabulary the mesh divides (MESH like dp=2,tp=2)."""
import json
import random
import subprocess
import sys


def inspect(plan, counts, *options):
    at = ",".join(f"{name}={':'.join(map(str, values))}" for name, values in counts.items())
    return subprocess.run(["muster-inspect", plan, "--at", at, *options], capture_output=True, text=True, check=True, timeout=60).stdout


def expected(mesh, counts, hidden, vocabulary, layers):
    """(kind, bytes by rank) of each transfer, in order; kinds in which ways of moving the same bytes may differ are None."""
    positions, heads = mesh["dp"], mesh.get("tp", 1)
    axes = list(mesh.items())
    group = []  # position on dp, by rank
    for rank in range(positions * heads):
        for name, size in reversed(axes):
            if name == "dp":
                group.append(rank % size)
            rank //= size
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


def check(plan, mesh, counts, hidden, vocabulary, layers):
    report = json.loads(inspect(plan, counts, "--json"))
    entry, = report["entries"]
    assert {name: report["counts"][name] for name in counts} == counts, report["counts"]
    want = expected(mesh, counts, hidden, vocabulary, layers)
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
    hidden, vocabulary, layers = map(int, sys.argv[1:4])
    rng = random.Random(5)
    for argument in sys.argv[4:]:
        axes, plan = argument.rsplit("=", 1)
        mesh = {name: int(size) for name, size in (axis.split("=") for axis in axes.split(","))}
        assert vocabulary % (mesh["dp"] * mesh.get("tp", 1)) == 0
        tokens = [[0] * mesh["dp"], [24] * mesh["dp"]]
        for alone in range(mesh["dp"]):
            tokens.append([7 if position == alone else 0 for position in range(mesh["dp"])])
        tokens += [[rng.choice([0, 1, rng.randint(0, 24)]) for _ in range(mesh["dp"])] for _ in range(20)]
        most = 0
        for own in tokens:
            sequences = [min(n, rng.randint(1, 3)) for n in own]
            asked = [rng.randint(0, n) for n in own]
            most = max(most, check(plan, mesh, {"t": own, "s": sequences, "r": asked}, hidden, vocabulary, layers))
        assert most > 0
        print(f"{axes}: {len(tokens)} steps move what they have to, up to {most} bytes")


main()
