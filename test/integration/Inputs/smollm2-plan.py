# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""smollm2-plan.py MODEL FOLDER NAME [options of muster-compile]: makes FOLDER/NAME.plan unless it is there already and newer than the
compiler and the model. Tests that run at a time share plans: one compiles, the others wait."""
import fcntl
import os
import pathlib
import shutil
import subprocess
import sys

model, folder, name, options = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3], sys.argv[4:]
folder.mkdir(parents=True, exist_ok=True)
plan = folder / f"{name}.plan"
with open(folder / f"{name}.lock", "w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    newest = max(os.stat(path).st_mtime for path in (shutil.which("muster-compile"), model, __file__))
    if not plan.exists() or plan.stat().st_mtime < newest:
        plan.unlink(missing_ok=True)
        subprocess.run(["muster-compile", model, "--target", "host", "-o", str(plan), *options], check=True)
