/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The example of muster.h in C11. Called by ApiTest. */
#include "muster/muster.h"

int32_t generateInC(const char *path, const int32_t *prompt, size_t promptTokens, int32_t *tokens, size_t capacity,
                    size_t *count, muster_status *status);

int32_t generateInC(const char *path, const int32_t *prompt, size_t promptTokens, int32_t *tokens, size_t capacity,
                    size_t *count, muster_status *status) {
  muster_plan *plan = NULL;
  muster_session *session = NULL;
  muster_sequence_options options = {.struct_size = sizeof(options), .max_new_tokens = (uint32_t)capacity};
  muster_step_report report;
  uint64_t sequence = 0;
  int32_t code = muster_plan_load(path, NULL, &plan, status);
  if (!code)
    code = muster_session_create(plan, NULL, &session, status);
  if (!code)
    code = muster_session_submit(session, prompt, promptTokens, &options, &sequence, status);
  while (!code && muster_session_has_work(session))
    code = muster_session_step(session, &report, status);
  if (!code)
    code = muster_session_take_tokens(session, sequence, tokens, capacity, count, status);
  muster_session_free(session);
  muster_plan_free(plan);
  return code;
}
