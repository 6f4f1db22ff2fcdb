# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""check-trace.py RANKS LAYERS STEPS TRACE.json...: the traces of one run, one file of threads or one file a rank of processes.

Every rank has a track with its name; on it, STEPS times, every step of the plan in order, none overlapping another; the names name all layers."""
import collections
import json
import sys

ranks, layers, runs, paths = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
named, tracks = set(), collections.defaultdict(list)
for path in paths:
    with open(path) as file:
        events = json.load(file)["traceEvents"]
    for event in events:
        if event["ph"] == "M" and event["name"] == "process_name":
            assert event["args"]["name"] == f"rank {event['pid']}", f"expected the track of rank {event['pid']} but got {event}"
            named.add(event["pid"])
        elif event["ph"] == "X" and event["tid"] == 0:
            tracks[event["pid"]].append(event)
assert named == set(tracks) == set(range(ranks)), f"expected {ranks} ranks but got tracks {named} with events of {sorted(tracks)}"
for rank, events in tracks.items():
    end = 0.0
    for event in events:
        assert event["dur"] >= 0 and event["ts"] >= end - 0.01, f"expected rank {rank} to do one thing at a time but got {event} before {end}"
        end = event["ts"] + event["dur"]
    steps = [event["args"]["step"] for event in events]
    once = len(steps) // runs
    assert once > layers and steps == list(range(once)) * runs, f"expected {runs} times the plan's steps on rank {rank} but got {len(steps)} events"
    seen = {int(event["name"].split(".")[1]) for event in events if event["name"].startswith("layers.")}
    assert seen == set(range(layers)), f"expected {layers} layers on rank {rank} but got {sorted(seen)}"
    assert len({event["args"]["kind"] for event in events}) > 5
print(f"{ranks} ranks, {runs} x {once} steps each")
