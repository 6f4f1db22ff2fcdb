# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""check-reports.py SOURCE BASE...: BASE.json and BASE.sarif say the same, and the SARIF has what SARIF 2.1.0 asks for.

Checked are the properties that the SARIF schema requires of the objects that occur, its closed sets of words, and that
every region lies in the file. Prints a line a base.
"""
import json
import os
import re
import sys


def need(owner, name, kind):
    assert name in owner, f"expected {name} in {owner}"
    assert isinstance(owner[name], kind), f"expected {name} to be {kind} but got {owner[name]!r}"
    return owner[name]


def check_region(region, lines):
    start, column = need(region, "startLine", int), need(region, "startColumn", int)
    assert 1 <= start <= len(lines) and 1 <= column <= len(lines[start - 1]) + 1, region
    if "endColumn" in region:
        assert region["endLine"] == start and column < region["endColumn"] <= len(lines[start - 1]) + 1, region


def check_location(location, lines):
    physical = need(location, "physicalLocation", dict)
    need(need(physical, "artifactLocation", dict), "uri", str)
    check_region(need(physical, "region", dict), lines)


def check_fix(fix, lines):
    need(need(fix, "description", dict), "text", str)
    changes = need(fix, "artifactChanges", list)
    assert changes
    for change in changes:
        need(need(change, "artifactLocation", dict), "uri", str)
        replacements = need(change, "replacements", list)
        assert replacements
        for replacement in replacements:
            check_region(need(replacement, "deletedRegion", dict), lines)
            need(need(replacement, "insertedContent", dict), "text", str)


def check_sarif(sarif, source):
    assert need(sarif, "version", str) == "2.1.0" and "sarif-2.1.0" in need(sarif, "$schema", str)
    (run,) = need(sarif, "runs", list)
    driver = need(need(run, "tool", dict), "driver", dict)
    assert need(driver, "name", str) == "muster-verify"
    rules = need(driver, "rules", list)
    for rule in rules:
        assert re.fullmatch(r"E\d{4}", need(rule, "id", str))
        assert os.path.exists(os.path.join(source, need(rule, "helpUri", str))), rule
        need(need(rule, "shortDescription", dict), "text", str)
    (artifact,) = need(run, "artifacts", list)
    with open(artifact["location"]["uri"], encoding="utf-8") as file:
        lines = file.read().split("\n")
    results = need(run, "results", list)
    for result in results:
        need(need(result, "message", dict), "text", str)
        assert need(result, "level", str) in ("none", "note", "warning", "error")
        if "ruleId" in result:
            assert rules[need(result, "ruleIndex", int)]["id"] == result["ruleId"]
        for location in need(result, "locations", list):
            check_location(location, lines)
        for location in result.get("relatedLocations", []):
            check_location(location, lines)
            need(need(location, "message", dict), "text", str)
        for fix in result.get("fixes", []):
            check_fix(fix, lines)
    return results


def check_json(answer):
    assert need(answer, "verdict", str) in ("proved", "refuted", "unknown")
    for name in ("functions", "results", "claims", "operations"):
        assert need(answer, name, int) >= 0
    need(answer, "milliseconds", (int, float))
    findings = need(answer, "findings", list)
    for finding in findings:
        assert need(finding, "verdict", str) in ("refuted", "unknown", "assumed")
        location = need(finding, "location", dict)
        need(location, "file", str), need(location, "line", int), need(location, "column", int)
        need(finding, "message", str)
        for note in need(finding, "notes", list):
            need(note, "text", str)
        for fix in need(finding, "fixes", list):
            need(fix, "text", str)
        if example := finding.get("counterexample"):
            need(example, "rank", dict)
            assert len(need(example, "wanted", list)) == len(need(example, "got", list)) == len(need(example, "dims", list))
            assert example["wanted"] != example["got"] and need(example, "index", list)
        elif finding.get("code") == "E1104":
            sys.exit(f"expected a counterexample in {finding}")
    return findings


def main():
    source, bases = sys.argv[1], sys.argv[2:]
    for base in bases:
        with open(base + ".json", encoding="utf-8") as file:
            answer = json.load(file)
        with open(base + ".sarif", encoding="utf-8") as file:
            results = check_sarif(json.load(file), source)
        findings = check_json(answer)
        unchecked = [result for result in results if result.get("kind") == "notApplicable"]
        assert all(need(result, "level", str) == "none" for result in unchecked)
        assert [result["message"]["text"] for result in unchecked] == [entry["message"] for entry in need(answer, "unchecked", list)], answer
        results = [result for result in results if result not in unchecked]
        codes = [finding.get("code", "assumed") for finding in findings]
        assert codes == [result.get("ruleId", "assumed") for result in results], (codes, results)
        for finding, result in zip(findings, results):
            assert result["message"]["text"].startswith(finding["message"]), (finding, result)
            assert len(result.get("fixes", [])) <= len(finding["fixes"])
        print(f"{os.path.basename(base)}: {', '.join([answer['verdict'], *codes])}" + (f"; {len(unchecked)} unchecked" if unchecked else ""))


if __name__ == "__main__":
    main()
