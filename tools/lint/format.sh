#!/usr/bin/env bash
# Formats the C++ sources of the tree, or with --check says which are not formatted. The version is pinned, because every version of
# clang-format breaks lines its own way.
set -euo pipefail
cd "$(dirname "$0")/../.."
mkdir -p build
source tools/setup.sh
muster_python_packages clang-format==22.1.8
arguments=(-i)
[[ ${1-} != --check ]] || arguments=(--dry-run --Werror)
git ls-files '*.cpp' '*.h' '*.c' | xargs build/venv/bin/clang-format "${arguments[@]}"
