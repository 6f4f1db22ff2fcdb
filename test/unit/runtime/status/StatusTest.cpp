// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/status/Status.h"

#include <gtest/gtest.h>

using muster::ExitCode;
using muster::Result;
using muster::Status;

namespace {

TEST(Status, OkCarriesNothing) {
  Status status;
  EXPECT_TRUE(status.isOk());
  EXPECT_EQ(status.number(), 0);
  EXPECT_EQ(status.text(), "ok");
  EXPECT_EQ(status.exitCode(), ExitCode::success);
  EXPECT_TRUE(Status(status).isOk());
  EXPECT_TRUE(Status::ok().withExitCode(ExitCode::usage).isOk());
  static_assert(sizeof(Status) == sizeof(void *));
}

TEST(Status, ErrorFormatsNumberAndText) {
  Status status = Status::error(2107, "expected {} but got {}", 3, "five");
  EXPECT_FALSE(status.isOk());
  EXPECT_EQ(status.number(), 2107);
  EXPECT_EQ(status.text(), "E2107 expected 3 but got five");
  EXPECT_EQ(Status::error(101, "x").text(), "E0101 x");
  EXPECT_EQ(Status::make(3201, "a {} b").text(), "E3201 a {} b");
}

// Parts of a text come from files: an error stays one line that a terminal shows.
TEST(Status, ControlCharactersAreSpelled) {
  using namespace std::string_view_literals;
  std::pair<std::string_view, std::string_view> cases[] = {
      {"a\0b"sv, "a\\x00b"},
      {"a\nb\r\t\x1b[2J\x7f", "a\\x0Ab\\x0D\\x09\\x1B[2J\\x7F"},
      {"a b~\\x00", "a b~\\x00"},
      {"caf\u00e9 \u4e16 \U0001f600", "caf\u00e9 \u4e16 \U0001f600"},
      {"\xc2\x9b|\xc2\xa0", "\\xC2\\x9B|\xc2\xa0"},
      {"\x80|\xc3|\xff|\xe4\xb8", "\\x80|\\xC3|\\xFF|\\xE4\\xB8"},
      {"\xc0\x80|\xe0\x80\x80|\xed\xa0\x80|\xf0\x8f\xbf\xbf|\xf4\x90\x80\x80",
       "\\xC0\\x80|\\xE0\\x80\\x80|\\xED\\xA0\\x80|\\xF0\\x8F\\xBF\\xBF|\\xF4\\x90\\x80\\x80"}};
  for (auto [text, spelled] : cases)
    EXPECT_EQ(Status::error(2303, "{}", text).text(), "E2303 " + std::string(spelled));
}

TEST(Status, CopyIsIndependent) {
  Status first = Status::error(2107, "one");
  Status second = first;
  first = Status::error(2108, "two");
  EXPECT_EQ(second.text(), "E2107 one");
  second = first;
  EXPECT_EQ(second.text(), "E2108 two");
  Status third = std::move(second);
  EXPECT_EQ(third.number(), 2108);
}

TEST(Status, ExitCodeFollowsFromTheRange) {
  const std::pair<int, ExitCode> cases[] = {
      {101, ExitCode::usage},        {199, ExitCode::usage},    {1001, ExitCode::input},   {1104, ExitCode::input},
      {1299, ExitCode::input},       {2001, ExitCode::input},   {2107, ExitCode::input},   {2201, ExitCode::input},
      {2301, ExitCode::input},       {2401, ExitCode::runTime}, {2501, ExitCode::runTime}, {3001, ExitCode::input},
      {3101, ExitCode::input},       {3299, ExitCode::input},   {3301, ExitCode::input},   {4001, ExitCode::input},
      {4101, ExitCode::unsupported}, {9999, ExitCode::runTime}};
  for (auto [number, code] : cases)
    EXPECT_EQ(Status::make(number, "x").exitCode(), code) << number;
}

TEST(Status, ExitCodeCanBeOverridden) {
  EXPECT_EQ(Status::unsupported(2301, "x").exitCode(), ExitCode::unsupported);
  EXPECT_EQ(Status::error(2401, "x").withExitCode(ExitCode::input).exitCode(), ExitCode::input);
  Status copy = Status::unsupported(2301, "x");
  EXPECT_EQ(Status(copy).exitCode(), ExitCode::unsupported);
}

Result<int> half(int value) {
  if (value % 2)
    return Status::error(2401, "expected an even number but got {}", value);
  return value / 2;
}

Result<std::unique_ptr<int>> quarter(int value) {
  MUSTER_ASSIGN_OR_RETURN(int once, half(value));
  MUSTER_ASSIGN_OR_RETURN(int twice, half(once));
  return std::make_unique<int>(twice);
}

Status eighth(int value, int &out) {
  MUSTER_ASSIGN_OR_RETURN(auto pointer, quarter(value));
  MUSTER_RETURN_IF_ERROR(half(*pointer).status());
  MUSTER_ASSIGN_OR_RETURN(out, half(*pointer));
  return Status::ok();
}

TEST(Result, CarriesValueOrStatus) {
  Result<int> good = half(6);
  ASSERT_TRUE(good.isOk());
  EXPECT_EQ(*good, 3);
  EXPECT_TRUE(good.status().isOk());
  Result<int> bad = half(7);
  EXPECT_FALSE(bad);
  EXPECT_EQ(bad.status().text(), "E2401 expected an even number but got 7");
}

TEST(Result, MacrosPassErrorsOn) {
  int out = 0;
  EXPECT_TRUE(eighth(24, out).isOk());
  EXPECT_EQ(out, 3);
  EXPECT_EQ(eighth(12, out).text(), "E2401 expected an even number but got 3");
  EXPECT_EQ(eighth(6, out).text(), "E2401 expected an even number but got 3");
  EXPECT_EQ(eighth(5, out).text(), "E2401 expected an even number but got 5");
  EXPECT_EQ(out, 3);
}

TEST(Result, HoldsMoveOnlyValues) {
  Result<std::unique_ptr<int>> result = quarter(8);
  ASSERT_TRUE(result.isOk());
  std::unique_ptr<int> taken = *std::move(result);
  EXPECT_EQ(*taken, 2);
  Result<std::string> converted = "text";
  EXPECT_EQ(converted->size(), 4u);
}

} // namespace
