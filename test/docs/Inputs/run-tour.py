#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs the commands of a section of a page and compares what they print with what the page shows.

  run-tour.py PAGE SECTION FOLDER

Commands are the lines that begin with "$ " in the section's blocks of code; the lines up to the next command or the end of the block
are what it prints, on stdout and stderr together. They run in FOLDER, one after the other in one shell. Numbers may differ (times, sizes, digests),
columns may be wider, the order of elements of packed weights may differ (it depends on the CPU), and "[...]" stands for anything.
Ends with 1 and a line for each command that fails or prints something else.
"""
import re
import subprocess
import sys

MARK = "=====end of command "


def read_commands(page, section):
    """(command, what it prints) of each command."""
    commands, inside, wanted = [], False, False
    with open(page, encoding="utf-8") as file:
        for line in file.read().splitlines():
            if line.startswith("```"):
                inside = not inside
                shown = None
            elif not inside and line.startswith("## "):
                wanted = line[3:].strip() == section
            elif inside and wanted and line.startswith("$ "):
                shown = []
                commands.append((line[2:], shown))
            elif inside and wanted and shown is not None:
                shown.append(line)
    return commands


def pattern(shown):
    text = re.escape(re.sub(r"\b[0-9a-f]{32}\b", "DIGEST", "\n".join(shown).strip()))
    text = text.replace(re.escape("[...]"), r"[\s\S]*")
    text = re.sub(r"(?:\\\s|\n)+", r"\\s+", text)
    text = text.replace(r"blocked\s+n64\s+k16", r"(?:blocked\s+n64\s+k16|row-major)")
    text = re.sub(r"(?<!\w)\d+(?:\\\.\d+)?(?:e\\-\d+)?(?!\w)", r"[\\d.e+-]+", text)
    return text.replace("DIGEST", r"[0-9a-f]{32}")


def main():
    page, section, folder = sys.argv[1:]
    commands = read_commands(page, section)
    if not commands:
        sys.exit(f"expected commands in section '{section}' of {page} but got none")
    script = "".join(f"{command}\necho '{MARK}'$?\n" for command, _ in commands)
    run = subprocess.run(["bash"], input=script, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    parts = re.split(re.escape(MARK) + r"(\d+)\n", run.stdout)
    faults = 0
    for index, (command, shown) in enumerate(commands):
        printed, code = (parts[2 * index : 2 * index + 2] + ["nothing", "none"])[:2] if 2 * index + 1 < len(parts) else ("nothing", "none")
        # An error that is shown on purpose is the one reason for another code.
        refused = re.search(r"\bE\d{4}\b", "\n".join(shown))
        wrong = code != "0" and not refused
        if wrong or not re.fullmatch(pattern(shown), printed.strip()):
            faults += 1
            print(f"{command}\n  exit code {code}, shown:\n{chr(10).join(shown)}\n  but printed:\n{printed.strip()[:4000]}\n")
    print(f"{faults} of {len(commands)} commands differ" if faults else f"{len(commands)} commands as shown")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
