#!/usr/bin/env bash
# Measures Muster beside llama.cpp on SmolLM2-135M with one and two threads and prints both, their ratios and the goals.
# The first run builds llama.cpp (PyPI's llama-cpp-python, from source: some minutes) under build/; arguments go to
# test/benchmark/smollm2-bench.py: --rounds N, --threads 1,2, --peers-only, --json FILE.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p build
source tools/setup.sh
muster_install_packages
muster_python_packages numpy
muster_fetch_smollm2

peers=build/venv-bench
if [[ ! -e $peers/.ready ]]; then
  say 'building llama.cpp (llama-cpp-python 0.3.36)'
  python3 -m venv "$peers"
  "$peers/bin/python" -m pip install -q --disable-pip-version-check numpy gguf llama-cpp-python==0.3.36 >build/venv-bench.log 2>&1 ||
    { tail -30 build/venv-bench.log >&2; exit 1; }
  touch "$peers/.ready"
fi
f32=build/models/SmolLM2-135M-Instruct.F32.gguf
[[ -e $f32 ]] || { say 'writing the model with F32 matrices (540 MB)'
  "$peers/bin/python" test/benchmark/peers/gguf-to-f32.py build/models/SmolLM2-135M-Instruct.Q4_1.gguf "$f32"; }

[[ " $* " == *' --peers-only '* ]] || muster_build release muster-compile muster-run
exec python3 test/benchmark/smollm2-bench.py "$@"
