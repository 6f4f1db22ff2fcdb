#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs the programs of the corpus on all ranks and compares what they give with what their layouts promise.

  judge.py FILE.mlir...        needs muster-opt on PATH
  judge.py --verifier FOLDER   compares names with the verdicts of --muster-verify-layouts
  judge.py --certificates FOLDER
                               has the certificates of all proved programs checked
  judge.py --survey FOLDER     counts files and programs, and checks what each file must say; runs nothing

It shares nothing with the layout algebra: the reference interpreter (muster-opt --muster-interpret) scatters the logical
inputs, runs every rank, and gathers the results by their declared layouts. A file is cut at `// -----`. A piece holds a
mesh and one public function:

  @right_...   the gathered results are what the layouts promise
  @wrong_...   they are not, or the ranks' parts do not make a logical tensor
  @logical     the program without mesh of all programs of the file that compute; it runs on one rank

Without @logical a program is pure movement, and each result must be an argument: the one with the same dim names (of
several the one in the same place among them), its dims in the order of the result's layout. Every input element is
another number, so that one misplaced element shows.

A program of symbolic sizes (a mesh with `?`) runs at many sizes: each axis and each rank's part of a dim is 1 or a prime,
but for the first argument's last dim, which chains carry along whole and which is a prime always. A comment `// Right iff b = 1 or sp = 1.` in its piece states at which of them the wrong program is right, and every
one of them is checked. `// Sizes: n = 2.` gives sizes that types do not tell.

Prints a line a program. Ends with 1 where a name does not say what the run shows, or a program cannot be run.

--certificates needs muster-verify and muster-check-certificate on PATH. It ends with 1 where a certificate is rejected or a wrong
program has one, and prints a line for each that is not accepted.

