# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""lost-ranks.py PLAN: what is left when processes of `muster-run PLAN --processes` end or stop in the middle of a generation.

One rank is killed, one is stopped, all are interrupted as by Ctrl-C, the command alone is killed. In each case the run has to end within
its deadline and the time that the other ranks get to end by themselves, with the number and the name of the rank where somebody is left to
say it, and there is no process, no zombie and no shared memory of it afterwards."""
import os
import pathlib
import signal
import subprocess
import sys
import time

DEADLINE_MS, GRACE = 2000, 8.0
signal.signal(signal.SIGINT, signal.SIG_DFL)  # lit's workers ignore it, and their processes inherit that


def start(plan):
    """The command, and its processes by rank, once they are generating."""
    command = ["muster-run", plan, "--processes", "--prompt", "Once upon a time", "--max-tokens", "4000", "--ignore-stop", "--kv-memory", "256MiB",
               "--deadline-ms", str(DEADLINE_MS)]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)
    children, busy = [], 0.0
    for _ in range(600):
        time.sleep(0.05)
        assert run.poll() is None, f"the run ended before anything was done to it: {run.stderr.read()}"
        children = [int(c) for c in pathlib.Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()]
        # The second field group of /proc/PID/stat: user time in ticks. Generating burns it, waiting for a file does not.
        ticks = [int(pathlib.Path(f"/proc/{c}/stat").read_text().rsplit(")", 1)[1].split()[11]) for c in children]
        busy = min(ticks, default=0) / os.sysconf("SC_CLK_TCK")
        if len(children) == 3 and busy > 0.5:
            return run, children
    raise SystemExit(f"expected 3 ranks at work but got {len(children)}, busy for {busy} s")


def is_left(pid):
    """Not when only init has yet to collect it: its parent is gone, and it holds nothing."""
    try:
        state, parent = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return (state, parent) != ("Z", "1")


def memory_of(pid):
    return [path.name for path in pathlib.Path("/dev/shm").iterdir() if f"-{pid}" in path.name]


def check(plan, name, act, code, texts):
    run, children = start(plan)
    begin = time.monotonic()
    act(run.pid, children)
    try:
        _, said = run.communicate(timeout=DEADLINE_MS / 1000 + GRACE)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        raise SystemExit(f"{name}: no end within {DEADLINE_MS / 1000 + GRACE} s")
    seconds = time.monotonic() - begin
    time.sleep(1)
    left = [c for c in children if is_left(c)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert run.returncode == code, f"{name}: expected exit {code} but got {run.returncode}: {said}"
    assert all(text in said for text in texts), f"{name}: expected {texts} but got {said}"
    assert said.count(" E25") <= 1, f"{name}: expected the loss to be said once but got {said}"
    assert not left, f"{name}: expected no process to be left but got {left}"
    assert not memory_of(run.pid), f"{name}: expected no shared memory to be left but got {memory_of(run.pid)}"
    print(f"{name}: exit {run.returncode} after {seconds:.2f} s: {'; '.join(said.splitlines())}", flush=True)


check(sys.argv[1], "killed rank", lambda pid, ranks: os.kill(ranks[1], signal.SIGKILL), 4, ["rank 1", "E25"])
check(sys.argv[1], "killed first rank", lambda pid, ranks: os.kill(ranks[0], signal.SIGKILL), 4, ["rank 0", "E25"])
check(sys.argv[1], "stopped rank", lambda pid, ranks: os.kill(ranks[2], signal.SIGSTOP), 4, ["rank 2", "E25"])
check(sys.argv[1], "interrupted", lambda pid, ranks: os.killpg(pid, signal.SIGINT), -signal.SIGINT, [])
check(sys.argv[1], "killed command", lambda pid, ranks: os.kill(pid, signal.SIGKILL), -signal.SIGKILL, [])
