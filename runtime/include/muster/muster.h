/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * The C API of Muster's runtime: load a compiled plan, run sequences of tokens through it, or run any of its entries.
 *
 *   muster_status status;
 *   muster_plan *plan;
 *   if (muster_plan_load("model.plan", NULL, &plan, &status)) { fprintf(stderr, "%s\n", status.text); return
 * status.exit_code; } muster_session *session; muster_session_create(plan, NULL, &session, &status);
 *   muster_sequence_options options = {.struct_size = sizeof(options), .max_new_tokens = 16};
 *   uint64_t sequence;
 *   muster_session_submit(session, prompt, prompt_tokens, &options, &sequence, &status);
 *   muster_step_report report;
 *   while (muster_session_has_work(session) && !muster_session_step(session, &report, &status)) {}
 *   muster_session_take_tokens(session, sequence, tokens, 16, &count, &status);
 *   muster_session_free(session);
 *   muster_plan_free(plan);
 *
 * Errors. A function that can fail returns 0, or the number of the error (2107 for E2107; docs/errors/E2107.md explains
 * it), and fills `*status` unless `status` is null; what it was to give out is then null, 0 or untouched. A null
 * object, a null pointer that is not optional or a struct_size that this library does not know is E2430, never a crash.
 * No function throws, prints or exits.
 *
 * Structs of options begin with struct_size, which the caller sets to sizeof(the struct); fields behind it that are 0
 * mean the default, and a null pointer to options means all defaults. Newer libraries accept the sizes of older
 * headers.
 *
 * Ownership. What _load, _create and _tokenizer give out belongs to the caller and goes back through the _free function
 * of its type; _free(NULL) does nothing. A session keeps what it needs of its plan, so either may be freed first.
 * Buffers that are passed in are read during the call only.
 *
 * Threads. A plan and a tokenizer may be used by any number of threads at a time; a session by one at a time.
 *
 * Strings are UTF-8 and end with 0.
 */
#ifndef MUSTER_MUSTER_H
#define MUSTER_MUSTER_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define MUSTER_API __attribute__((visibility("default")))
#else
#define MUSTER_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- version and status */

/* Raised by one when a function or field is added. */
#define MUSTER_API_VERSION 1

/* "0.1.0". Lives for ever. */
MUSTER_API const char *muster_version(void);
/* MUSTER_API_VERSION of the library that runs. */
MUSTER_API uint32_t muster_api_version(void);

typedef struct muster_status {
  int32_t code;      /* 0, or the number of the error */
  int32_t exit_code; /* what a tool returns for it: 0 fine, 1 the input is wrong, 2 usage, 3 unsupported, 4 run-time
                        failure */
  char text[1016];   /* "E2107 expected ... but got ...", one line, cut where longer; "ok" */
} muster_status;

/* ---- plans */

typedef struct muster_plan muster_plan;

typedef struct muster_plan_options {
  size_t struct_size;
  const char *weights_path; /* null: the plan's path with the extension .weights */
} muster_plan_options;

/* Maps and checks a plan file and the weights file beside it. Errors: E20xx to E23xx. */
MUSTER_API int32_t muster_plan_load(const char *path, const muster_plan_options *options, muster_plan **plan,
                                    muster_status *status);
MUSTER_API void muster_plan_free(muster_plan *plan);
/* Ranks of the plan's mesh; 0 for null. */
MUSTER_API uint32_t muster_plan_ranks(const muster_plan *plan);

/* ---- sessions */

typedef struct muster_session muster_session;

typedef enum muster_transport {
  MUSTER_TRANSPORT_LOCAL = 0, /* this process runs all ranks as threads */
  MUSTER_TRANSPORT_SHM = 1    /* this process runs one rank, others of this machine the others, over shared memory */
} muster_transport;

typedef struct muster_session_options {
  size_t struct_size;
  uint32_t workers; /* threads of each rank; 0: the CPUs that this process may use, divided by the ranks, at least 1 */
  uint32_t deadline_ms;     /* a wait for another rank that takes longer ends the session (E2502); 0: 30000 */
  uint64_t kv_memory_bytes; /* memory of all paged caches of all ranks together; 0: 512 MiB, but at least for one and at
                             * most for a step full of sequences of the greatest length */
  uint64_t pages;           /* pages of the cache instead; 0: as kv_memory_bytes says */
  int32_t transport;        /* a muster_transport */
  uint32_t rank;            /* with shm: the rank that this process runs */
  const char *group;        /* with shm: a name that the processes of this run share and nobody else has */
  int32_t trace;            /* not 0: record every step for muster_session_write_trace */
} muster_session_options;

