/* api_lines.h - requests that hold one thing or many: each becomes a command, or is refused alone.
 *
 * A handler's struct holds an aw_api_lines and gives a reader for one line. A body of a single thing is one line without a number,
 * and what is wrong with it answers the whole request. All that was not refused goes to the committer as one submission, in order;
 * some of the outcomes need the journal, and one read brings it for all of them.
 *
 * Who owns: the request's arena. Thread: io. Fails: without memory the request is answered 503.
 */
#ifndef AW_RUN_API_LINES_H
#define AW_RUN_API_LINES_H

#include "proto/problem.h"
#include "proto/proto.h"
#include "run/call.h"

struct aw_draft;

#define AW_LINE_NO_READ UINT32_MAX

struct aw_api_line {
    uint32_t          number; /* in the body, from 1; 0: it is the only one */
    struct aw_entry  *entry;  /* its command; NULL: it was refused, `problem` says why */
    struct aw_problem problem;
    uint32_t          read;    /* index of its read item; AW_LINE_NO_READ: it needs none */
    struct aw_slice   token;   /* the lease that it names, as it was sent */
    struct aw_draft  *draft;   /* the reply that goes with it; NULL: none */
    struct aw_hash128 id_hash; /* the message that it withdraws */
};

struct aw_api_lines {
    struct aw_api_line  *lines;
    uint32_t             count;
    bool                 many;       /* the answer has a line for each */
    struct aw_submission submission; /* entries of the lines that have one; of a body read in pieces those of the piece at hand */
    struct aw_lines      walk;       /* of many lines: how far the body is read */
    enum aw_media        media;      /* of the body */
    bool                 is_more;    /* some of it is not read yet */
    struct aw_read      *read;       /* NULL: nothing had to be read, or not yet */
};

/* Makes the command of one line, or refuses it (aw_api_line_refuse). `entry` is for it to fill. */
typedef void aw_api_line_reader(struct aw_call *call, struct aw_api_line *line, enum aw_media media, struct aw_slice bytes,
                                struct aw_entry *entry);

/* How much to read at once. */
struct aw_api_piece {
    uint32_t bytes_most;
    uint32_t line_bytes; /* what a line costs beyond its bytes */
    uint32_t commands_max;
};

/* Reads the body. False: answered, as it is no body of lines, or as its only thing was refused. Else `submission.count` commands
 * are ready to be submitted; 0: all were refused, each for itself. */
AW_MUST_USE bool aw_api_lines_take(struct aw_call *call, struct aw_api_lines *lines, enum aw_media media,
                                   aw_api_line_reader *reader);
/* The same of a body of many lines, in pieces: begin, make room, then more until there is enough to be submitted
 * (`submission.count`), submit, renew when it is back, and so on while `is_more`. Begin tells how many there are, of a body that
 * breaks off those before that. */
AW_MUST_USE bool aw_api_lines_begin(struct aw_call *call, struct aw_api_lines *lines, enum aw_media media, uint32_t *ret_count);
AW_MUST_USE bool aw_api_lines_make_room(struct aw_call *call, struct aw_api_lines *lines, uint32_t count);
/* Reads so much, and at least one line. Returns what it cost. */
uint32_t aw_api_lines_more(struct aw_call *call, struct aw_api_lines *lines, const struct aw_api_piece *piece,
                           aw_api_line_reader *reader);
/* What is read from now on is the next submission's. */
void aw_api_lines_renew(struct aw_api_lines *lines);
/* Keeps a problem beyond the decoder's struct: its texts move to the arena. */
void aw_api_line_refuse(struct aw_call *call, struct aw_api_line *line, const struct aw_proto_problem *problem);

/* Whether the outcome of a line's command needs the journal, and what of it. */
typedef bool aw_api_line_need(const struct aw_api_line *line, struct aw_read_item *ret_item);

enum aw_api_reading {
    AW_READING_NONE,  /* no line needs anything: answer */
    AW_READING_BEGUN, /* the read is out; or the request was answered 503 */
};
/* After the commit: reads what the lines need, `bytes` for each at a guess. */
enum aw_api_reading aw_api_lines_read(struct aw_call *call, struct aw_api_lines *lines, aw_api_line_need *need, size_t bytes);
/* What was read for a line; NULL: nothing. */
const struct aw_read_item *aw_api_line_item(const struct aw_api_lines *lines, const struct aw_api_line *line);

#endif
