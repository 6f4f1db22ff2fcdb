#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compares what the passes say of programs with counts with their names, and with what running them shows.

  judge_counts.py FILE.mlir...     needs muster-opt on PATH

A file is cut at `// -----`. A piece holds a mesh and one public function:

  @right_...   nothing is found, and it runs on all ranks for all counts that are tried
  @wrong_...   what the piece expects is found: `// Expect: E1201.`, or a part of the error's text in quotation marks

Nothing of the proof is shared with the run: the reference interpreter runs every rank and compares the sizes of what
arrives with the counts. A wrong program must fail there for some counts, or differ from the right program of its name,
or depend on what ranks choose alone, which no run on one machine shows: those whose error is one of CHOICES.

Prints a line a program and ends with 1 where one is not what it is called.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

PASSES = ("--muster-verify-counts", "--muster-verify-collectives")
# Ranks that issue different collectives wait for ever; E1223 of a sum adds up what does not belong together.
CHOICES = ("E1221", "E1222")
COUNTS = ((3, 5, 2), (0, 4, 0), (0, 0, 0), (4, 4, 4), (1, 0, 7))


class Broken(Exception):
    """The file cannot be judged."""


class Piece:
    def __init__(self, text):
        self.text = text
        name = re.search(r"func\.func @((?:right|wrong)_\w+)", text)
        if not name:
            raise Broken("expected a function @right_... or @wrong_... in each piece")
        self.name = name[1]
        self.isWrong = self.name.startswith("wrong")
        expected = re.search(r'^// Expect: (?:(E\d{4})|"([^"]+)")', text, re.M)
        if self.isWrong != bool(expected):
            raise Broken(f"expected @{self.name} to say what is found of it if and only if it is wrong")
        self.expected = expected and (expected[1] or expected[2])
        self.axes = dict((axis, int(size)) for axis, size in re.findall(r'"(\w+)" = (\d+)', text))

    def opt(self, *options):
        with tempfile.NamedTemporaryFile("w", suffix=".mlir") as file:
            file.write(self.text)
            file.flush()
            return subprocess.run(["muster-opt", file.name, *options, "-o", "/dev/null"], capture_output=True, text=True,
                                  timeout=60)

    def findings(self):
        """All errors of all passes, those of reading the text among them."""
        errors = []
        for option in PASSES:
            errors += re.findall(r"error: (.*)", self.opt(option).stderr)
        return errors

    def sizes(self, counts):
        """The option for these counts on every ragged dim, shifted from batch to batch."""
        kinds = sorted(set(re.findall(r"/\(?([\w,]+)\)? : (\w+) @([\w.]+)", self.text.split("attributes")[0])))
        options = []
        for shift, (axes, unit, epoch) in enumerate(kinds):
            ranks = 1
            for axis in axes.split(","):
                ranks *= self.axes[axis]
            own = [counts[(rank + shift) % len(counts)] for rank in range(ranks)]
            options.append(f"{unit}@{epoch}=" + ":".join(map(str, own)))
        return "sizes=" + ",".join(options)

    def runs(self):
        """What each run prints; None where it fails."""
        printed = []
        for seed, counts in enumerate(COUNTS, 1):
            run = self.opt(f"--muster-interpret=print=ranks seed={seed} {self.sizes(counts)}")
            printed.append(run.stdout if run.returncode == 0 else None)
        return printed


def judge(path):
    pieces = [Piece(text) for text in pathlib.Path(path).read_text().split("// -----\n")]
    right = [piece for piece in pieces if not piece.isWrong]
    if not right or len(right) == len(pieces):
        raise Broken("expected a wrong program and a right one")
    faults = 0
    reference = {piece.name: piece.runs() for piece in right}
    for piece in pieces:
        found = piece.findings()
        if piece.isWrong:
            fault = "" if any(piece.expected in text for text in found) else f"expected {piece.expected} but got {found}"
            if not fault and piece.expected not in CHOICES:
                twin = reference.get("right_" + piece.name.removeprefix("wrong_"), reference[right[0].name])
                if None in twin:
                    fault = "its right program does not run"
                elif piece.runs() == twin:
                    fault = "runs as the right program does"
        else:
            fault = f"got {found}" if found else ""
            if not fault and None in reference[piece.name]:
                fault = f"does not run for {COUNTS[reference[piece.name].index(None)]}"
        print(f"{path}: @{piece.name}: {fault or piece.expected or 'nothing found'}")
        faults += bool(fault)
    return faults


def main():
    faults = 0
    for path in sys.argv[1:]:
        try:
            faults += judge(path)
        except (Broken, subprocess.TimeoutExpired) as error:
            print(f"{path}: {error}")
            faults += 1
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