/* Makes memory, threads and the cache. With shm every rank's process calls it, and then makes the same calls with the
 * same arguments in the same order. Errors: E2109, E2401, E2404, E2422, E2428, E25xx. */
MUSTER_API int32_t muster_session_create(const muster_plan *plan, const muster_session_options *options,
                                         muster_session **session, muster_status *status);
MUSTER_API void muster_session_free(muster_session *session);

/* With data parallelism: of each group of ranks. */
typedef struct muster_limits {
  uint32_t step_tokens, step_sequences, step_logit_rows; /* what one step holds */
  uint32_t pages, page_slots,
      pages_per_sequence; /* the cache; page_slots * pages_per_sequence is the longest sequence */
  uint32_t vocabulary;
} muster_limits;

/* Error: E2428 where the plan has no entry `step`. */
MUSTER_API int32_t muster_session_limits(const muster_session *session, muster_limits *limits, muster_status *status);

/* ---- sequences */

typedef enum muster_logits {
  MUSTER_LOGITS_NONE = 0,
  MUSTER_LOGITS_LAST = 1, /* of the last token, whenever all tokens of the sequence were computed */
  MUSTER_LOGITS_ALL = 2   /* of every token */
} muster_logits;

typedef struct muster_sequence_options {
  size_t struct_size;
  uint32_t max_new_tokens; /* 0: nothing is generated, and more tokens may be appended */
  uint32_t max_tokens;     /* without generation: the length that appends may reach; 0: that of the tokens submitted */
  float temperature;       /* 0: greedy */
  float top_p;             /* 0: 1, every token may be drawn */
  uint64_t seed;
  int32_t logits; /* a muster_logits */
  uint32_t stop_token_count;
  const int32_t *stop_tokens; /* generation ends behind one of these, which is still given out */
} muster_sequence_options;

/* A sequence of `count` tokens. It takes part in the steps that follow, as soon as there are pages for it; it never
 * disturbs others. `*sequence` is never 0. Errors: E2420 to E2423, E2425, E2428. */
MUSTER_API int32_t muster_session_submit(muster_session *session, const int32_t *tokens, size_t count,
                                         const muster_sequence_options *options, uint64_t *sequence,
                                         muster_status *status);
/* More tokens for a sequence with max_new_tokens 0. Errors: E2421, E2423, E2424, E2427. */
MUSTER_API int32_t muster_session_append(muster_session *session, uint64_t sequence, const int32_t *tokens,
                                         size_t count, muster_status *status);
/* Forgets a sequence, finished or not, and frees its pages. Every sequence has to be dropped, or goes with the session.
 * Error: E2424. */
MUSTER_API int32_t muster_session_drop(muster_session *session, uint64_t sequence, muster_status *status);

/* Of the ranks of this process. */
typedef struct muster_step_report {
  uint32_t tokens, sequences; /* computed in this step */
  uint32_t new_tokens;        /* sampled in it */
  uint32_t finished;          /* sequences that finished in it */
  uint32_t waiting, active;   /* sequences after it */
  uint32_t pages_taken;
} muster_step_report;

/* Not 0 where a step would compute something; the same in all processes. */
MUSTER_API int32_t muster_session_has_work(const muster_session *session);
/* Computes one step: one token of each sequence that is generating, and parts of longer ones up to the plan's capacity.
 * With nothing to do it reports 0 tokens. Allocates nothing in steady state. Errors: E24xx leave all sequences as they
 * were; E25xx end the session: it can only be freed. */
MUSTER_API int32_t muster_session_step(muster_session *session, muster_step_report *report, muster_status *status);

typedef enum muster_sequence_state {
  MUSTER_SEQUENCE_WAITING = 0,
  MUSTER_SEQUENCE_RUNNING = 1,
  MUSTER_SEQUENCE_IDLE = 2, /* all tokens computed, more may be appended */
  MUSTER_SEQUENCE_FINISHED = 3,
  MUSTER_SEQUENCE_ELSEWHERE = 4 /* computed by a data-parallel group of another process, which alone has its tokens */
} muster_sequence_state;

typedef enum muster_finish {
  MUSTER_FINISH_NONE = 0,
  MUSTER_FINISH_STOP = 1,          /* a stop token */
  MUSTER_FINISH_LENGTH = 2,        /* max_new_tokens */
  MUSTER_FINISH_CONTEXT = 3,       /* the plan's longest sequence */
  MUSTER_FINISH_INVALID_LOGITS = 4 /* E2426 */
} muster_finish;

