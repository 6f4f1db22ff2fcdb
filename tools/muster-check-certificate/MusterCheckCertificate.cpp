// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// muster-check-certificate FILE CERTIFICATE: accepts a certificate of muster-verify, or says why not.
#include "compiler/Certificate/Checker.h"
#include "dialects/NN/IR/NNDialect.h"

#include "dialects/Muster/IR/MusterDialect.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/InitAllDialects.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/SourceMgr.h"

#include <CLI/CLI.hpp>

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  std::string input, path;
  CLI::App app("Check what muster-verify --certificate wrote, by other code", "muster-check-certificate");
  app.set_version_flag("--version", "muster-check-certificate " MUSTER_VERSION);
  app.add_option("input", input, "Program (.mlir)")->required();
  app.add_option("certificate", path, "Certificate of the program")->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success &success) {
    return app.exit(success);
  } catch (const CLI::ParseError &error) {
    llvm::errs() << "muster-check-certificate: E0101 " << error.what() << "\n";
    return 2;
  }
  auto refuse = [&](const llvm::Twine &message, const char *number = "E1110", int code = 1) {
    llvm::errs() << path << ": " << number << " " << message << "\n";
    return code;
  };
  auto program = llvm::MemoryBuffer::getFile(input), text = llvm::MemoryBuffer::getFile(path);
  if (!program || !text)
    return refuse("cannot read " + (program ? path : input));
  auto certificate = llvm::json::parse((*text)->getBuffer());
  if (!certificate)
    return refuse("expected JSON but got " + llvm::toString(certificate.takeError()));
  const llvm::json::Object *object = certificate->getAsObject();
  if (!object || object->getInteger("muster_certificate") != 2 || !object->getArray("functions"))
    return refuse("expected a certificate of version 2 but got other JSON");
  std::string digest = llvm::toHex(llvm::SHA256::hash(llvm::arrayRefFromStringRef((*program)->getBuffer())), true);
  if (object->getString("program") != digest)
    return refuse("expected the certificate of program " + digest + " but got that of " +
                  object->getString("program").value_or("none"));
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  registry.insert<muster::MusterDialect, muster::nn::NNDialect>();
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(std::move(*program), llvm::SMLoc());
  mlir::SourceMgrDiagnosticHandler lines(sources, &context, llvm::errs());
  auto module = mlir::parseSourceFile<mlir::ModuleOp>(sources, &context);
  if (!module)
    return 1;
  if (auto fault = muster::certificate::check(*module, *object->getArray("functions"))) {
    auto at = fault->location->findInstanceOf<mlir::FileLineColLoc>();
    llvm::errs() << input << ":" << (at ? at.getLine() : 1) << ":" << (at ? at.getColumn() : 1)
                 << ": error: " << (fault->isUnsupported ? "E1112 cannot be checked: " : "E1111 ") << fault->message
                 << "\n";
    return fault->isUnsupported ? 3 : 1;
  }
  size_t count = object->getArray("functions")->size();
  llvm::outs() << path << ": accepted: " << count << (count == 1 ? " function of " : " functions of ") << input << "\n";
}
