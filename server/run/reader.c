/* reader.c - the pool: threads around aw_read_carry_out. */
#include "run/reader.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCRATCH_BLOCK_BYTES (64U * 1024U)
/* Reads carried out in one snapshot: it must stay short, for an open one keeps the store from using freed pages again. */
#define READS_PER_SNAPSHOT 64U

struct mailbox {
    struct aw_ring     to; /* io -> reader */
    struct aw_ring     back;
    struct aw_ring_in  to_in;
    struct aw_ring_out to_out;
    struct aw_ring_in  back_in;
    struct aw_ring_out back_out;
};

struct reader_thread {
    struct aw_wake            wake;
    pthread_t                 thread;
    bool                      is_running;
    uint32_t                  number;
    struct aw_readers        *pool;   /* borrows */
    struct mailbox           *boxes;  /* owns: io_count */
    struct aw_journal_reader *reader; /* owns */
    struct aw_blocks         *blocks; /* owns */
    struct aw_arena           scratch;
};

struct aw_readers {
    struct aw_readers_config config;
    struct reader_thread    *threads; /* owns: config.threads */
    struct aw_wake         **io_wakes;
    uint32_t                *next; /* by io: who gets the next read; each word belongs to its io thread */
};

/* What tells a reader to stop. */
static struct aw_read stop_read;

static void
fail_items(struct aw_read *read, enum aw_err err)
{
    read->need = 0;
    read->is_unfinished = false;
    for (uint32_t i = 0; i < read->count; i++)
        read->items[i].err = err;
}

/* Takes reads from all mailboxes, up to READS_PER_SNAPSHOT; sets *stop when told to stop. */
static uint32_t
take_some(struct reader_thread *me, struct aw_read *reads[READS_PER_SNAPSHOT], bool *stop)
{
    uint32_t count = 0;

    for (uint32_t io = 0; io < me->pool->config.io_count; io++) {
        struct aw_read *read;

        while (count < READS_PER_SNAPSHOT && (read = aw_ring_try_pop(&me->boxes[io].to_out)) != NULL) {
            if (read == &stop_read)
                *stop = true;
            else
                reads[count++] = read;
        }
    }
    return count;
}

/* Returns how many reads were carried out. They are taken before the snapshot begins: what a read asks for was durable when it was
 * pushed, so a snapshot that begins later holds it, and one that was open already may not. */
static uint32_t
carry_out_some(struct reader_thread *me, bool *stop)
{
    struct aw_read *reads[READS_PER_SNAPSHOT];
    uint32_t        count = take_some(me, reads, stop);
    enum aw_err     err;

    if (count == 0)
        return 0;
    err = aw_journal_read_begin(me->reader);
    for (uint32_t i = 0; i < count; i++) {
        struct mailbox *box = &me->boxes[reads[i]->io];
        uint32_t        io = reads[i]->io;

        if (err == AW_OK)
            aw_read_carry_out(reads[i], me->reader, &me->scratch);
        else
            fail_items(reads[i], err);
        if (!aw_ring_try_push(&box->back_in, reads[i]))
            AW_UNREACHABLE(); /* as many slots as may be out */
        if (i + 1 == count || reads[i + 1]->io != io)
            aw_wake_up(me->pool->io_wakes[io]); /* they lie in order of their io threads */
    }
    if (err == AW_OK)
        aw_journal_read_end(me->reader);
    return count;
}

static void *
run(void *arg)
{
    struct reader_thread *me = arg;
    bool                  stop = false;

    while (!stop) {
        if (carry_out_some(me, &stop) > 0)
            continue;
        aw_wake_prepare(&me->wake);
        if (carry_out_some(me, &stop) > 0 || stop)
            aw_wake_clear(&me->wake);
        else
            aw_wake_wait(&me->wake, AW_NS_NEVER);
    }
    return NULL;
}

