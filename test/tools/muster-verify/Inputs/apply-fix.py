# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""apply-fix.py FILE.sarif: prints the program with the first fix of the first result applied."""
import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    (run,) = json.load(file)["runs"]
(change,) = run["results"][0]["fixes"][0]["artifactChanges"]
(replacement,) = change["replacements"]
with open(change["artifactLocation"]["uri"], encoding="utf-8") as file:
    lines = file.read().split("\n")
region = replacement["deletedRegion"]
line = lines[region["startLine"] - 1]
text = replacement["insertedContent"]["text"]
lines[region["startLine"] - 1] = line[:region["startColumn"] - 1] + text + line[region["endColumn"] - 1:]
print("\n".join(lines), end="")
