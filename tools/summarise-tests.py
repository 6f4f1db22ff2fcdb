#!/usr/bin/env python3
"""Prints the failures of lit result files and, as the last line, `N passed, N failed`; exits 1 on a failure or on no test.

`--passed NAME` and `--failed NAME` count checks that lit did not run."""
import argparse
import json
import sys

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--passed", action="append", default=[], metavar="NAME")
parser.add_argument("--failed", action="append", default=[], metavar="NAME")
parser.add_argument("results", nargs="*")
arguments = parser.parse_args()

passed, failed = len(arguments.passed), list(arguments.failed)
tested = 0
for path in arguments.results:
    try:
        with open(path) as file:
            tests = json.load(file)["tests"]
    except (OSError, ValueError, KeyError) as error:
        failed.append(f"{path}: no results ({error})")
        continue
    for test in tests:
        if test["code"] in ("PASS", "XFAIL", "FLAKYPASS"):
            tested += 1
        elif test["code"] in ("UNSUPPORTED", "EXCLUDED", "SKIPPED"):
            print(f"skipped: {test['name']}")
        else:
            failed.append(f"{test['code']}: {test['name']}")
for line in failed:
    print(line)
print(f"{passed + tested} passed, {len(failed)} failed")
sys.exit(1 if failed or not tested else 0)
