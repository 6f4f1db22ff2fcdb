# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""kill-a-rank.py PLAN FOLDER SIGNAL: a rank's process is killed or stopped in the middle of a run; the run ends with exit 4, says which
rank in one line, and leaves no process and no shared memory behind."""
import os
import pathlib
import signal
import subprocess
import sys
import time

plan, folder, number = sys.argv[1], pathlib.Path(sys.argv[2]), getattr(signal, sys.argv[3])
prompts = folder / "many.txt"
prompts.write_text("".join(f"prompt number {i}\n" for i in range(20000)))
command = ["muster-run", plan, "--processes", "--prompts", str(prompts), "--max-tokens", "100", "--json", "--deadline-ms", "2000"]
run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
children = []
for _ in range(200):
    time.sleep(0.05)
    children = [int(c) for c in pathlib.Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()]
    if len(children) == 3:
        break
assert len(children) == 3, f"expected 3 processes but got {children}"
time.sleep(1)
assert run.poll() is None, "the run ended before a rank could be killed"
os.kill(children[1], number)
begin = time.monotonic()
try:
    _, errors = run.communicate(timeout=20)
finally:
    for child in children:
        if pathlib.Path(f"/proc/{child}").exists() and number == signal.SIGSTOP:
            os.kill(child, signal.SIGKILL)
seconds = time.monotonic() - begin
assert run.returncode == 4, f"expected exit 4 but got {run.returncode}: {errors}"
# Both ranks that are left notice; one says it. How a killed process ended is a line of its own.
lines = errors.splitlines()
said = [line for line in lines if "rank 1" in line and (" E2502 " in line or " E2505 " in line)]
assert len(said) == 1, f"expected one error that names rank 1 but got {errors}"
assert len(lines) == (2 if number == signal.SIGKILL else 1), f"expected no other line than the signal's but got {errors}"
assert seconds < 10, f"expected an end within the deadline but it took {seconds:.1f} s"
time.sleep(0.2)
left = [c for c in children if pathlib.Path(f"/proc/{c}").exists()]
assert not left, f"expected no process to be left but got {left}"
