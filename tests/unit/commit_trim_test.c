/* commit_trim_test.c - the old end of the journal: what goes, what is kept, and what a start makes of it.
 *
 * A committer with the real state machine on both engines, driven by hand with a clock of our own, so that weeks pass in seconds.
 * Proves: with a steady load the store's used bytes level off; a ticket that stays open shows its whole thread, can be leased and
 * completed, whatever has gone around it, and its copies go when it is closed; source ids count for their whole window, with their
 * first receipt; a stop or a failed flush at every step of trimming loses nothing and gives the same digest; a full store frees
 * itself; short of room bodies go early and records stay; what a refused reply opens again is there; what asks for an erasure stays
 * until that is done; a start refuses an
 * anchor that does not fit.
 */
#include "commit/kept.h"
#include "run/reader.h"
#include "support/commit_rig.h"
#include "unit/read_kit.h"

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>

#define HOUR_MS    UINT64_C(3600000)
#define BODY_BYTES 700U

static void
open_desk(struct desk *desk, bool lmdb, uint64_t bytes_max)
{
    struct aw_fault_plan plan = {.lose_unflushed = true, .full_from_bytes = bytes_max};

    if (lmdb)
        desk_open_lmdb(desk, bytes_max);
    else
        desk_open(desk, &plan);
    desk->checkpoint_bytes = 200000;
    desk->bodies_min_ms = DAY_MS;
    desk->room_low_percent = 10;
}

/* As the committer's thread does: steps while there is something to do by itself. Returns how many. */
static unsigned
settle(struct desk *desk)
{
    unsigned steps = 0;

    do
        desk_step(desk);
    while (++steps < 20000 && aw_committer_next_due(desk->committer, fake_mono) == fake_mono &&
           aw_committer_role(desk->committer) != AW_ROLE_BROKEN);
    assert_true(steps < 20000); /* it comes to rest */
    return steps;
}

/* Lets time go by, with the steps that a server would make on the way. */
static void
let_pass(struct desk *desk, uint64_t ms)
{
    for (uint64_t gone = 0; gone < ms; gone += 15 * 60000) {
        desk_pass(desk, 15 * 60000);
        (void)settle(desk);
    }
}

static struct aw_trim_stats
stats(const struct desk *desk)
{
    struct aw_trim_stats stats;

    aw_trim_stats(desk->committer, &stats);
    return stats;
}

static uint64_t
used(const struct desk *desk)
{
    struct aw_journal_room room;

    aw_journal_room(desk->journal, &room);
    return room.used_bytes;
}

/* --- what people do ----------------------------------------------------------------------------------------------------------- */

static void
carry_out(struct desk *desk, struct aw_submission *submission)
{
    desk_carry_out(desk, submission);
    assert_int_equal(submission->err, AW_OK);
}

static void
fill_body(char body[BODY_BYTES], uint64_t source)
{
    memset(body, (int)('a' + source % 26), BODY_BYTES);
    (void)snprintf(body, 32, "body of %llu", (unsigned long long)source);
}

static struct aw_outcome_of
post_source(struct desk *desk, uint64_t customer, uint64_t source)
{
    struct one            one;
    struct aw_in_message *in = one_make_post(&one, customer, source);

    fill_body(one.body, source);
    in->body = aw_slice_of(one.body, BODY_BYTES);
    assert_true(aw_sha256(&in->body, 1, &in->body_hash));
    carry_out(desk, &one.submission);
    return one.entry.command.out;
}

static struct aw_outcome_of
post(struct desk *desk, uint64_t customer)
{
    return post_source(desk, customer, ++desk->sources);
}

static struct aw_lease_id
lease(struct desk *desk, struct aw_ticket_id ticket)
{
    struct aw_ticket_view view;
    struct one            one;

    assert_int_equal(aw_state_ticket(desk->state, ticket, &view), AW_OK);
    one_make(&one, AW_COMMAND_LEASE)->entry.command.in.lease =
        (struct aw_in_lease){.slot = ticket.slot, .version = view.version, .agent = AW_SLICE("mia"), .lease_ms = 60000};
    carry_out(desk, &one.submission);
    assert_int_equal(one.entry.command.out.err, AW_OK);
    return one.entry.command.out.u.lease.lease;
}

