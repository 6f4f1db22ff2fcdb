# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""expect-exit.py CODE NUMBER COMMAND...: the command exits with CODE and says one line with an error that begins with NUMBER."""
import subprocess
import sys

code, number, command = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
result = subprocess.run(command, capture_output=True, text=True, timeout=120)
lines = result.stderr.splitlines()
if result.returncode != code or len(lines) != 1 or f": {number}" not in lines[0]:
    sys.exit(f"{' '.join(command)}: expected exit {code} and one line with {number} but got exit {result.returncode} and {lines}")
