/* call.h - one request while it is worked on: what it asked others for, and how it is answered.
 *
 * A handler (api_*.c) makes a struct that begins with a call in the request's arena, asks the committer (aw_call_submit) or the
 * readers (aw_call_read), and goes on in the callback when that comes back. While something is out, `out` is above 0 and nothing
 * of the arena may be taken or freed; when the client goes away meanwhile, the call waits for what is out and is then discarded.
 *
 * Who owns: the request owns the memory; the call ends with exactly one aw_call_answer (or _problem), or by itself after `gone`.
 * Thread: the io thread. Fails: without memory a call is answered 503.
 */
#ifndef AW_RUN_CALL_H
#define AW_RUN_CALL_H

#include "commit/submission.h"
#include "http/request.h"
#include "model/answer.h"
#include "proto/media.h"
#include "proto/writer.h"
#include "run/reader.h"
#include "run/wheel.h"

struct aw_io;
struct aw_call;

struct aw_call_ops {
    /* A submission or read came back; nothing is out any more. Not called once the client is gone, unless `on_gone` is set. */
    void (*on_back)(struct aw_call *call);
    /* The client went away; nothing is out any more. NULL: the call is simply discarded. Returns true when it submitted
     * something and is to be called again when that is back. */
    bool (*on_gone)(struct aw_call *call);
    /* The client went away while something is out: for a parked pull, which would be out for long. Optional. */
    void (*on_leave)(struct aw_call *call);
    /* It is answered by a problem: its work is over, and what its arena holds is needed no more but for the call. Optional. */
    void (*on_failed)(struct aw_call *call);
    /* The answer has left, or did not. Optional. */
    void (*on_sent)(struct aw_call *call, bool delivered);
    /* aw_call_wait's time came. */
    void (*on_time)(struct aw_call *call);
    /* All that was written to a streaming answer has left: there is room for more. Also while something is out. Optional. */
    void (*on_room)(struct aw_call *call);
};

struct aw_call {
    const struct aw_call_ops *ops;
    struct aw_io             *io;      /* borrows; outlives the call */
    struct aw_request        *request; /* borrows; owns the memory of the call */
    struct aw_arena          *work; /* borrows, or NULL: for what a call that goes on needs for a turn; it resets this itself */
    struct aw_wheel_node      node; /* its deadline, when it waits */
    uint32_t                  out;  /* submissions and reads in others' hands */
    bool                      gone;
    bool                      answered;
};

/* Memory for a handler's struct, which begins with a call. NULL: the request was answered 503. */
void *aw_call_new(struct aw_io *io, struct aw_request *request, const struct aw_call_ops *ops, size_t size);
/* Memory until the answer, or of a call that goes on until the end of its turn (`work`). Nothing may be out. */
struct aw_arena *aw_call_arena(struct aw_call *call);
/* Memory until the end of the call, whichever it is. */
struct aw_arena *aw_call_arena_kept(struct aw_call *call);

/* Gives away; the callback comes when all that is out is back. */
void aw_call_submit(struct aw_call *call, struct aw_submission *submission);
void aw_call_read(struct aw_call *call, struct aw_read *read);
/* Calls on_time at `at` (within the wheel's tick), unless answered before. */
void aw_call_wait(struct aw_call *call, aw_ns at);

/* Which encoding the answer has: from Accept, else like the request's. False: answered 406. */
AW_MUST_USE bool aw_call_negotiate(struct aw_call *call, bool sequence, enum aw_media *ret_media);
/* Answers. `buffer` lies in the request's arena; a failed buffer is answered 503. `fields` may be NULL. */
void aw_call_answer(struct aw_call *call, uint16_t status, enum aw_media media, const struct aw_buffer *buffer,
                    const struct aw_header_field *fields, size_t field_count);
/* A streaming answer (feed.h): sends its head. False: the client is gone, or it was HEAD and is answered with that. */
AW_MUST_USE bool aw_call_begin_stream(struct aw_call *call, const struct aw_response *head);
/* Ends it: as aw_call_answer, the call is over but for on_sent. */
void aw_call_end_stream(struct aw_call *call);
/* The same by a reset: it broke off. */
void aw_call_abort_stream(struct aw_call *call);
/* 204 without a body. */
void aw_call_answer_empty(struct aw_call *call, uint16_t status);
void aw_call_problem(struct aw_call *call, const struct aw_problem *problem);
void aw_call_problem_with(struct aw_call *call, const struct aw_problem *problem, const struct aw_header_field *fields,
                          size_t field_count);
/* The same with only an error and words that are static or in the arena. */
void aw_call_fail(struct aw_call *call, enum aw_err err, const char *detail);
/* A read that fails because the store broke meanwhile is no fault of what was read: for problems within an answer. Those above do
 * it themselves. */
void aw_call_set_broken(const struct aw_call *call, struct aw_problem *problem);
/* Answers a request that has no call. */
void aw_request_fail(struct aw_request *request, const struct aw_problem *problem);
/* The same with more header fields. */
void aw_request_fail_with(struct aw_request *request, const struct aw_problem *problem, const struct aw_header_field *fields,
                          size_t field_count);
/* How long a client should wait after `err`, in seconds; 0: no such header. */
uint32_t aw_retry_after_s(enum aw_err err);

/* Work that outlives its request: commands in memory of their own, answered to nobody, freed when they are back. */
struct aw_errand {
    struct aw_submission submission;
    char                 agent_bytes[AW_AGENT_BYTES_MAX];
    struct aw_slice      agent; /* a copy, for the commands to borrow */
    struct aw_entry      entries[];
};
/* `count` entries for the caller to fill. NULL: no memory. */
AW_MUST_USE struct aw_errand *aw_errand_new(uint32_t count, struct aw_slice agent);
/* Takes the errand. */
void aw_errand_send(struct aw_io *io, struct aw_errand *errand);

/* By the io thread. */
void aw_call_submission_back(struct aw_submission *submission);
void aw_call_read_back(struct aw_read *read);
void aw_call_request_gone(struct aw_request *request);
void aw_call_request_sent(struct aw_request *request, bool delivered);
void aw_call_request_drained(struct aw_request *request);

#endif
