/* keys.h - the key file of a history's store, and the eraser, as a server with keys has them.
 *
 * The engine in memory seals nothing. So of each text that is stored something short is sealed here, by the ring of that start, as
 * the other engine would seal the text; whether the ring still opens that is what the engine is told of the text. The file lies in
 * a folder of the process, in memory where there is such a file system. What the ring had in memory is gone with a crash, the file
 * is what it was.
 * Thread: one. Owns: the file, the ring, the eraser and its numbers.
 */
#ifndef AW_TESTS_SIM_KEYS_H
#define AW_TESTS_SIM_KEYS_H

#include "run/eraser.h"
#include "sim/model.h"

#define KEYS_WITNESS_BYTES 8U

struct sim_keys {
    bool               is_there; /* this history has keys */
    char               path[128];
    char               blocker[136]; /* a folder where the next file would be written: it can't be replaced */
    bool               is_blocked;
    uint8_t            uuid[16];
    struct aw_keyring *ring;             /* of this start; or of the last one, until the next one is that far */
    uint64_t           ring_from;        /* it seals records from here on */
    uint32_t           store_generation; /* that the store saw */
    struct aw_metrics *metrics;
    struct aw_eraser  *eraser;         /* NULL while nobody runs */
    uint64_t           sealed_through; /* records; all of them durable */
    uint8_t            sealed[MODEL_RECORDS_MAX][KEYS_WITNESS_BYTES + AW_SEALED_BODY_BYTES];
};

/* Takes away the folder of this process, by its number, if there is one: made at the first need. One that was killed leaves it. */
void sim_keys_leave(int process);

/* A history begins, with keys or without. */
void sim_keys_open(struct sim_keys *keys, bool is_there, uint64_t seed);
void sim_keys_close(struct sim_keys *keys);
/* A start: the journal, which goes on with `next_seq`, is replayed. AW_E_MEMORY, AW_E_IO. */
AW_MUST_USE enum aw_err sim_keys_start(struct sim_keys *keys, struct aw_journal *journal, uint64_t next_seq, struct aw_why *why);
/* The server is gone. */
void sim_keys_stop(struct sim_keys *keys);
/* Whether the text of this record, which is durable, can be opened. */
bool sim_keys_open_text(struct sim_keys *keys, uint64_t seq);
/* Up to which record all is erased that was asked for, as the committer is told; and as the file says. */
uint64_t sim_keys_told_through(const struct sim_keys *keys);
uint64_t sim_keys_erased_through(struct sim_keys *keys);
/* The eraser goes on; false: it has nothing to do. */
bool sim_keys_step(struct sim_keys *keys);
/* From now on the file can't be replaced; or it can again. */
void sim_keys_block(struct sim_keys *keys, bool is_blocked);

#endif