--verifier prints a line for each program that is not decided as its name says, and ends with 1 where a wrong program is
proved, a right one refuted (a false alarm), or the pass fails. Programs that it cannot decide are counted.
"""
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile

AXIS_SIZES = (1, 3)
PRIMES = (2, 5, 7, 11, 13, 17)
TOLERANCE = 1e-9


class Broken(Exception):
    """The file cannot be judged."""


# ---------------------------------------------------------------------------------------------------------------------
# What a piece says
# ---------------------------------------------------------------------------------------------------------------------


class Layout:
    """`dims`: for each dim, the names of its terms and the number of parts that each axis list makes."""

    def __init__(self, text):
        self.text = text
        inner = text[text.index("[") + 1:self.closing(text)]
        self.dims = [self.terms(dim.strip()) for dim in split_top(inner, ",")]
        self.segmented = any(dim.strip().startswith("{") for dim in split_top(inner, ","))
        self.partial = "partial" in text

    @staticmethod
    def closing(text):
        depth = 0
        for at, character in enumerate(text):
            depth += (character == "[") - (character == "]")
            if character == "]" and depth == 0:
                return at
        raise Broken(f"layout {text} does not end")

    @staticmethod
    def terms(dim):
        if dim.startswith("{"):
            return [(term.strip(), [], int(re.search(r":\s*(\d+)", term).group(1))) for term in dim.strip("{}").split("|")]
        if dim.startswith("(") and dim.endswith(")"):
            dim = dim[1:-1]
        found = re.findall(r"(?:any\((\w+)\)|([A-Za-z_]\w*))(?:/(\([^)]*\)|\w+(?:\[\d+:\d+\])?))?", dim)
        return [(any_name or name, re.findall(r"(\w+)(?:\[(\d+):(\d+)\])?", axes), None)
                for any_name, name, axes in found if name not in ("zigzag", "stripe")]

    def names(self):
        return [name for dim in self.dims for name, _, _ in dim]


def split_top(text, separator):
    """Splits at separators outside all brackets."""
    parts, depth, start = [], 0, 0
    for at, character in enumerate(text):
        depth += (character in "([{<") - (character in ")]}>")
        if character == separator and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    return parts + [text[start:]] if text.strip() else []


class Value:
    """An argument or a result: element type, local sizes (None where dynamic), layout or None."""

    def __init__(self, text):
        if not (match := re.search(r"tensor<([^>]*)>", text)):
            raise Broken(f"expected a tensor but got {text.strip()}")
        *sizes, self.element = match.group(1).split("x")
        self.sizes = [None if size == "?" else int(size) for size in sizes]
        layout = re.search(r"#muster\.layout<(.*?)>(?=[,}])", text)
        self.layout = Layout(layout.group(1)) if layout else None


class Piece:
    def __init__(self, text, line):
        self.text, self.line = text, line
        printed = run(["muster-opt", "-", "--mlir-disable-threading"], text)
        names = re.findall(r"^\s*func\.func @(\w+)", printed, re.M)
        if len(names) != 1:
            raise Broken(f"line {line}: expected one public function but got {len(names)}")
        self.name = names[0]
        if not re.match(r"(right_|wrong_|logical$)", self.name):
            raise Broken(f"line {line}: expected a name right_..., wrong_... or logical but got {self.name}")
        meshes = re.findall(r"muster\.mesh @\w+ <\[(.*)\]>", printed)
        if len(meshes) > 1:
            raise Broken(f"line {line}: expected one mesh but got {len(meshes)}")
        self.axes = dict(re.findall(r'"(\w+)" = (\?|\d+)', meshes[0])) if meshes else {}
        signature = next(l for l in printed.splitlines() if re.match(r"\s*func\.func @", l))
        arguments, results = self.cut_signature(signature)
        self.arguments = [Value(text) for text in split_top(arguments, ",")]
        self.results = [Value(text) for text in split_top(results, ",")]
        self.divisors = {}
        for divisor, dividend in re.findall(r"(\w+)\|(\w+)", " ".join(re.findall(r"#muster\.facts<\[(.*?)\]>", signature))):
            self.divisors.setdefault(dividend, []).append(divisor)
        comment = " ".join(re.findall(r"^\s*// ?(.*)", text, re.M))
        condition = re.search(r"Right iff (.*?)\.(?:\s|$)", comment)
        self.condition = condition.group(1) if condition else None
        given = re.search(r"Sizes: (.*?)\.(?:\s|$)", comment)
        self.given = {name: int(size) for name, size in re.findall(r"(\w+) = (\d+)", given.group(1))} if given else {}

    @staticmethod
    def cut_signature(signature):
        start = signature.index("(")
        depth = 0
        for at in range(start, len(signature)):
            depth += (signature[at] in "([{") - (signature[at] in ")]}")
            if depth == 0:
                break
        rest = signature[at + 1:].strip()
        if not rest.startswith("->"):
            return signature[start + 1:at], ""
        rest = rest[2:].strip().removesuffix("{").strip()
        rest = rest.split(" attributes ")[0].strip()
        return signature[start + 1:at], rest[1:-1] if rest.startswith("(") else rest

    def is_symbolic(self):
        return "?" in self.axes.values()

    def parts(self, axes, mesh):
        count = 1
        for name, _, size in axes:
            count *= int(size) if size else mesh[name]
        return count

    def points(self):
        """Sizes at which the program runs: pairs of mesh and logical sizes by name."""
        if not self.is_symbolic():
            mesh = {axis: int(size) for axis, size in self.axes.items()}
            return [(mesh, self.concrete_sizes(mesh))]
        names = []
        for value in self.arguments:
            names += [name for name in value.layout.names() if name not in names and name not in self.given]
        whole = self.arguments[0].layout.names()[-1]
        open_axes = [axis for axis, size in self.axes.items() if size == "?"]
        points = []
        for axis_sizes in itertools.product(AXIS_SIZES, repeat=len(open_axes)):
            mesh = {axis: int(size) for axis, size in self.axes.items() if size != "?"} | dict(zip(open_axes, axis_sizes))
            for large in itertools.product(*((True,) if name == whole else (False, True) for name in names)):
                sizes = dict(self.given)
                for name, is_large, prime in zip(names, large, PRIMES):
                    sizes[name] = prime if is_large else 1
                    for divisor in self.divisors.get(name, []):
                        sizes[name] *= mesh[divisor]
                points.append((mesh, sizes))
        return points

    def concrete_sizes(self, mesh):
        """Logical sizes of the names, from the arguments, then from the results."""
        sizes = dict(self.given)
        for values in (self.arguments, self.results):
            changed = True
            while changed:
                changed = False
                for value in values:
                    if not value.layout or None in value.sizes:
                        continue
                    for dim, local in zip(value.layout.dims, value.sizes):
                        open_names = [name for name, _, extent in dim if extent is None and name not in sizes]
                        if len(open_names) != 1 or dim[0][2] is not None:
                            continue
                        logical = local
                        for name, axes, _ in dim:
                            logical = logical * self.parts(axes, mesh) // sizes.get(name, 1)
                        sizes[open_names[0]] = logical
                        changed = True
        return sizes

    def shape(self, value, mesh, sizes):
        """Logical shape of an argument or result."""
        if not value.layout:
            return value.sizes
        shape = []
        for dim, local in zip(value.layout.dims, value.sizes):
            size = 1
            if dim and dim[0][2] is not None:
                size = sum(extent for _, _, extent in dim)
            else:
                for name, _, _ in dim:
                    size *= sizes[name]
            shape.append(size)
        return shape


# ---------------------------------------------------------------------------------------------------------------------
# Running
# ---------------------------------------------------------------------------------------------------------------------


def run(command, text):
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True)
    except FileNotFoundError:
        sys.exit(f"judge.py: {command[0]} is not on PATH")
    if done.returncode < 0 or done.returncode > 1:
        raise Broken(f"{command[0]} ended with {done.returncode}: {done.stderr[:400]}")
    if done.returncode == 1:
        raise Broken(first_error(done.stderr))
    return done.stdout


def first_error(stderr):
    errors = [line for line in stderr.splitlines() if "error:" in line]
    return errors[0].split("error: ", 1)[1] if errors else stderr[:400]


class NoTensor(Exception):
    """The parts that the ranks hold make no logical tensor of the declared layout."""


def interpret(piece, mesh, sizes, inputs=None, seed=1):
    """The gathered results: pairs of shape and flat list."""
    text = piece.text
    for axis, size in mesh.items():
        text = re.sub(rf'("{axis}" = )\?', rf"\g<1>{size}", text)
    options = [f"entry={piece.name}", "float64=true", "values=integers", f"seed={seed}"]
    if sizes:
        options.append("sizes=" + ",".join(f"{name}={size}" for name, size in sizes.items()))
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        if inputs is not None:
            json.dump({str(index): value for index, value in enumerate(inputs)}, file)
            file.flush()
            options.append(f"inputs={file.name}")
        try:
            output = run(["muster-opt", "-", "--mlir-disable-threading", f"--muster-interpret={' '.join(options)}", "-o", os.devnull], text)
        except Broken as broken:
            # Only the gathering of results begins so: the program ran, and its results do not fit together.
            if re.match(r"(')?(func\.func' )?(op )?result \d+: expected", str(broken)):
                raise NoTensor(str(broken)) from None
            raise
    results = []
    for line in output.splitlines():
        match = re.match(r"result \d+(?: '[^']*')?: (\S+) ?(.*)", line)
        if not match:
            raise Broken(f"cannot read the interpreter's line {line[:80]}")
        shape = [int(size) for size in match.group(1).split("x")[:-1]]
        results.append((shape, [float(number) for number in re.findall(r"[-+]?(?:nan|inf|[\d.]+(?:e[-+]?\d+)?)", match.group(2))]))
    return results


def nest(flat, shape):
    for size in reversed(shape[1:]):
        flat = [flat[at:at + size] for at in range(0, len(flat), size)]
    return flat


def volume(shape):
    count = 1
    for size in shape:
        count *= size
    return count


def index_of(position, shape):
    index = []
    for size in reversed(shape):
        index.append(position % size)
        position //= size
    return index[::-1]


# ---------------------------------------------------------------------------------------------------------------------
# Judging
# ---------------------------------------------------------------------------------------------------------------------


def promised(piece, mesh, sizes, bases):
    """What each result of pure movement must hold: the numbers of the argument with the same names, moved."""
    expected, used = [], {}
    for result in piece.results:
        if not result.layout or result.layout.segmented or result.layout.partial:
            raise Broken(f"@{piece.name}: expected @logical for a result of layout {result.layout and result.layout.text}")
        key = frozenset(result.layout.names())
        same = [at for at, value in enumerate(piece.arguments) if value.layout and frozenset(value.layout.names()) == key]
        if len(same) <= used.get(key, 0):
            raise Broken(f"@{piece.name}: expected an argument with the dims of result {result.layout.text}, or @logical")
        argument = same[used.get(key, 0)]
        used[key] = used.get(key, 0) + 1
        strides, step = {}, 1
        for name in reversed(piece.arguments[argument].layout.names()):
            strides[name] = step
            step *= sizes[name]
        names = result.layout.names()
        expected.append([bases[argument] + sum(i * strides[name] for i, name in zip(index, names))
                         for index in itertools.product(*(range(sizes[name]) for name in names))])
    return expected


def judge_movement(piece, mesh, sizes):
    """None where every element is in its place, else what is wrong."""
    inputs, bases, base = [], [], 0
    for value in piece.arguments:
        shape = piece.shape(value, mesh, sizes)
        count = volume(shape)
        inputs.append(nest([float(base + i) if value.element[0] in "fb" else base + i for i in range(count)], shape))
        bases.append(base)
        base += count
    expected = promised(piece, mesh, sizes, bases)
    try:
        got = interpret(piece, mesh, sizes, inputs)
    except NoTensor as reason:
        return str(reason)
    for value, numbers, (shape, found) in zip(piece.results, expected, got, strict=True):
        if shape != piece.shape(value, mesh, sizes):
            return f"shape {shape} instead of {piece.shape(value, mesh, sizes)}"
        wrong = [at for at, (a, b) in enumerate(zip(numbers, found, strict=True)) if a != b]
        if wrong:
            at = wrong[0]
            return (f"{len(wrong)} of {len(found)} elements misplaced; logical {index_of(at, shape)} holds input element "
                    f"{found[at]:.0f} instead of {numbers[at]:.0f}")
    return None


def judge_computation(piece, mesh, sizes, logical):
    for seed in (1, 2):
        expected = interpret(logical, {}, {}, seed=seed)
        for _, numbers in expected:
            if len(set(numbers)) < 2:
                raise Broken("@logical: expected results with several different numbers")
        try:
            got = interpret(piece, mesh, sizes, seed=seed)
        except NoTensor as reason:
            return str(reason)
        for (shape, numbers), (found_shape, found) in zip(expected, got, strict=True):
            if shape != found_shape:
                return f"shape {found_shape} instead of {shape}"
            wrong = [at for at, (a, b) in enumerate(zip(numbers, found, strict=True))
                     if not abs(a - b) <= TOLERANCE * max(1.0, abs(a))]
            if wrong:
                at = wrong[0]
                return (f"{len(wrong)} of {len(found)} elements differ; logical {index_of(at, shape)} is {found[at]:g} "
                        f"instead of {numbers[at]:g}")
    return None


def holds(condition, mesh, sizes):
    """The truth of `b = 1 or s/sp = 1` at given sizes."""
    expression = condition.replace(" = ", " == ").replace("/", "//")
    try:
        if re.sub(r"[\w\s()=/*]", "", expression):
            raise SyntaxError
        return bool(eval(expression, {"__builtins__": {}}, mesh | sizes))  # names, numbers, = / * ( ) and or
    except (SyntaxError, NameError):
        raise Broken(f"cannot read the condition {condition}") from None


def judge_piece(piece, logical):
    """A line of report, and whether the name says what the run shows."""
    expects_right = piece.name.startswith("right_")
    if logical and not piece.is_symbolic():
        shapes = [piece.shape(value, *piece.points()[0]) for value in piece.arguments]
        wanted = [value.sizes for value in logical.arguments]
        if shapes != wanted:
            raise Broken(f"@{piece.name}: expected the inputs of @logical, {wanted}, but got {shapes}")
    faults, right_at, points = [], 0, piece.points()
    for mesh, sizes in points:
        reason = judge_computation(piece, mesh, sizes, logical) if logical else judge_movement(piece, mesh, sizes)
        right_at += reason is None
        expected = expects_right or (piece.is_symbolic() and piece.condition is not None and holds(piece.condition, mesh, sizes))
        if (reason is None) != expected:
            at = ", ".join(f"{name}={size}" for name, size in (mesh | sizes).items())
            faults.append(f"expected {'right' if expected else 'wrong'} at {at} but got {reason or 'right'}")
        last = reason or "right"
    if piece.is_symbolic():
        last = f"right at {right_at} of {len(points)} sizes"
        if not expects_right and right_at == len(points):
            faults.append("expected wrong at some size but got right at all")
    return (faults[0] if faults else last), not faults


def judge_file(path):
    """Number of right and wrong programs of a file, and whether all are as named."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    name, fine, counts = os.path.basename(path), True, [0, 0]
    try:
        line, pieces = 1, []
        for part in re.split(r"^// -----$", text, flags=re.M):
            pieces.append(Piece(part, line))
            line += part.count("\n")
        logical = [piece for piece in pieces if piece.name == "logical"]
        programs = [piece for piece in pieces if piece.name != "logical"]
        if len(logical) > 1 or not programs:
            raise Broken("expected programs and at most one @logical")
        for piece in programs:
            report, good = judge_piece(piece, logical[0] if logical else None)
            print(f"{name}: @{piece.name}: {'' if good else 'FAULT: '}{report}")
            fine &= good
            counts[piece.name.startswith("wrong_")] += 1
    except Broken as broken:
        print(f"{name}: FAULT: {broken}")
        fine = False
    return counts, fine


