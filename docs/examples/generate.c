/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* generate PLAN TEXT TOKENS: continues a text with the C API. docs/c-api.md explains it; a test builds and runs it. */
#include "muster/muster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TOKENS 1024

static muster_status status;

static void check(int32_t code) {
  if (code) {
    fprintf(stderr, "generate: %s\n", status.text);
    exit(status.exit_code);
  }
}

int main(int argc, char **argv) {
  if (argc != 4)
    return fprintf(stderr, "usage: generate PLAN TEXT TOKENS\n"), 2;
  muster_plan *plan;
  check(muster_plan_load(argv[1], NULL, &plan, &status));
  muster_tokenizer *tokenizer;
  check(muster_plan_tokenizer(plan, &tokenizer, &status));
  muster_session *session;
  check(muster_session_create(plan, NULL, &session, &status));

  int32_t prompt[MAX_TOKENS], stop[16], tokens[MAX_TOKENS];
  size_t prompt_count, stop_count, count, bytes;
  check(muster_tokenizer_encode(tokenizer, argv[2], strlen(argv[2]), 1, prompt, MAX_TOKENS, &prompt_count, &status));
  check(muster_tokenizer_stop_tokens(tokenizer, stop, 16, &stop_count, &status));
  if (prompt_count > MAX_TOKENS || stop_count > 16)
    return fprintf(stderr, "generate: the text is too long\n"), 1;

  muster_sequence_options options = {.struct_size = sizeof(options)};
  options.max_new_tokens = (uint32_t)atoi(argv[3]);
  options.stop_tokens = stop;
  options.stop_token_count = (uint32_t)stop_count;
  uint64_t sequence;
  check(muster_session_submit(session, prompt, prompt_count, &options, &sequence, &status));
  while (muster_session_has_work(session))
    check(muster_session_step(session, NULL, &status));
  check(muster_session_take_tokens(session, sequence, tokens, MAX_TOKENS, &count, &status));

  char text[16 * MAX_TOKENS];
  check(muster_tokenizer_decode(tokenizer, tokens, count, 1, text, sizeof(text), &bytes, &status));
  fwrite(text, 1, bytes < sizeof(text) ? bytes : sizeof(text), stdout);
  putchar('\n');

  muster_session_free(session);
  muster_tokenizer_free(tokenizer);
  muster_plan_free(plan);
  return 0;
}