static void
complete(struct desk *desk, struct aw_ticket_id ticket)
{
    struct one one;

    one_make(&one, AW_COMMAND_COMPLETE)->entry.command.in.fenced =
        (struct aw_in_fenced){.lease = lease(desk, ticket), .agent = AW_SLICE("mia")};
    carry_out(desk, &one.submission);
    assert_int_equal(one.entry.command.out.err, AW_OK);
}

static void
note(struct desk *desk, struct aw_ticket_id ticket)
{
    struct aw_in_note in = {.on = {.ticket = ticket, .by = AW_SLICE("eve")}, .body = {.bytes = AW_SLICE("a note"), .len = 6}};
    struct one        one;

    assert_true(aw_sha256(&in.body.bytes, 1, &in.body.hash));
    one_make(&one, AW_COMMAND_NOTE)->entry.command.in.note = in;
    carry_out(desk, &one.submission);
    assert_int_equal(one.entry.command.out.err, AW_OK);
}

/* One customer who writes twice and is answered. */
static void
serve(struct desk *desk, uint64_t customer)
{
    struct aw_outcome_of out = post(desk, customer);

    assert_int_equal(out.err, AW_OK);
    assert_int_equal(post(desk, customer).err, AW_OK);
    complete(desk, out.u.message.ticket);
}

static struct aw_read_item
read_item(struct desk *desk, struct aw_read_item want, char *memory, size_t room)
{
    size_t need = 0;

    want = read_kit_item(desk->journal, want, memory, room, room, &need);
    assert_true(need <= room);
    return want;
}

/* The chain of records from `last_seq` down to `above_seq` holds exactly these messages, whole; `erased`: their bodies are gone. */
static void
check_chain(struct desk *desk, uint64_t last_seq, uint64_t above_seq, const uint64_t *sources, uint32_t count, bool erased)
{
    static char         memory[1 << 20];
    char                body[BODY_BYTES];
    struct aw_read_item item = read_item(
        desk, (struct aw_read_item){.kind = AW_READ_THREAD, .last_seq = last_seq, .above_seq = above_seq, .messages_max = 200},
        memory, sizeof(memory));

    assert_int_equal(item.err, AW_OK);
    assert_int_equal(item.message_count, count);
    for (uint32_t i = 0; i < count; i++) {
        assert_true(item.messages[i].erased == erased);
        if (erased)
            continue;
        fill_body(body, sources[i]);
        assert_int_equal(item.messages[i].body.len, BODY_BYTES);
        assert_memory_equal(item.messages[i].body.ptr, body, BODY_BYTES);
    }
}

static void
check_thread(struct desk *desk, struct aw_ticket_id ticket, const uint64_t *sources, uint32_t count)
{
    struct aw_ticket_view view;

    assert_int_equal(aw_state_ticket(desk->state, ticket, &view), AW_OK);
    check_chain(desk, view.last_seq, 0, sources, count, false);
}

static void
check_note(struct desk *desk, struct aw_ticket_id ticket)
{
    static char           memory[65536];
    struct aw_ticket_view view;
    struct aw_read_item   item;

    assert_int_equal(aw_state_ticket(desk->state, ticket, &view), AW_OK);
    item = read_item(desk, (struct aw_read_item){.kind = AW_READ_THREAD, .last_seq = view.last_seq, .messages_max = 200}, memory,
                     sizeof(memory));
    assert_int_equal(item.note_count, 1);
    assert_true(aw_slice_eq(item.notes[0].body, AW_SLICE("a note")));
    assert_true(aw_slice_eq(item.notes[0].by, AW_SLICE("eve")));
}

/* --- tests -------------------------------------------------------------------------------------------------------------------- */