def ask_verifier(text):
    """proved, refuted or unknown, and the first message."""
    done = subprocess.run(["muster-opt", "-", "--mlir-disable-threading", "--muster-verify-layouts=run", "-o", os.devnull], input=text, capture_output=True, text=True)
    if done.returncode == 0:
        return "proved", ""
    codes = re.findall(r"error: .*?\b(E11\d\d)\b", done.stderr)
    if done.returncode != 1 or not codes:
        return "failed", f"exit code {done.returncode}: {first_error(done.stderr)[:100]}"
    return "unknown" if set(codes) == {"E1108"} else "refuted", first_error(done.stderr)


def compare_with_verifier(folder):
    counts, faults = {}, 0
    for name in sorted(name for name in os.listdir(folder) if name.endswith(".mlir")):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            text = file.read()
        for part in re.split(r"^// -----$", text, flags=re.M):
            entry = re.search(r"func\.func @(\w+)", part).group(1)
            kind, expected = ("wrong", "refuted") if entry.startswith("wrong_") else ("right", "proved")
            verdict, message = ask_verifier(part)
            counts[kind, verdict] = counts.get((kind, verdict), 0) + 1
            if verdict != expected:
                fault = verdict != "unknown"
                faults += fault
                print(f"{name}: @{entry}: {'FAULT: ' if fault else ''}{verdict}: {message}")
    print(", ".join(f"{count} {kind} programs {verdict}" for (kind, verdict), count in sorted(counts.items())))
    return 1 if faults or not counts else 0


