#!/usr/bin/env bash
# Sets up everything on a bare Debian 12, compiles SmolLM2-135M-Instruct for one rank and for three tensor-parallel ranks, runs both
# plans on the same prompt and shows that the texts agree. A second run takes seconds.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p build
source tools/setup.sh
prompt=${1:-The capital of France is}

muster_install_packages
muster_python_packages numpy
muster_fetch_smollm2
muster_build release muster-compile muster-run muster-inspect
bin=build/release/bin
model=build/models/SmolLM2-135M-Instruct.Q4_1.gguf

for tp in 1 3; do
  plan=build/quickstart/smollm2-tp$tp.plan
  mkdir -p build/quickstart
  if [[ ! -e $plan || $bin/muster-compile -nt $plan ]]; then
    say "compiling for tp=$tp"
    $bin/muster-compile "$model" --mesh "tp=$tp" --target host -o "$plan"
  fi
done

say "running one rank"
$bin/muster-run build/quickstart/smollm2-tp1.plan --prompt "$prompt" --max-tokens 24 | tee build/quickstart/tp1.txt
say "running three ranks"
$bin/muster-run build/quickstart/smollm2-tp3.plan --prompt "$prompt" --max-tokens 24 | tee build/quickstart/tp3.txt
if ! cmp -s build/quickstart/tp1.txt build/quickstart/tp3.txt; then
  echo 'the texts of one and three ranks differ' >&2
  exit 1
fi

cat <<TXT

One rank and three ranks print the same text. Try next:
  $bin/muster-run build/quickstart/smollm2-tp3.plan --prompt 'Write a haiku about rivers.' --max-tokens 64 --stats
  $bin/muster-run build/quickstart/smollm2-tp3.plan --processes --prompt 'Once upon a time' --trace trace.json
  $bin/muster-inspect build/quickstart/smollm2-tp3.plan
  tools/check.sh     # every test
  tools/bench.sh     # speed, beside llama.cpp
TXT
