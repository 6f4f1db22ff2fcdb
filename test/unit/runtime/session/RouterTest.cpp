// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/session/Router.h"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

using namespace muster::session;

namespace {

GroupLoad load(int64_t places, int64_t pages, int64_t tokens) { return {places, pages, tokens, tokens ? 1 : 0}; }

TEST(Router, TheFewestTokensWinThenTheFirstGroup) {
  Router::Request request{0, 3, 10};
  EXPECT_EQ(Router::choose(request, std::vector{load(1, 9, 5), load(1, 9, 4), load(1, 9, 4)}), 1u);
  EXPECT_EQ(Router::choose(request, std::vector{load(1, 9, 5), load(0, 9, 4), load(1, 2, 4)}), 0u)
      << "no room elsewhere";
  EXPECT_EQ(Router::choose(request, std::vector{load(1, 3, 0)}), 0u) << "just enough";
  EXPECT_EQ(Router::choose(request, std::vector{load(1, 2, 0), load(0, 3, 0)}), std::nullopt);
  EXPECT_EQ(Router::choose(request, std::vector{load(-1, 9, 0), load(1, -4, 0)}), std::nullopt);
  EXPECT_EQ(Router::choose(request, {}), std::nullopt);
  request.group = 0;
  EXPECT_EQ(Router::choose(request, std::vector{load(1, 9, 5), load(1, 9, 0)}), 0u) << "the one it may go to";
  EXPECT_EQ(Router::choose(request, std::vector{load(0, 9, 5), load(1, 9, 0)}), std::nullopt);
}

TEST(Router, WhatIsAssignedCounts) {
  Router router;
  for (uint32_t i = 0; i != 5; ++i)
    router.push({i, 2, 10});
  std::vector<GroupLoad> loads = {load(2, 100, 0), load(9, 5, 0)};
  std::vector<uint32_t> groups;
  while (auto next = router.assign(loads)) {
    EXPECT_EQ(next->place, groups.size());
    groups.push_back(next->group);
  }
  EXPECT_EQ(groups, (std::vector<uint32_t>{0, 1, 0, 1})) << "then one has no place and the other no pages";
  EXPECT_EQ(loads, (std::vector<GroupLoad>{{0, 96, 20, 2}, {7, 1, 20, 2}}));
  EXPECT_EQ(router.size(), 1u);
  EXPECT_EQ(router.front().place, 4u);
  EXPECT_FALSE(router.canAssign(loads));
  loads[0].freePlaces = 1;
  EXPECT_TRUE(router.canAssign(loads));
  EXPECT_TRUE(router.remove(4));
  EXPECT_FALSE(router.remove(4));
  EXPECT_FALSE(router.canAssign(loads));
  EXPECT_FALSE(router.assign(loads));
}

TEST(Router, AnAssignedRequestIsNotInTheQueue) {
  Router router;
  router.push({7, 1, 1});
  router.push({8, 1, 1});
  std::vector<GroupLoad> loads = {load(1, 9, 0)};
  ASSERT_EQ(router.assign(loads)->place, 7u);
  EXPECT_FALSE(router.remove(7));
  router.push({9, 1, 1});
  EXPECT_EQ(router.size(), 2u);
  EXPECT_TRUE(router.remove(8));
  EXPECT_EQ(router.front().place, 9u);
}

// Nobody overtakes, however small; so the first, however large, gets the pages that others give back.
TEST(Router, TheFirstWaitsAndIsNotOvertaken) {
  Router router;
  router.push({0, 10, 100});
  for (uint32_t i = 1; i != 50; ++i)
    router.push({i, 1, 1});
  std::vector<GroupLoad> loads = {load(9, 9, 3), load(9, 8, 0)};
  EXPECT_FALSE(router.assign(loads));
  EXPECT_EQ(router.size(), 50u);
  loads[0].freePages = 10;
  EXPECT_EQ(router.assign(loads)->place, 0u);
  EXPECT_EQ(router.assign(loads)->group, 1u);
}

// Copies of a router that see the same queue and the same loads assign alike, and every request in the end, in order.
TEST(Router, CopiesAssignAlikeAndNobodyStarves) {
  std::mt19937 random(11);
  auto below = [&](uint32_t bound) { return static_cast<uint32_t>(random() % bound); };
  for (int round = 0; round != 300; ++round) {
    uint32_t groups = 1 + below(4), pages = 4 + below(20), places = 1 + below(4);
    std::vector<Router> copies(3);
    std::vector<GroupLoad> loads(groups);
    for (GroupLoad &each : loads)
      each = {places, pages, 0, 0};
    struct Running {
      Router::Request request;
      uint32_t group;
    };
    std::vector<Running> running;
    uint32_t submitted = 0, assigned = 0;
    std::vector<Router::Request> all;
    while (assigned != 60) {
      for (uint32_t count = below(4); count-- && submitted != 60; ++submitted) {
        all.push_back({submitted, 1 + below(pages), 1 + below(30)});
        for (Router &copy : copies)
          copy.push(all.back());
      }
      std::vector<std::vector<GroupLoad>> views(copies.size(), loads);
      for (bool more = true; more;) {
        auto next = copies[0].assign(views[0]);
        more = next.has_value();
        for (size_t i = 1; i != copies.size(); ++i) {
          auto other = copies[i].assign(views[i]);
          ASSERT_EQ(other.has_value(), more);
          ASSERT_EQ(views[i], views[0]);
          if (more) {
            ASSERT_TRUE(other->place == next->place && other->group == next->group);
          }
        }
        if (!more)
          break;
        ASSERT_EQ(next->place, assigned++) << "in the order of the queue";
        running.push_back({all[next->place], next->group});
      }
      loads = views[0];
      for (const GroupLoad &each : loads)
        ASSERT_TRUE(each.freePlaces >= 0 && each.freePages >= 0);
      if (copies[0].size() != 0) {
        ASSERT_FALSE(running.empty()) << "somebody waits though all groups are empty";
      }
      if (!running.empty()) {
        auto ended = running.begin() + below(static_cast<uint32_t>(running.size()));
        GroupLoad &of = loads[ended->group];
        of.freePages += ended->request.pages;
        of.pendingTokens -= static_cast<int64_t>(ended->request.tokens);
        ++of.freePlaces;
        --of.running;
        running.erase(ended);
      }
    }
  }
}

// Requests of all sizes are spread so that no group has more than one of the largest beyond another.
TEST(Router, TokensAreSpreadEvenly) {
  std::mt19937 random(3);
  Router router;
  std::vector<GroupLoad> loads(4, load(1000, 1000, 0));
  for (uint32_t i = 0; i != 400; ++i)
    router.push({i, 1, 1 + random() % 400});
  while (router.assign(loads))
    ;
  EXPECT_EQ(router.size(), 0u);
  auto [least, most] = std::minmax_element(loads.begin(), loads.end(), [](const GroupLoad &a, const GroupLoad &b) {
    return a.pendingTokens < b.pendingTokens;
  });
  EXPECT_LE(most->pendingTokens - least->pendingTokens, 400);
}

} // namespace
