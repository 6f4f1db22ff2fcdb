#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Edits certificates at random and holds that the checker accepts none that says something else.

  mutate.py COUNT SEED FILE.mlir...     needs muster-verify and muster-check-certificate on PATH

Each file is proved, its certificate accepted, and then COUNT edits of it are checked: counts, strides, spaces, axes and
weights of digits, digits and pending sums lost, doubled or swapped, maps of two operations swapped, records lost. An edit
that is accepted must say the same as the original: digits of one value and cuts between digits that continue each other
aside, and the order of mesh digits in a dim.

Prints a line for each fault and one with the counts; ends with 1 where there is a fault.
"""
import copy
import json
import os
import random
import re
import subprocess
import sys
import tempfile


def run(*command):
    return subprocess.run(command, capture_output=True, text=True)


def size(text):
    """A number, and the symbols in it, sorted."""
    factors = text if isinstance(text, list) else [text]
    number = 1
    for factor in factors:
        number *= factor if factor >= 0 else 1
    return number, tuple(sorted(f for f in factors if f < 0))


def times(a, b):
    return a[0] * b[0], tuple(sorted(a[1] + b[1]))


def meaning(record):
    """The record's map without what makes no difference."""
    def run_of(digits):
        parts = []
        for local in (True, False):
            own = [[size(d[0]), size(d[1]), d[2] if size(d[1])[0] else "", tuple(d[3:4]), size(d[4]) if len(d) > 4 else (1, ())]
                   for d in digits if (len(d) == 3) == local and size(d[0]) != (1, ())]
            if not local:
                own = sorted((d for d in own if d[1][0]), key=lambda d: (d[3], d[2], -d[1][0], d[1][1]))
            at = len(own) - 1
            while at > 0:
                major, minor = own[at - 1], own[at]
                if (major[2:4] == minor[2:4] and major[1] == times(minor[0], minor[1])
                        and (local or major[4] == times(minor[0], minor[4]))):
                    own[at - 1:at + 1] = [[times(major[0], minor[0]), *minor[1:]]]
                at -= 1
            parts.append(own)
        return parts

    maps = [record["map"]] if "map" in record else record["maps"]
    return record["op"], [own and ([[run_of(part) for part in dim] for dim in own["dims"]], own.get("number"), own.get("zero"),
                                   sorted(map(str, own.get("pending", [])))) for own in maps]


def digits_of(record):
    """The lists of digits of a record's map."""
    return [part for dim in record.get("map", {"dims": []})["dims"] for part in dim]


def edit(certificate, chance):
    """An edited copy and what was done; None where the edit does not fit."""
    own = copy.deepcopy(certificate)
    function = chance.choice(own["functions"])
    records = function["values"]
    if not records:
        return None
    index = chance.randrange(len(records))
    record = records[index]
    if "map" not in record:
        return None
    kind = chance.choice(["count", "stride", "space", "axis", "weight", "lose", "double", "swap", "move", "pending", "maps", "record", "number", "size"])
    runs = [run for run in digits_of(record) if run]
    everywhere = [digit for other in records for run in digits_of(other) for digit in run]
    if kind in ("count", "stride"):
        if not runs:
            return None
        digit = chance.choice(chance.choice(runs))
        at = 0 if kind == "count" else 1
        digit[at] = chance.choice([1, 2, 3, 0, digit[1 - at], chance.choice(everywhere)[at]])
    elif kind == "space" and runs:
        chance.choice(chance.choice(runs))[2] = chance.choice(everywhere)[2]
    elif kind == "axis" and runs:
        digit = chance.choice(chance.choice(runs))
        axes = [other[3] for other in everywhere if len(other) > 3]
        if not axes:
            return None
        digit[3:] = [chance.choice(axes)] if chance.random() < 0.5 or len(digit) == 3 else []
    elif kind == "weight" and runs:
        digit = chance.choice(chance.choice(runs))
        if len(digit) < 4:
            return None
        digit[4:] = [chance.choice([2, 3, digit[0]])]
    elif kind == "lose" and runs:
        own_run = chance.choice(runs)
        own_run.pop(chance.randrange(len(own_run)))
    elif kind == "double" and runs:
        own_run = chance.choice(runs)
        own_run.insert(chance.randrange(len(own_run) + 1), list(chance.choice(own_run)))
    elif kind == "swap":
        lists = digits_of(record)
        a, b = chance.choice(lists), chance.choice(lists)
        if not a or not b:
            return None
        i, k = chance.randrange(len(a)), chance.randrange(len(b))
        a[i], b[k] = b[k], a[i]
    elif kind == "move" and runs:
        source, target = chance.choice(runs), chance.choice(digits_of(record))
        target.insert(chance.randrange(len(target) + 1), source.pop(chance.randrange(len(source))))
    elif kind == "number":
        record["map"] = chance.choice([{"dims": [], "number": True}, {"dims": [], "number": True, "zero": True}])
    elif kind == "size":
        sizes = function["sizes"]
        sizes[chance.choice(sorted(sizes))] = chance.choice([1, 2, 3, -1, [2, -2], chance.choice(list(sizes.values()))])
    elif kind == "pending":
        pending = record["map"].setdefault("pending", [])
        if pending and chance.random() < 0.7:
            what = chance.choice(pending)
            if chance.random() < 0.5:
                pending.remove(what)
            else:
                what[2] = "max" if what[2] == "sum" else "sum"
        else:
            axes = [other for other in everywhere if len(other) > 3]
            if not axes:
                return None
            digit = chance.choice(axes)
            pending.append([digit[0], 0, "sum", digit[3]])
    elif kind == "maps":
        other = chance.choice(records)
        if "map" not in other:
            return None
        record["map"], other["map"] = other["map"], record["map"]
    elif kind == "record":
        records.pop(index)
    else:
        return None
    return own, f"{kind} in the map of operation {record['op']}"


def main(count, seed, paths):
    chance = random.Random(seed)
    accepted = rejected = faults = 0
    with tempfile.TemporaryDirectory() as folder:
        original, edited = os.path.join(folder, "original.json"), os.path.join(folder, "edited.json")
        for path in paths:
            proof = run("muster-verify", path, "--certificate", original)
            check = run("muster-check-certificate", path, original)
            if proof.returncode or check.returncode:
                print(f"{path}: FAULT: {proof.stderr}{check.stderr}")
                faults += 1
                continue
            with open(original, encoding="utf-8") as file:
                certificate = json.load(file)
            for _ in range(count):
                while not (done := edit(certificate, chance)):
                    pass
                mutant, what = done
                with open(edited, "w", encoding="utf-8") as file:
                    json.dump(mutant, file)
                check = run("muster-check-certificate", path, edited)
                accepted += check.returncode == 0
                rejected += check.returncode != 0
                # A map less is the same proof, where the rules do without it.
                same = what.startswith("record") or mutant["functions"][0]["sizes"] == certificate["functions"][0]["sizes"] and [[meaning(r) for r in f["values"]] for f in mutant["functions"]] == [
                    [meaning(r) for r in f["values"]] for f in certificate["functions"]]
                numbered = check.returncode == 1 and len(re.findall(r"\bE111\d ", check.stderr)) == 1
                if check.returncode == 0 and not same or check.returncode != 0 and not (numbered or check.returncode == 3):
                    faults += 1
                    print(f"{path}: FAULT: exit code {check.returncode} after an edit of {what} {check.stderr[:200]}")
    print(f"{rejected} edits rejected, {accepted} accepted that say the same, {faults} faults")
    return 1 if faults or not rejected else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