def compare_with_checker(folder):
    """Programs that are proved get a certificate, and by it they are right."""
    counts, faults = {}, 0
    with tempfile.TemporaryDirectory() as scratch:
        program, certificate = os.path.join(scratch, "program.mlir"), os.path.join(scratch, "certificate.json")
        for name in sorted(name for name in os.listdir(folder) if name.endswith(".mlir")):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                text = file.read()
            for part in re.split(r"^// -----$", text, flags=re.M):
                entry = re.search(r"func\.func @(\w+)", part).group(1)
                with open(program, "w", encoding="utf-8") as file:
                    file.write(part)
                if os.path.exists(certificate):
                    os.remove(certificate)
                proof = subprocess.run(["muster-verify", program, "--certificate", certificate], capture_output=True, text=True)
                if proof.returncode:
                    verdict, fault = "without one", os.path.exists(certificate)
                else:
                    check = subprocess.run(["muster-check-certificate", program, certificate], capture_output=True, text=True)
                    verdict = {0: "accepted", 3: "not covered"}.get(check.returncode, "rejected")
                    fault = verdict == "rejected" or entry.startswith("wrong_")
                    if verdict != "accepted":
                        print(f"{name}: @{entry}: {verdict}: {first_error(check.stderr)}")
                if fault:
                    print(f"{name}: @{entry}: FAULT: {verdict}")
                faults += fault
                counts[verdict] = counts.get(verdict, 0) + 1
    print("certificates: " + ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())))
    return 1 if faults or not counts.get("accepted") else 0


