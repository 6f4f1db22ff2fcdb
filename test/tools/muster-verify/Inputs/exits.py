# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""exits.py CODE COMMAND...: the command exits with CODE."""
import subprocess
import sys

code, command = int(sys.argv[1]), sys.argv[2:]
result = subprocess.run(command, capture_output=True, text=True, timeout=120)
if result.returncode != code:
    sys.exit(f"{' '.join(command)}: expected exit {code} but got exit {result.returncode}: {result.stdout}{result.stderr}")
