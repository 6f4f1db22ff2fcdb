#!/usr/bin/env bash
# Sets up everything and runs every test. The last line is "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p build
source tools/setup.sh
muster_install_packages
muster_python_packages numpy
muster_fetch_smollm2
muster_build release all

lit=$(command -v lit-22 || echo "$(llvm-config-22 --prefix)/bin/lit")
results=build/results-release.json
rm -f "$results"
"$lit" -sv -o "$results" build/release/test/unit build/release/test || true
build/venv/bin/python tools/summarise-tests.py "$results"
