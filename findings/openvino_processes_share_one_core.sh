#!/bin/sh
# OpenVINO 2026.4.1 on Linux: processes that ask for one thread each are all bound to the same core.
# The CPU plugin binds the threads of its streams to cores while they compute (ENABLE_CPU_PINNING, on by default) and chooses them in each
# process from the first one on, as if it were alone. Two programs that each set INFERENCE_NUM_THREADS and NUM_STREAMS to 1, as a pool
# of workers with one core each does, then take turns on it while other cores are idle: here the networks of a scan took 0.60 s of the
# clock in each of two such processes, and 0.31 s once ENABLE_CPU_PINNING was False. `get_property` says that threads are bound, not to
# which cores.
#
# Expected was that threads are left to the system's scheduler, or are bound only where a process uses all cores.
#
# Seen (Linux, x86-64, Python 3.11): as `expected` below. Ends with 1 where that changed. Needs python3 (3.11 or later) with venv, and a
# machine on which a process may use two cores or more.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check openvino==2026.4.1 numpy==2.4.6
cat >"$folder/one_thread.py" <<'PY'
import os
import sys
from pathlib import Path

import numpy as np
import openvino as ov
from openvino import opset13 as ops

side = 2048
slices = ops.parameter([1, 1, side, side], np.float32)
smooth = ops.convolution(slices, np.ones((1, 1, 3, 3), np.float32), [1, 1], [1, 1], [1, 1], [1, 1])
settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1} | ({"ENABLE_CPU_PINNING": False} if sys.argv[1] == "free" else {})
request = ov.Core().compile_model(ov.Model([smooth], [slices]), "CPU", settings).create_infer_request()
image, bound = np.ones((1, 1, side, side), np.float32), set()
for _ in range(30):
    request.start_async({0: image})
    for _ in range(20):  # a thread is bound while it computes
        bound |= {cores for task in Path("/proc/self/task").iterdir() if len(cores := tuple(os.sched_getaffinity(int(task.name)))) == 1}
    request.wait()
print(sorted(core for cores in bound for core in cores), flush=True)
sys.stdin.readline()
PY
cat >"$folder/two.py" <<'PY'
import os
import subprocess
import sys

if len(os.sched_getaffinity(0)) < 2:
    sys.exit("this needs two cores")
for how in ("usual", "free"):
    two = [
        subprocess.Popen([sys.executable, sys.argv[1], how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in "ab"
    ]
    cores = [process.stdout.readline().strip() for process in two]
    for process in two:
        process.communicate("\n")
    said = "bound to no core" if cores == ["[]", "[]"] else "both bound to one core" if cores[0] == cores[1] else f"bound to {cores}"
    print(f"{how}: two processes at the same time, {said}")
PY
"$folder/env/bin/pip" list --disable-pip-version-check | awk '$1 == "openvino" {print $1, $2}' | tee "$folder/seen"
"$folder/env/bin/python" "$folder/two.py" "$folder/one_thread.py" | tee -a "$folder/seen"
cat >"$folder/expected" <<'TXT'
openvino 2026.4.1
usual: two processes at the same time, both bound to one core
free: two processes at the same time, bound to no core
TXT
diff "$folder/expected" "$folder/seen"
