// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/plan/HostObject.h"

#include <cerrno>
#include <cstring>
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace muster::plan {

namespace {

#if defined(__x86_64__)
constexpr uint16_t ownMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr uint16_t ownMachine = EM_AARCH64;
#else
#error "no host target"
#endif

Status checkImage(std::span<const std::byte> image, const std::string &name) {
  Elf64_Ehdr header;
  if (image.size() < sizeof(header))
    return Status::error(2123, "expected an ELF object of at least {} bytes in section {} but got {}", sizeof(header),
                         name, image.size());
  std::memcpy(&header, image.data(), sizeof(header));
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_type != ET_DYN)
    return Status::error(2123, "expected a 64-bit ELF shared object in section {} but got something else", name);
  if (header.e_machine != ownMachine)
    return Status::error(2123, "expected ELF machine {} in section {} but got {}", ownMachine, name,
                         uint16_t(header.e_machine));
  uint64_t tableBytes = uint64_t(header.e_phnum) * sizeof(Elf64_Phdr);
  if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phoff > image.size() ||
      tableBytes > image.size() - header.e_phoff)
    return Status::error(2123, "expected program headers inside section {} of {} bytes but got [{}, +{})", name,
                         image.size(), uint64_t(header.e_phoff), tableBytes);
  for (uint16_t i = 0; i != header.e_phnum; ++i) {
    Elf64_Phdr segment;
    std::memcpy(&segment, image.data() + header.e_phoff + i * sizeof(segment), sizeof(segment));
    if (segment.p_offset > image.size() || segment.p_filesz > image.size() - segment.p_offset)
      return Status::error(2123, "expected segment {} inside section {} of {} bytes but got [{}, +{})", i, name,
                           image.size(), uint64_t(segment.p_offset), uint64_t(segment.p_filesz));
  }
  return Status::ok();
}

bool writeAll(int file, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return false;
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return true;
}

} // namespace

HostObject::~HostObject() {
  dlclose(handle);
  ::close(file);
}

Result<std::unique_ptr<HostObject>> HostObject::link(std::span<const std::byte> image, const std::string &name) {
  MUSTER_RETURN_IF_ERROR(checkImage(image, name));
  // A file in memory: dlopen wants a path, and a name on disk would have to be cleaned up.
  int file = memfd_create(("muster:" + name).substr(0, 200).c_str(), MFD_CLOEXEC);
  if (file < 0)
    return Status::error(2123, "cannot make a memory file for section {}: {}", name, std::strerror(errno));
  if (!writeAll(file, image)) {
    Status status = Status::error(2123, "cannot copy section {} to memory: {}", name, std::strerror(errno));
    ::close(file);
    return status;
  }
  void *handle = dlopen(fmt::format("/proc/self/fd/{}", file).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char *reason = dlerror();
    ::close(file);
    return Status::error(2123, "cannot link section {}: {}", name, reason ? reason : "unknown reason");
  }
  return std::unique_ptr<HostObject>(new HostObject(handle, file));
}

muster_kernel_fn HostObject::find(const std::string &symbol) const {
  return reinterpret_cast<muster_kernel_fn>(dlsym(handle, symbol.c_str()));
}

} // namespace muster::plan