typedef struct muster_sequence_info {
  int32_t state;  /* a muster_sequence_state */
  int32_t finish; /* a muster_finish */
  uint64_t prompt_tokens, computed_tokens, new_tokens, untaken_tokens;
} muster_sequence_info;

/* Error: E2424. */
MUSTER_API int32_t muster_session_sequence_info(const muster_session *session, uint64_t sequence,
                                                muster_sequence_info *info, muster_status *status);
/* Copies up to `capacity` generated tokens that were not taken before; `*count` says how many. Error: E2424. */
MUSTER_API int32_t muster_session_take_tokens(muster_session *session, uint64_t sequence, int32_t *tokens,
                                              size_t capacity, size_t *count, muster_status *status);
/* Rows of logits that the last step computed for a sequence, [*rows, vocabulary] row-major, the first behind the token
 * at *first_position; 0 rows where there are none. They belong to the session and last until its next step. Error:
 * E2424. */
MUSTER_API int32_t muster_session_logits(const muster_session *session, uint64_t sequence, const float **logits,
                                         size_t *rows, uint64_t *first_position, muster_status *status);

/* What was recorded since creation, as Chrome JSON, which ui.perfetto.dev opens. Errors: E2401, E2416. */
MUSTER_API int32_t muster_session_write_trace(const muster_session *session, const char *path, muster_status *status);

/* ---- any entry, by names */

/* As runtime/schema/plan.fbs numbers them. */
typedef enum muster_element {
  MUSTER_F32 = 0,
  MUSTER_F16 = 1,
  MUSTER_BF16 = 2,
  MUSTER_F64 = 3,
  MUSTER_I8 = 4,
  MUSTER_U8 = 5,
  MUSTER_I32 = 6,
  MUSTER_I64 = 7,
  MUSTER_BOOL = 8
} muster_element;

#define MUSTER_MAX_DIMS 8

/* A logical tensor (of the program without mesh), row-major. */
typedef struct muster_tensor {
  const char *name;
  int32_t element; /* a muster_element */
  uint32_t dim_count;
  int64_t dims[MUSTER_MAX_DIMS];
  void *data;
  size_t bytes; /* that `data` points to */
} muster_tensor;

/* Runs an entry once. Every input of the entry is given by name; sizes of the step follow from their dims. For each of
 * `results`, name, data and bytes are given, and element, dim_count and dims are filled; a result whose data is null is
 * described only. States keep what the entry writes. Not while sequences are active on an entry that shares their
 * cache. Errors: E2431 unknown names, E2432 element or dims, E2433 a result's buffer is too small, E24xx and E25xx as
 * step. */
MUSTER_API int32_t muster_entry_run(muster_session *session, const char *entry, const muster_tensor *inputs,
                                    size_t input_count, muster_tensor *results, size_t result_count,
                                    muster_status *status);

/* ---- text */

typedef struct muster_tokenizer muster_tokenizer;

/* The tokenizer that the plan carries. Errors: E2429 it has none, E32xx. */
MUSTER_API int32_t muster_plan_tokenizer(const muster_plan *plan, muster_tokenizer **tokenizer, muster_status *status);
MUSTER_API void muster_tokenizer_free(muster_tokenizer *tokenizer);
/* The ids of `bytes` bytes of text, with the model's own begin and end tokens around them where `add_special` is not 0.
 * Copies up to `capacity`; `*count` is the number of all, so call with capacity 0 to ask. Errors: E3207, E3209. */
MUSTER_API int32_t muster_tokenizer_encode(const muster_tokenizer *tokenizer, const char *text, size_t bytes,
                                           int32_t add_special, int32_t *tokens, size_t capacity, size_t *count,
                                           muster_status *status);
/* The bytes of tokens, one after the other; without control tokens where `skip_special` is not 0. Copies up to
 * `capacity` bytes and no final 0; `*bytes` is the number of all. A character may be spread over tokens, so decode
 * sequences whole. Error: E3208. */
MUSTER_API int32_t muster_tokenizer_decode(const muster_tokenizer *tokenizer, const int32_t *tokens, size_t count,
                                           int32_t skip_special, char *text, size_t capacity, size_t *bytes,
                                           muster_status *status);
/* Tokens behind which generation ends: copies up to `capacity`, `*count` is the number of all. */
MUSTER_API int32_t muster_tokenizer_stop_tokens(const muster_tokenizer *tokenizer, int32_t *tokens, size_t capacity,
                                                size_t *count, muster_status *status);

#ifdef __cplusplus
}
#endif

#endif /* MUSTER_MUSTER_H */
