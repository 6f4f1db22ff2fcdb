#!/usr/bin/env bash
# Sets up everything and runs every test. The last line is "N passed, N failed".
#
# Two builds: `release` (clang) with every test; `asan` (g++), the runtime alone under the sanitizers, with the unit tests. Each counts as a
# test: it passes if it succeeds without a warning from a file of this repository.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p build
source tools/setup.sh
muster_install_packages
muster_python_packages numpy
muster_fetch_smollm2

builds=() folders=()
# build PRESET TARGET [FOLDER...]: the folders hold the tests that are run where the build succeeds.
build() {
  local result=--passed
  if muster_build "$1" "$2"; then
    folders+=("${@:3}")
    muster_refuse_warnings "$1" || result=--failed
  else
    result=--failed
  fi
  builds+=("$result" "build of preset $1, without warnings: build/build-$1.log")
}
build release all build/release/test/unit build/release/test
build asan unit-tests build/asan/test/unit

lit=$(command -v lit-22 || echo "$(llvm-config-22 --prefix)/bin/lit")
results=build/results.json
rm -f "$results"
say 'running the tests'
[[ ${#folders[@]} -eq 0 ]] || "$lit" -sv -o "$results" "${folders[@]}" || true
build/venv/bin/python tools/summarise-tests.py "${builds[@]}" "$results"