static enum aw_err
start_one(struct aw_readers *pool, struct reader_thread *me, uint32_t number, struct aw_why *why)
{
    enum aw_err err = aw_wake_init(&me->wake, why);

    if (err != AW_OK)
        return err;
    me->pool = pool;
    me->number = number;
    me->boxes = aw_new_array(struct mailbox, pool->config.io_count);
    me->blocks = aw_blocks_new(SCRATCH_BLOCK_BYTES, 64 * SCRATCH_BLOCK_BYTES);
    me->reader = aw_journal_reader_new(pool->config.journal);
    if (me->boxes == NULL || me->blocks == NULL || me->reader == NULL)
        return aw_why(why, AW_E_MEMORY, "no memory for a reader thread");
    aw_arena_init(&me->scratch, me->blocks);
    for (uint32_t io = 0; io < pool->config.io_count; io++) {
        struct mailbox *box = &me->boxes[io];

        if (!aw_ring_init(&box->to, pool->config.mailbox_slots, &box->to_in, &box->to_out) ||
            !aw_ring_init(&box->back, pool->config.mailbox_slots, &box->back_in, &box->back_out))
            return aw_why(why, AW_E_MEMORY, "no memory for a reader's mailboxes");
    }
    if (pthread_create(&me->thread, NULL, run, me) != 0)
        return aw_why(why, AW_E_MEMORY, "a reader thread cannot be started");
    me->is_running = true;
    (void)pthread_setname_np(me->thread, "reader"); /* only for people who look at the process */
    return AW_OK;
}

enum aw_err
aw_readers_start(struct aw_readers **ret_readers, const struct aw_readers_config *config, struct aw_why *why)
{
    struct aw_readers *pool = aw_new(struct aw_readers);
    enum aw_err        err = AW_E_MEMORY;

    if (pool == NULL)
        return aw_why(why, AW_E_MEMORY, "no memory for the readers");
    pool->config = *config;
    pool->threads = aw_new_array(struct reader_thread, config->threads);
    pool->io_wakes = aw_new_array(struct aw_wake *, config->io_count);
    pool->next = aw_new_array(uint32_t, config->io_count);
    if (pool->threads != NULL && pool->io_wakes != NULL && pool->next != NULL)
        err = AW_OK;
    for (uint32_t i = 0; err == AW_OK && i < config->threads; i++)
        err = start_one(pool, &pool->threads[i], i, why);
    if (err != AW_OK) {
        aw_readers_stop(&pool);
        return err;
    }
    *ret_readers = pool;
    return AW_OK;
}

static void
stop_one(struct reader_thread *me)
{
    if (me->pool == NULL)
        return; /* its start never began */
    if (me->is_running) {
        if (!aw_ring_try_push(&me->boxes[0].to_in, &stop_read))
            AW_UNREACHABLE(); /* all reads have come back, so the ring is empty */
        aw_wake_up(&me->wake);
        (void)pthread_join(me->thread, NULL); /* fails only for a thread that is not there */
    }
    aw_journal_reader_free(&me->reader);
    for (uint32_t io = 0; me->boxes != NULL && io < me->pool->config.io_count; io++) {
        aw_ring_fini(&me->boxes[io].to);
        aw_ring_fini(&me->boxes[io].back);
    }
    free(me->boxes);
    aw_arena_reset(&me->scratch);
    aw_blocks_free(&me->blocks);
    aw_wake_fini(&me->wake);
}

void
aw_readers_stop(struct aw_readers **readers)
{
    struct aw_readers *pool = *readers;

    if (pool == NULL)
        return;
    for (uint32_t i = 0; pool->threads != NULL && i < pool->config.threads; i++)
        stop_one(&pool->threads[i]);
    free(pool->threads);
    free(pool->io_wakes);
    free(pool->next);
    free(pool);
    *readers = NULL;
}

void
aw_readers_join(struct aw_readers *readers, uint32_t io, struct aw_wake *io_wake)
{
    AW_ASSERT(io < readers->config.io_count);
    readers->io_wakes[io] = io_wake;
}

void
aw_readers_push(struct aw_readers *readers, struct aw_read *read)
{
    struct reader_thread *to = &readers->threads[readers->next[read->io]++ % readers->config.threads];

    if (!aw_ring_try_push(&to->boxes[read->io].to_in, read))
        AW_UNREACHABLE();
    aw_wake_up(&to->wake);
}

struct aw_read *
aw_readers_pop(struct aw_readers *readers, uint32_t io)
{
    for (uint32_t i = 0; i < readers->config.threads; i++) {
        struct aw_read *read = aw_ring_try_pop(&readers->threads[i].boxes[io].back_out);

        if (read != NULL)
            return read;
    }
    return NULL;
}

bool
aw_readers_has_back(struct aw_readers *readers, uint32_t io)
{
    for (uint32_t i = 0; i < readers->config.threads; i++) {
        if (!aw_ring_is_empty(&readers->threads[i].boxes[io].back_out))
            return true;
    }
    return false;
}
