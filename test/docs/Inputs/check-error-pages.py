#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks that every error number in the sources has a page in docs/errors, and that every page's number occurs there.

    check-error-pages.py ROOT
"""
import pathlib
import re
import sys

ROOMS = ("compiler", "dialects", "models", "runtime", "tools")
# A number in a text or comment, and a number that is a status's code.
NUMBER = re.compile(r"\bE(\d{4})\b|\bStatus::\w+\(\s*(\d{3,4})\b")


def numbers_in_sources(root):
    found = {}
    for room in ROOMS:
        for path in sorted((root / room).rglob("*")):
            if path.suffix in (".cpp", ".h", ".td", ".fbs", ".c"):
                for match in NUMBER.finditer(path.read_text()):
                    found.setdefault("E" + (match[1] or match[2]).zfill(4), path.relative_to(root))
    return found


def main():
    root = pathlib.Path(sys.argv[1])
    sources = numbers_in_sources(root)
    pages = {path.stem: path for path in (root / "docs" / "errors").glob("*.md")}
    faults = [f"{sources[number]}: {number} has no page" for number in sorted(sources.keys() - pages.keys())]
    for number, path in sorted(pages.items()):
        if number not in sources:
            faults.append(f"docs/errors/{path.name}: no source mentions {number}")
        title = path.read_text().partition("\n")[0]
        if not re.fullmatch(rf"# {number}: \S.*", title):
            faults.append(f'docs/errors/{path.name}: expected a title like "# {number}: ..." but got "{title}"')
    print("\n".join(faults) or f"{len(pages)} numbers, each with a page")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
