# Configuration of every test that is a file: *.mlir (lit) and *.test (integration).
import os
import lit.formats

config.name = "muster"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["unit", "Inputs", "benchmark"]
config.test_source_root = os.path.join(config.muster_source_root, "test")
config.test_exec_root = os.path.join(config.muster_build_root, "test")

tools = [os.path.join(config.muster_build_root, "bin"), config.llvm_tools_dir, os.environ.get("PATH", "")]
config.environment["PATH"] = os.pathsep.join(t for t in tools if t)
config.environment["FILECHECK_OPTS"] = "-enable-var-scope --dump-input-filter=all"

venv = os.path.join(config.muster_source_root, "build", "venv", "bin", "python")
config.substitutions.append(("%python", venv if os.path.exists(venv) else "python3"))
config.substitutions.append(("%cc", config.c_compiler))
config.substitutions.append(("%source", config.muster_source_root))
config.substitutions.append(("%build", config.muster_build_root))
model = os.path.join(config.muster_source_root, "build", "models", "SmolLM2-135M-Instruct.Q4_1.gguf")
config.substitutions.append(("%smollm2", model))

if config.muster_has_compiler:
    config.available_features.add("compiler")
if os.path.exists(model):
    config.available_features.add("smollm2")
if config.muster_sanitize:
    config.available_features.add("sanitizer")
