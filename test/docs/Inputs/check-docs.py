#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks what can be checked of the documentation.

  check-docs.py links ROOT         relative links and file paths in *.md exist below ROOT; errors that are named have a page
  check-docs.py options ROOT       options in commands and in text are known to the tools (on PATH); docs/tools/X.md has all of X's
  check-docs.py rooms ROOT         rooms include only what docs/ARCHITECTURE.md lets them use

Prints one line a fault and ends with 1 where there is one, else a line with what was checked.
"""
import os
import re
import subprocess
import sys

FOLDERS = "compiler|dialects|runtime|models|tools|test|docs"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PATH = re.compile(r"(?<![\w/.$-])((?:%s)/[\w./-]*)([<*{]?)" % FOLDERS)
OPTION = re.compile(r"(?<![\w-])(--[a-z][\w-]*)")
CALL = re.compile(r"(?:^|[\s`/])(muster-(?:compile|run|inspect|opt|verify))(?=[\s`])")
ERROR = re.compile(r"\bE\d{4}\b")


def pages(root, ending=".md"):
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in ("build", ".git", "broken"))
        for name in sorted(files):
            if name.endswith(ending):
                yield os.path.join(folder, name)


def lines(path):
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            yield number, line.rstrip("\n")


def check_links(root):
    faults, checked = [], 0
    for path in pages(root):
        # Example messages of the pages of errors name files of users.
        examples, inside = os.path.basename(os.path.dirname(path)) == "errors", False
        for number, line in lines(path):
            at = f"{os.path.relpath(path, root)}:{number}"
            if line.lstrip().startswith("```"):
                inside = not inside
            for target in LINK.findall(line):
                if re.match(r"[a-z]+:", target) or target.startswith("#"):
                    continue
                checked += 1
                if not os.path.exists(os.path.join(os.path.dirname(path), target.split("#")[0])):
                    faults.append(f"{at}: link to {target}: no such file")
            for target, wildcard in [] if examples and inside else PATH.findall(LINK.sub("", line)):
                # Of `compiler/Import/<Format>` the folder in front of the placeholder must exist.
                target = os.path.dirname(target) if wildcard else target.rstrip("./")
                checked += 1
                if not os.path.exists(os.path.join(root, target)):
                    faults.append(f"{at}: path {target}: no such file")
            for error in ERROR.findall(line):
                checked += 1
                if not os.path.exists(os.path.join(root, "docs", "errors", error + ".md")):
                    faults.append(f"{at}: error {error}: no page")
    return faults, f"{checked} links, paths and errors"


def known_options(tool):
    text = subprocess.run([tool, "--help"], capture_output=True, text=True, check=True).stdout
    found = set(OPTION.findall(text))
    assert len(found) > 3, f"no options in the help of {tool}"
    return found


def commands(line):
    """The tool and the options of each command in a line of a shell block or between backticks."""
    for part in re.split(r"[|;]|&&", line):
        call = CALL.search(part)
        if call:
            yield call.group(1), OPTION.findall(part[call.end():])


def check_options(root):
    tools = ["muster-compile", "muster-run", "muster-inspect", "muster-opt", "muster-verify"]
    known = {tool: known_options(tool) for tool in tools}
    anywhere = set().union(*known.values())
    faults, checked = [], 0
    for path in [*pages(root), *pages(os.path.join(root, "tools"), ".sh")]:
        own = os.path.splitext(os.path.basename(path))[0]
        seen, inside = set(), path.endswith(".sh")
        for number, line in lines(path):
            at = f"{os.path.relpath(path, root)}:{number}"
            if line.lstrip().startswith("```"):
                inside = not inside
                continue
            for code in [line] if inside else re.findall(r"`([^`]+)`", line):
                found = list(commands(code))
                if not found and not inside and code.startswith("--"):
                    seen |= set(OPTION.findall(code))
                    found = [(own if own in known else None, OPTION.findall(code))]
                for tool, options in found:
                    checked += len(options)
                    for option in options:
                        # A page of one tool may speak of another's options, if it names them with that tool.
                        if option not in (known[tool] if tool else anywhere):
                            faults.append(f"{at}: {tool or 'no tool'} knows no option {option}")
                        if tool == own:
                            seen.add(option)
        if os.path.dirname(os.path.relpath(path, root)) == os.path.join("docs", "tools") and own in known and own != "muster-opt":
            for option in sorted(known[own] - seen - {"--help", "--version"}):
                faults.append(f"{os.path.relpath(path, root)}: says nothing of {own} {option}")
    return faults, f"{checked} options"


def check_rooms(root):
    # Which includes a room may not have: the table of docs/ARCHITECTURE.md.
    rules = {"runtime": r"dialects/|compiler/|models/|llvm/|mlir/",
             "dialects": r"compiler/|models/|runtime/",
             "models": r"compiler/|runtime/",
             "compiler/Import": r"compiler/(?!Import/)|dialects/(?!Muster/)|runtime/(?!schema/)",
             "compiler/Layout": r"compiler/(?!Layout/)|dialects/|models/|runtime/|mlir/",
             "compiler/Analysis": r"compiler/(?!Analysis/|Layout/)|models/|runtime/",
             "compiler/Certificate": r"compiler/(?!Certificate/)|models/|runtime/",
             "tools/muster-check-certificate": r"compiler/(?!Certificate/)|models/|runtime/",
             "compiler/Transforms": r"compiler/(?!Transforms/|Analysis/|Layout/|Sampling/)|models/|runtime/",
             "compiler/Sampling": r"compiler/(?!Sampling/|Analysis/|Reference/)|models/|runtime/",
             "compiler/Codegen": r"compiler/(?!Codegen/)|dialects/|models/|runtime/",
             "compiler/Emit": r"compiler/(?!Emit/)|models/|runtime/(?!schema/)",
             "compiler/Pipeline": r"compiler/(Import|Reference)/|models/|runtime/",
             "compiler/Reference": r"compiler/(?!Reference/)|models/|runtime/"}
    faults, checked = [], 0
    for room, forbidden in rules.items():
        for path in pages(os.path.join(root, room), (".h", ".cpp", ".hpp", ".td", ".c")):
            for number, line in lines(path):
                include = re.match(r'\s*#?\s*include\s+["<]([^">]+)[">]', line)
                if include:
                    checked += 1
                    if re.match(forbidden, include.group(1)):
                        faults.append(f"{os.path.relpath(path, root)}:{number}: {room}/ includes {include.group(1)}")
    return faults, f"{checked} includes"


def main():
    what, root = sys.argv[1:]
    faults, summary = {"links": check_links, "options": check_options, "rooms": check_rooms}[what](os.path.abspath(root))
    for fault in faults:
        print(fault)
    if not faults:
        print(f"checked {summary}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