static void
check_weeks(bool lmdb)
{
    struct desk          desk;
    struct aw_outcome_of open, again;
    uint64_t             thread[3], peak_early = 0, peak_late = 0, per = lmdb ? 1 : 4; /* tickets in half an hour */
    static char          memory[65536];
    struct aw_read_item  item;

    open_desk(&desk, lmdb, 64 * KIT_MIB);
    assert_int_equal(desk_start(&desk), AW_OK);
    open = post(&desk, 1000000);
    thread[0] = desk.sources;
    assert_int_equal(post(&desk, 1000000).err, AW_OK);
    thread[1] = desk.sources;
    note(&desk, open.u.message.ticket);
    for (uint64_t day = 1; day <= 35; day++) {
        uint64_t first = desk.sources + 1;

        for (uint64_t i = 0; i < 48; i++) {
            for (uint64_t k = 0; k < per; k++)
                serve(&desk, day * 1000 + i * per + k);
            let_pass(&desk, DAY_MS / 48);
        }
        if (day == 20) {
            assert_int_equal(post(&desk, 1000000).err, AW_OK); /* weeks later: the same ticket */
            thread[2] = desk.sources;
        }
        /* What was posted a day and six days ago is known, with its first receipt. */
        again = post_source(&desk, 5, first);
        assert_true(again.u.message.duplicate);
        if (day > 7) {
            uint64_t ago = first - 5 * 48 * per * 2 - (day > 20 && day <= 25 ? 1 : 0);

            again = post_source(&desk, 5, ago);
            assert_true(again.u.message.duplicate);
            item = read_item(&desk, (struct aw_read_item){.kind = AW_READ_RECEIPT, .last_seq = again.u.message.first_seq}, memory,
                             sizeof(memory));
            assert_int_equal(item.err, AW_OK);
            assert_int_equal(item.receipt.message.seq, again.u.message.first_seq);
        }
        if (day >= 9 && day <= 14 && used(&desk) > peak_early)
            peak_early = used(&desk);
        if (day >= 28 && used(&desk) > peak_late)
            peak_late = used(&desk);
        check_thread(&desk, open.u.message.ticket, thread, day < 20 ? 2 : 3);
        check_note(&desk, open.u.message.ticket);
        if (day % 10 == 0) {
            desk_crash(&desk, NULL);
            assert_int_equal(desk_start(&desk), AW_OK);
        }
    }
    printf("%s: %llu records trimmed, journal from %llu of %llu, used %llu kB on days 9 to 14, %llu kB on days 28 to 35\n",
           lmdb ? "lmdb" : "memory", (unsigned long long)stats(&desk).records_gone, (unsigned long long)stats(&desk).first_seq,
           (unsigned long long)aw_state_seq(desk.state), (unsigned long long)peak_early / 1024,
           (unsigned long long)peak_late / 1024);
    assert_true(peak_late < peak_early + peak_early / 10);
    assert_true(stats(&desk).first_seq > aw_state_seq(desk.state) / 2);
    assert_int_equal(stats(&desk).kept[AW_KEPT_RECORD], 4);
    assert_int_equal(stats(&desk).kept[AW_KEPT_BODY], 4);
    assert_true(aw_hash128_eq(aw_state_digest(desk.state), aw_state_digest_slow(desk.state)));
    complete(&desk, open.u.message.ticket);
    check_thread(&desk, open.u.message.ticket, thread, 3); /* it may reopen for a day */
    let_pass(&desk, DAY_MS - HOUR_MS);
    assert_int_equal(stats(&desk).kept[AW_KEPT_RECORD], 4);
    let_pass(&desk, 3 * HOUR_MS);
    assert_int_equal(stats(&desk).kept[AW_KEPT_RECORD], 0);
    assert_int_equal(stats(&desk).kept[AW_KEPT_BODY], 0);
    desk_close(&desk);
}

static void
test_weeks(void **state)
{
    (void)state;
    check_weeks(false);
    check_weeks(true);
}

/* A desk that has stood still for eight days: much may go, and a few tickets are open. */
static void
make_old(struct desk *desk, bool lmdb, struct aw_ticket_id open[4], uint64_t threads[4][2])
{
    open_desk(desk, lmdb, 64 * KIT_MIB);
    desk->checkpoint_bytes = 1ULL << 40;
    assert_int_equal(desk_start(desk), AW_OK);
    for (uint64_t i = 0; i < 600; i++) {
        if (i % 150 == 0) {
            open[i / 150] = post(desk, 1000 + i).u.message.ticket;
            threads[i / 150][0] = desk->sources;
        }
        serve(desk, i);
        if (i % 150 == 149) {
            assert_int_equal(post(desk, 1000 + i - 149).err, AW_OK);
            threads[i / 150][1] = desk->sources;
        }
        desk_pass(desk, 60000);
    }
    (void)settle(desk);
    desk_pass(desk, 8 * DAY_MS);
}

