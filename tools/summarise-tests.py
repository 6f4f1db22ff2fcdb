#!/usr/bin/env python3
"""Prints the failures of lit result files and, as the last line, `N passed, N failed`; exits 1 on a failure or on no test."""
import json
import sys

passed, failed = 0, []
for path in sys.argv[1:]:
    try:
        tests = json.load(open(path))["tests"]
    except (OSError, ValueError, KeyError) as error:
        failed.append(f"{path}: no results ({error})")
        continue
    for test in tests:
        if test["code"] in ("PASS", "XFAIL", "FLAKYPASS"):
            passed += 1
        elif test["code"] in ("UNSUPPORTED", "EXCLUDED", "SKIPPED"):
            print(f"skipped: {test['name']}")
        else:
            failed.append(f"{test['code']}: {test['name']}")
for line in failed:
    print(line)
print(f"{passed} passed, {len(failed)} failed")
sys.exit(1 if failed or not passed else 0)
