// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "compiler/Codegen/Host/LinkObject.h"

#include <mutex>
#include <string>
#include <vector>

#include "lld/Common/Driver.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

LLD_HAS_DRIVER(elf)

using namespace llvm;

namespace muster::codegen {

namespace {

Error writeFile(StringRef path, ArrayRef<char> bytes) {
  std::error_code failure;
  raw_fd_ostream stream(path, failure);
  if (!failure) {
    stream.write(bytes.data(), bytes.size());
    stream.close();
    failure = stream.error();
    stream.clear_error();
  }
  if (failure)
    return createStringError("E4111 cannot write the temporary file %s because %s", path.str().c_str(),
                             failure.message().c_str());
  return Error::success();
}

} // namespace

Expected<SmallVector<char>> linkSharedObject(ArrayRef<SmallVector<char>> objects) {
  SmallString<128> folder;
  if (std::error_code failure = sys::fs::createUniqueDirectory("muster-link", folder))
    return createStringError("E4111 cannot make a temporary folder because %s", failure.message().c_str());
  llvm::scope_exit cleanUp([&] { sys::fs::remove_directories(folder); });

  auto pathOf = [&](const Twine &name) {
    SmallString<128> path(folder);
    sys::path::append(path, name);
    return std::string(path);
  };
  const std::string output = pathOf("kernels.so");
  std::vector<std::string> arguments = {"ld.lld",
                                        "-shared",
                                        "--no-undefined",
                                        "--gc-sections",
                                        "--strip-all",
                                        "--build-id=none",
                                        "--hash-style=gnu",
                                        "-z",
                                        "noexecstack",
                                        "-z",
                                        "max-page-size=4096",
                                        "-z",
                                        "now",
                                        "--threads=1",
                                        "-o",
                                        output};
  for (size_t i = 0; i < objects.size(); ++i) {
    arguments.push_back(pathOf(Twine(i) + ".o"));
    if (Error error = writeFile(arguments.back(), objects[i]))
      return error;
  }

  std::vector<const char *> raw;
  for (const std::string &argument : arguments)
    raw.push_back(argument.c_str());
  std::string text;
  raw_string_ostream stream(text);
  {
    static std::mutex oneLinkAtATime; // lld keeps its state in globals
    std::lock_guard lock(oneLinkAtATime);
    lld::Result result = lld::lldMain(raw, stream, stream, {{lld::Gnu, &lld::elf::link}});
    if (result.retCode != 0)
      return createStringError("E4110 cannot link the kernels because %s",
                               StringRef(text).split('\n').first.str().c_str());
  }
  auto buffer = MemoryBuffer::getFile(output, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return createStringError("E4111 cannot read the temporary file %s because %s", output.c_str(),
                             buffer.getError().message().c_str());
  StringRef bytes = (*buffer)->getBuffer();
  return SmallVector<char>(bytes.begin(), bytes.end());
}

} // namespace muster::codegen
