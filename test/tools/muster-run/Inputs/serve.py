# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""serve.py FOLDER ONE.plan COUNT PLAN... [options of muster-run]: COUNT prompts of very unequal length are served by plans with groups, as
threads and as processes. Every prompt gets the tokens that it gets alone on one rank, all groups take part, and some steps find a group
without work."""
import json
import random
import subprocess
import sys

folder, reference, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
rest = sys.argv[4:]
end = next((i for i, each in enumerate(rest) if each.startswith("--")), len(rest))
plans, options = rest[:end], rest[end:]


def run(plan, path, *more):
    command = ["muster-run", plan, "--prompts", path, "--json", "--max-tokens", "25", *more]
    done = subprocess.run(command, check=True, capture_output=True)
    assert not done.stderr, done.stderr
    return json.loads(done.stdout)


chance = random.Random(count)
prompts = [" ".join(chance.choices("abcdefgh", k=chance.choice((1, 2, 3, 25, 40)))) for _ in range(count)]
# The last one is long: when it is all that is left, other groups are idle.
prompts.append(" ".join("x" * 45))
path = f"{folder}/serve.json"
with open(path, "w") as file:
    json.dump(prompts, file)
alone = [result["tokens"] for result in run(reference, path, *options)["results"]]
for plan in plans:
    for how in ([], ["--processes"]):
        document = run(plan, path, *how, *options)
        groups = {result["group"] for result in document["results"]}
        idle = document["stats"]["idle_steps"]
        assert groups == set(range(len(idle))) and len(groups) > 1, f"{plan} {how}: expected every group to be used but got {groups}"
        assert sum(idle) > 0, f"{plan} {how}: expected idle steps but got {idle}"
        for prompt, expected, result in zip(prompts, alone, document["results"], strict=True):
            assert result["prompt"] == prompt
            assert result["tokens"] == expected, f"{plan} {how} {prompt!r}: expected {expected} but got {result['tokens']}"