def survey(folder):
    """Each file names a project and an issue (or says that there is none), and when its wrong programs are right."""
    files = sorted(name for name in os.listdir(folder) if name.endswith(".mlir"))
    faults, issues, right, wrong = [], 0, 0, 0
    for name in files:
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            text = file.read()
        header = " ".join(line.lstrip("/ ") for line in text.split("\n\n")[0].splitlines())
        rights, wrongs = len(re.findall(r"func\.func @right_", text)), len(re.findall(r"func\.func @wrong_", text))
        if "judge.py" not in text.splitlines()[0]:
            faults.append(f"{name}: expected a RUN line with judge.py first")
        if not re.search(r"#\d+|no issue", header):
            faults.append(f"{name}: expected the number of an issue, or 'no issue', in the first comment")
        if not rights:
            faults.append(f"{name}: expected a right program")
        if wrongs and "right iff" not in header:
            faults.append(f"{name}: expected in the first comment when the wrong programs are right")
        issues += bool(re.search(r"#\d+", header))
        right, wrong = right + rights, wrong + wrongs
    print("\n".join(faults + [f"{len(files)} files, {issues} with an issue: {right} right and {wrong} wrong programs"]))
    return 1 if faults or not files else 0


def main(paths):
    if len(paths) == 2 and paths[0] == "--survey":
        return survey(paths[1])
    if len(paths) == 2 and paths[0] == "--verifier":
        return compare_with_verifier(paths[1])
    if len(paths) == 2 and paths[0] == "--certificates":
        return compare_with_checker(paths[1])
    right = wrong = 0
    fine = True
    for path in paths:
        counts, good = judge_file(path)
        right, wrong, fine = right + counts[0], wrong + counts[1], fine and good
    print(f"judged {right} right and {wrong} wrong programs in {len(paths)} files{'' if fine else ', not all as named'}")
    return 0 if fine and paths else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