static struct aw_hash128
digest_of_replay(struct desk *desk)
{
    struct aw_state   *state;
    struct aw_recovery recovery;
    struct aw_hash128  digest;
    struct aw_why      why = {.text = ""};

    assert_int_equal(aw_state_new(&state, &desk_limits, 0, NULL), AW_OK);
    if (aw_recover(state, desk->journal, desk->table, NULL, &recovery, &why) != AW_OK)
        fail_msg("%s", why.text);
    digest = aw_state_digest(state);
    aw_state_free(&state);
    return digest;
}

/* Each flush in turn fails, and what it held is lost or not; then a start goes on where that left it. */
static void
check_failed_flushes(bool keeps)
{
    unsigned broke = 0;

    for (uint64_t fail_at = 2;; fail_at++) {
        struct desk          desk;
        struct aw_ticket_id  open[4];
        uint64_t             threads[4][2];
        struct aw_fault_plan plan = {.fail_flush_at = fail_at, .fail_flush_keeps = keeps, .lose_unflushed = true};
        struct aw_hash128    before;
        bool                 is_broken;

        make_old(&desk, false, open, threads);
        plan.full_from_bytes = desk.bytes_max;
        desk_crash(&desk, &plan);
        assert_int_equal(desk_start(&desk), AW_OK); /* the first flush */
        before = aw_state_digest(desk.state);
        (void)settle(&desk);
        is_broken = aw_committer_role(desk.committer) == AW_ROLE_BROKEN;
        broke += is_broken;
        desk_crash(&desk, NULL);
        assert_true(aw_hash128_eq(before, digest_of_replay(&desk)));
        assert_int_equal(desk_start(&desk), AW_OK);
        for (unsigned i = 0; i < 4; i++)
            check_thread(&desk, open[i], threads[i], 2);
        (void)settle(&desk);
        assert_true(stats(&desk).first_seq > 1500);
        assert_int_equal(stats(&desk).kept[AW_KEPT_RECORD], 8);
        assert_int_equal(stats(&desk).kept[AW_KEPT_BODY], 8);
        for (unsigned i = 0; i < 4; i++) {
            check_thread(&desk, open[i], threads[i], 2);
            complete(&desk, open[i]);
        }
        desk_close(&desk);
        if (!is_broken)
            break;
    }
    printf("%u flushes failed, what they held was %s\n", broke, keeps ? "there" : "lost");
    assert_true(broke >= 5);
}

static void
test_failed_flushes(void **state)
{
    (void)state;
    check_failed_flushes(false);
    check_failed_flushes(true);
}

/* A stop after each step, on disk: every start finds what the one before left, until all has gone. */
static void
test_stop_at_every_step(void **state)
{
    struct desk         desk;
    struct aw_ticket_id open[4];
    uint64_t            threads[4][2];
    unsigned            starts = 0;
    uint64_t            last = 0;

    (void)state;
    make_old(&desk, true, open, threads);
    for (;;) {
        struct aw_hash128 before;

        desk_step(&desk);
        before = aw_state_digest(desk.state);
        for (unsigned i = 0; i < 4; i++)
            check_thread(&desk, open[i], threads[i], 2);
        if (stats(&desk).first_seq > 1500 && aw_committer_next_due(desk.committer, fake_mono) != fake_mono)
            break;
        assert_true(stats(&desk).first_seq >= last);
        last = stats(&desk).first_seq;
        desk_crash(&desk, NULL);
        assert_true(aw_hash128_eq(before, digest_of_replay(&desk)));
        assert_int_equal(desk_start(&desk), AW_OK);
        assert_true(++starts < 500);
        for (unsigned i = 0; i < starts; i++) /* further each time: a step begins the checkpoint anew */
            desk_step(&desk);
    }
    assert_int_equal(stats(&desk).kept[AW_KEPT_RECORD], 8);
    desk_close(&desk);
}

