# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""resume.py FOLDER COMPILER MODEL OPTIONS...: compiles the model by way of the text of every phase, and compares with FOLDER/direct.plan."""
import pathlib
import subprocess
import sys

folder, compiler, model, *options = pathlib.Path(sys.argv[1]), *sys.argv[2:]
PHASES = ("model", "counted", "proved", "transferred", "formed", "buffered", "planned")


def compile_to_plan(text, name):
    plan = folder / f"{name}.plan"
    subprocess.run([compiler, text, "--checkpoint", model, "-o", plan], check=True, stdout=subprocess.DEVNULL)
    for suffix, what in ((".plan", "plan"), (".weights", "weights")):
        if plan.with_suffix(suffix).read_bytes() != (folder / f"direct{suffix}").read_bytes():
            sys.exit(f"{name}: another {what}")
        plan.with_suffix(suffix).unlink()
    print(f"{name}: same plan, same weights".replace("-", " "))


for phase in PHASES:
    text = folder / f"{phase}.mlir"
    subprocess.run([compiler, model, *options, "--to", phase, "-o", text], check=True)
    compile_to_plan(text, phase)
text = folder / "model.mlir"
for phase in PHASES[1:]:
    step = folder / f"step-{phase}.mlir"
    subprocess.run([compiler, text, "--to", phase, "-o", step], check=True)
    if step.read_bytes() != (folder / f"{phase}.mlir").read_bytes():
        print(f"{phase}: another text by steps")
    text = step
compile_to_plan(text, "one-after-the-other")