/* Posts until the store is full; what is closed goes with time, and posts are taken again by the same server. */
static void
check_full(bool lmdb)
{
    struct desk          desk;
    struct aw_outcome_of out = {.err = AW_OK};
    struct aw_ticket_id  open, closed;
    uint64_t             thread[1], gone[1], customer = 0, hours = 0;

    open_desk(&desk, lmdb, lmdb ? 8 * KIT_MIB : 2 * KIT_MIB);
    desk.checkpoint_bytes = 1ULL << 40; /* none but those that trimming asks for */
    assert_int_equal(desk_start(&desk), AW_OK);
    open = post(&desk, 1000000).u.message.ticket;
    thread[0] = desk.sources;
    closed = post(&desk, 1000001).u.message.ticket;
    gone[0] = desk.sources;
    complete(&desk, closed);
    while (out.err == AW_OK) {
        out = post(&desk, ++customer);
        if (out.err == AW_OK)
            complete(&desk, out.u.message.ticket);
    }
    assert_int_equal(out.err, AW_E_STORE_FULL);
    assert_int_equal(aw_committer_role(desk.committer), AW_ROLE_FULL);
    assert_true(customer > 300);
    check_thread(&desk, open, thread, 1);
    check_chain(&desk, closed.seq, closed.seq - 1, gone, 1, false);
    /* Bodies of closed tickets go after a day. */
    for (; out.err != AW_OK; hours++) {
        assert_true(hours < 48);
        let_pass(&desk, HOUR_MS);
        out = post(&desk, ++customer);
    }
    assert_true(hours >= 24);
    assert_true(hours <= 26);
    (void)settle(&desk);
    check_thread(&desk, open, thread, 1);
    check_chain(&desk, closed.seq, closed.seq - 1, gone, 1, true); /* its record stays */
    assert_int_equal(stats(&desk).first_seq, 1);
    assert_true(post_source(&desk, 1000001, gone[0]).u.message.duplicate);
    printf("%s: full after %llu tickets, posts taken again %llu hours later\n", lmdb ? "lmdb" : "memory",
           (unsigned long long)customer, (unsigned long long)hours);
    /* Full again by records and ids: these go after a week. */
    while (out.err == AW_OK) {
        out = post(&desk, ++customer);
        if (out.err == AW_OK)
            complete(&desk, out.u.message.ticket);
    }
    let_pass(&desk, 8 * DAY_MS);
    out = post(&desk, ++customer);
    assert_int_equal(out.err, AW_OK);
    assert_true(stats(&desk).first_seq > customer);
    check_thread(&desk, open, thread, 1);
    complete(&desk, open);
    desk_crash(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    desk_close(&desk);
}

static void
test_full_store_frees_itself(void **state)
{
    (void)state;
    check_full(false);
    check_full(true);
}

/* What the server asked and nobody sent yet still finds its message, and by that whom it goes to, when all around has gone. */
static void
test_owed_reply_keeps_its_message(void **state)
{
    static const struct aw_own_text texts[] = {{{"en", 2}, {"Do you still wait?", 18}}};
    static char                     memory[65536];
    struct desk                     desk;
    struct one                      one;
    struct aw_outcome_of            asked;
    struct aw_state_counts          counts;
    struct aw_read_item             item;

    (void)state;
    open_desk(&desk, false, 64 * KIT_MIB);
    assert_int_equal(desk_start(&desk), AW_OK);
    one_make(&one, AW_COMMAND_SETTINGS)->entry.command.in.settings = *aw_state_settings(desk.state);
    one.entry.command.in.settings.still_needed_ms = HOUR_MS;
    carry_out(&desk, &one.submission);
    one_make(&one, AW_COMMAND_TEMPLATE)->entry.command.in.template_ =
        (struct aw_in_template){.kind = AW_REPLY_STILL_NEEDED, .texts = texts, .text_count = 1};
    carry_out(&desk, &one.submission);
    asked = post(&desk, 1);
    let_pass(&desk, 2 * HOUR_MS);
    aw_state_counts(desk.state, &counts);
    assert_int_equal(counts.owed[AW_REPLY_STILL_NEEDED], 1);
    complete(&desk, asked.u.message.ticket);
    for (uint64_t day = 0; day < 10; day++) {
        serve(&desk, 100 + day);
        let_pass(&desk, DAY_MS);
    }
    assert_true(stats(&desk).first_seq > asked.u.message.record_seq);
    item = read_item(&desk, (struct aw_read_item){.kind = AW_READ_ADDRESS, .last_seq = asked.u.message.record_seq}, memory,
                     sizeof(memory));
    assert_int_equal(item.err, AW_OK);
    assert_int_equal(stats(&desk).kept[AW_KEPT_BODY], 1);
    desk_close(&desk);
}

/* A reply that waits for a colleague may be refused, however late: then its ticket is open again, and its thread is there. */
static void
test_refused_reply_finds_its_thread(void **state)
{
    struct desk           desk;
    struct one            one;
    struct aw_outcome_of  asked;
    struct aw_ticket_view view;
    uint64_t              thread[1];

    (void)state;
    open_desk(&desk, false, 0);
    assert_int_equal(desk_start(&desk), AW_OK);
    one_make(&one, AW_COMMAND_AGENT)->entry.command.in.agent = (struct aw_in_agent){
        .name = AW_SLICE("mia"), .needs_approval = true, .units_total = AW_UNITS_NO_TOTAL, .by = AW_SLICE("eve")};
    carry_out(&desk, &one.submission);
    asked = post(&desk, 1);
    thread[0] = desk.sources;
    one_make(&one, AW_COMMAND_COMPLETE)->entry.command.in.fenced =
        (struct aw_in_fenced){.lease = lease(&desk, asked.u.message.ticket),
                              .agent = AW_SLICE("mia"),
                              .op_hash = 1,
                              .reply = {.is_there = true,
                                        .to = {.seq = asked.u.message.record_seq},
                                        .to_ticket = asked.u.message.ticket,
                                        .channel = AW_SLICE("web"),
                                        .account = AW_SLICE("main")}};
    carry_out(&desk, &one.submission);
    assert_int_equal(one.entry.command.out.u.lease.reply_state, AW_REPLY_PENDING);
    for (uint64_t i = 0; i < 300; i++)
        serve(&desk, 10 + i);
    let_pass(&desk, 9 * DAY_MS);
    assert_true(stats(&desk).first_seq > asked.u.message.record_seq);
    one.entry.command =
        (struct aw_command){.kind = AW_COMMAND_APPROVE,
                            .in.approve = {.reply = {.seq = one.entry.command.out.u.lease.reply_seq}, .by = AW_SLICE("eve")}};
    carry_out(&desk, &one.submission);
    assert_int_equal(one.entry.command.out.err, AW_OK);
    assert_int_equal(aw_state_ticket(desk.state, asked.u.message.ticket, &view), AW_OK);
    assert_int_equal(view.state, AW_TICKET_WAITING);
    check_thread(&desk, asked.u.message.ticket, thread, 1);
    desk_close(&desk);
}

/* A backlog that nobody works off while room is short: the bodies are moved, none is lost. */
static void
test_short_of_room_keeps_what_is_open(void **state)
{
    struct desk          desk;
    struct aw_ticket_id  tickets[3000];
    struct aw_outcome_of out;
    uint64_t             count = 0;

    (void)state;
    open_desk(&desk, true, 8 * KIT_MIB);
    assert_int_equal(desk_start(&desk), AW_OK);
    while ((out = post(&desk, count + 1)).err == AW_OK)
        tickets[count++] = out.u.message.ticket;
    assert_true(count > 300);
    let_pass(&desk, 26 * HOUR_MS);
    assert_true(stats(&desk).kept[AW_KEPT_BODY] == count);
    assert_int_equal(stats(&desk).kept[AW_KEPT_RECORD], 0);
    desk_crash(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t source = i + 1;

        check_thread(&desk, tickets[i], &source, 1);
        complete(&desk, tickets[i]);
    }
    let_pass(&desk, 26 * HOUR_MS);
    assert_int_equal(stats(&desk).kept[AW_KEPT_BODY], 0);
    desk_close(&desk);
}

/* --- what waits to be erased ------------------------------------------------------------------------------------------------- */

static uint64_t
erase(struct desk *desk, struct aw_ticket_id ticket)
{
    struct one one;

    one_make(&one, AW_COMMAND_ERASE)->entry.command.in.erase =
        (struct aw_in_erase){.customer = {7, 8}, .through = aw_state_seq(desk->state), .ticket = ticket, .by = AW_SLICE("eve")};
    carry_out(desk, &one.submission);
    assert_int_equal(one.entry.command.out.err, AW_OK);
    return one.entry.command.out.seq;
}

static bool
is_kept(struct desk *desk, uint64_t seq)
{
    struct aw_journal_reader *reader = aw_journal_reader_new(desk->journal);
    struct aw_kept            kept;
    enum aw_err               err;

    assert_int_equal(aw_journal_read_begin(reader), AW_OK);
    err = aw_journal_read_kept(reader, AW_KEPT_RECORD, seq, &kept);
    aw_journal_read_end(reader);
    aw_journal_reader_free(&reader);
    assert_true(err == AW_OK || err == AW_E_NOT_FOUND);
    return err == AW_OK;
}

/* A record that asks for an erasure outlives its batch, with or without a ticket, as long as that was not carried out. */
static void
test_wish_is_kept(void **state)
{
    struct desk desk;
    uint64_t    done, of_nothing, of_ticket;

    (void)state;
    open_desk(&desk, false, 0);
    assert_int_equal(desk_start(&desk), AW_OK);
    done = erase(&desk, (struct aw_ticket_id){.slot = 0});
    desk.erased_through = done;
    of_nothing = erase(&desk, (struct aw_ticket_id){.slot = 0});
    of_ticket = erase(&desk, post(&desk, 1).u.message.ticket);
    for (uint64_t i = 0; i < 300; i++)
        serve(&desk, 10 + i);
    let_pass(&desk, 9 * DAY_MS);
    assert_true(stats(&desk).first_seq > of_ticket);
    assert_false(is_kept(&desk, done));
    assert_true(is_kept(&desk, of_nothing));
    assert_true(is_kept(&desk, of_ticket));
    desk_crash(&desk, NULL);
    assert_int_equal(desk_start(&desk), AW_OK);
    let_pass(&desk, 3 * HOUR_MS);
    assert_true(is_kept(&desk, of_nothing));
    desk.erased_through = of_nothing;
    let_pass(&desk, 3 * HOUR_MS);
    assert_false(is_kept(&desk, of_nothing));
    assert_true(is_kept(&desk, of_ticket));
    desk.erased_through = of_ticket;
    let_pass(&desk, 3 * HOUR_MS);
    assert_int_equal(stats(&desk).kept[AW_KEPT_RECORD], 0);
    desk_close(&desk);
}

/* --- anchors that do not fit -------------------------------------------------------------------------------------------------- */

static struct aw_journal_anchor
read_anchor(struct desk *desk)
{
    struct aw_journal_reader *reader = aw_journal_reader_new(desk->journal);
    struct aw_journal_anchor  anchor;

    assert_int_equal(aw_journal_read_begin(reader), AW_OK);
    assert_int_equal(aw_journal_read_anchor(reader, &anchor), AW_OK);
    aw_journal_read_end(reader);
    aw_journal_reader_free(&reader);
    return anchor;
}

static void
write_anchor(struct desk *desk, const struct aw_journal_anchor *anchor)
{
    assert_int_equal(aw_journal_set_anchor(desk->journal, anchor), AW_OUTCOME_OK);
    assert_int_equal(aw_journal_flush(desk->journal), AW_OUTCOME_OK);
}

static void
check_refused(struct desk *desk, const struct aw_journal_anchor *anchor, const char *words)
{
    write_anchor(desk, anchor);
    assert_int_equal(desk_start(desk), AW_E_CORRUPT);
    if (strstr(desk->refused.text, words) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", words, desk->refused.text);
    desk_stop(desk);
}

static void
check_anchors(bool lmdb)
{
    struct desk              desk;
    struct aw_ticket_id      open[4];
    uint64_t                 threads[4][2];
    struct aw_journal_anchor right, wrong;

    make_old(&desk, lmdb, open, threads);
    (void)settle(&desk);
    desk_crash(&desk, NULL);
    right = read_anchor(&desk);
    assert_true(right.index > 100);
    wrong = right;
    wrong.hash.bytes[7] ^= 1;
    check_refused(&desk, &wrong, "does not continue the chain of the anchor");
    wrong = right;
    wrong.index++;
    check_refused(&desk, &wrong, "the anchor");
    wrong = right;
    wrong.next_seq++;
    wrong.kept_seq = wrong.body_seq = wrong.next_seq;
    check_refused(&desk, &wrong, "anchor");
    wrong = (struct aw_journal_anchor){.next_seq = 1, .kept_seq = 1, .body_seq = 1}; /* as if nothing were missing */
    check_refused(&desk, &wrong, "the journal begins with record");
    wrong = right;
    wrong.index += 10000;
    wrong.next_seq += 100000;
    wrong.kept_seq = wrong.body_seq = wrong.next_seq;
    check_refused(&desk, &wrong, "the batch behind the anchor");
    write_anchor(&desk, &right);
    assert_int_equal(desk_start(&desk), AW_OK);
    desk_close(&desk);
}

static void
test_wrong_anchors(void **state)
{
    (void)state;
    check_anchors(false);
    check_anchors(true);
}

/* A bit of the stored anchor: no store is opened by it. */
static void
test_damaged_anchor(void **state)
{
    struct desk            desk;
    struct aw_ticket_id    open[4];
    uint64_t               threads[4][2];
    struct aw_store_config config = {.access = AW_STORE_READ};
    struct aw_why          why = {""};
    MDB_env               *env;
    MDB_txn               *txn;
    MDB_dbi                meta;
    MDB_val                key = {6, (void *)(uintptr_t) "anchor"}, value;
    uint8_t                bytes[256];

    (void)state;
    make_old(&desk, true, open, threads);
    (void)settle(&desk);
    desk_stop(&desk);
    aw_journal_close(&desk.journal);
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 8), 0);
    assert_int_equal(mdb_env_open(env, desk.folder, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, "meta", 0, &meta), 0);
    assert_int_equal(mdb_get(txn, meta, &key, &value), 0);
    assert_true(value.mv_size <= sizeof(bytes));
    memcpy(bytes, value.mv_data, value.mv_size);
    bytes[20] ^= 0x10;
    value.mv_data = bytes;
    assert_int_equal(mdb_put(txn, meta, &key, &value, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
    config.folder = desk.folder;
    assert_int_equal(aw_lmdb_open(&desk.journal, &desk.table, &config, &why), AW_E_CORRUPT);
    assert_non_null(strstr(why.text, "anchor"));
    desk_close(&desk);
}

/* A kept record whose bytes changed is not taken for one. */
static void
test_kept_record_is_checked(void **state)
{
    struct aw_command     command = {.kind = AW_COMMAND_EPOCH, .in.epoch = {.epoch = 5}, .out = {.changed = true, .seq = 77}};
    struct aw_kept_record kept = {.index = 9, .now = 12345, .shard = 3}, got;
    uint8_t               record[AW_RECORD_BYTES_MAX], bytes[AW_KEPT_RECORD_BYTES_MAX];
    size_t                len;
    uint32_t              crc;

    (void)state;
    kept.record.bytes = aw_slice_of(record, aw_record_write(&command, record));
    memset(&kept.hash, 0xAB, sizeof(kept.hash));
    len = aw_kept_write(&kept, bytes);
    assert_int_equal(aw_kept_read(aw_slice_of(bytes, len), &got, NULL), AW_OK);
    assert_int_equal(got.index, 9);
    assert_int_equal(got.now, 12345);
    assert_int_equal(got.shard, 3);
    assert_int_equal(got.record.seq, 77);
    assert_memory_equal(&got.hash, &kept.hash, sizeof(got.hash));
    for (size_t i = 0; i < len; i++) {
        bytes[i] ^= 0x40;
        assert_int_equal(aw_kept_read(aw_slice_of(bytes, len), &got, NULL), AW_E_CORRUPT);
        bytes[i] ^= 0x40;
        assert_int_equal(aw_kept_read(aw_slice_of(bytes, i), &got, NULL), AW_E_CORRUPT);
    }
    bytes[16 + 5] = 0x10; /* its time is the year 2527, */
    crc = aw_crc32c(0, bytes + 8, len - 8);
    memcpy(bytes + 4, &crc, sizeof(crc)); /* by the right sum */
    assert_int_equal(aw_kept_read(aw_slice_of(bytes, len), &got, NULL), AW_E_CORRUPT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weeks),
        cmocka_unit_test(test_failed_flushes),
        cmocka_unit_test(test_stop_at_every_step),
        cmocka_unit_test(test_full_store_frees_itself),
        cmocka_unit_test(test_owed_reply_keeps_its_message),
        cmocka_unit_test(test_refused_reply_finds_its_thread),
        cmocka_unit_test(test_short_of_room_keeps_what_is_open),
        cmocka_unit_test(test_wish_is_kept),
        cmocka_unit_test(test_wrong_anchors),
        cmocka_unit_test(test_damaged_anchor),
        cmocka_unit_test(test_kept_record_is_checked),
    };

    if (!aw_hash_init())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
