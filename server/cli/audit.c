/* audit.c - `aswolk audit`: whether each pull was given the most urgent ticket that it could have had, from a data folder, offline.
 *
 * Works beside a running server as `aswolk journal` does: it only reads, in snapshots of a few batches each, and judges what was
 * durable when it got there. It replays the journal into a state of its own, from the first record on, or from the last checkpoint
 * when older batches were trimmed; every check of a start is done on the way.
 */
#include "commit/audit.h"
#include "cli/folder.h"
#include "commit/recover.h"

#include <inttypes.h>
#include <stdio.h>

struct audit_options {
    uint64_t show;
};
static const struct audit_options audit_defaults = {.show = 10};

static const struct aw_cli_option audit_options[] = {
    {.name = "show",
     .type = AW_CLI_NUMBER,
     .value = "N",
     .offset = offsetof(struct audit_options, show),
     .max = AW_AUDIT_FINDINGS_MAX,
     .about = "of the leases that passed something over, the N worst; default 10"},
};

struct walk {
    struct aw_cli         *cli;
    struct aw_cli_folder   folder;
    struct aw_state       *state;
    struct aw_audit       *audit;
    struct aw_journal_head head;
    uint64_t               first_seq; /* the first record that was looked at */
};

static void
on_applied(void *user, const struct aw_batch_header *header, const struct aw_command *command)
{
    struct walk *walk = user;

    aw_audit_note(walk->audit, header, command, walk->state);
}

/* --- the walk ------------------------------------------------------------------------------------------------------------- */

static enum aw_err
begin_walk(struct walk *walk)
{
    walk->head.next_seq = 1;
    walk->first_seq = 1;
    if (aw_audit_new(&walk->audit) != AW_OK)
        return aw_why(&walk->folder.why, AW_E_MEMORY, "out of memory");
    return aw_state_new_largest(&walk->state, aw_journal_identity(walk->folder.journal)->shard, &walk->folder.why);
}

static void
close_walk(struct walk *walk)
{
    aw_audit_free(&walk->audit);
    aw_state_free(&walk->state);
    aw_cli_folder_close(&walk->folder);
}

/* Of a trimmed journal the checkpoint holds what the records that are gone had made. */
static enum aw_err
find_start(struct walk *walk)
{
    struct aw_cli_folder    *folder = &walk->folder;
    struct aw_journal_anchor anchor = {0};
    struct aw_recovery       recovery;
    enum aw_err              err = aw_cli_folder_anchor(folder, &anchor);

    if (err != AW_OK || anchor.index == 0)
        return err;
    err = aw_recover_checkpoint(walk->state, folder->journal, folder->table, NULL, &recovery, &folder->why);
    if (err != AW_OK)
        return err;
    walk->head = recovery.head;
    walk->first_seq = recovery.head.next_seq;
    aw_audit_begin(walk->audit, walk->state);
    return AW_OK;
}

static enum aw_err
on_batch(void *user, uint64_t first_seq, struct aw_slice batch, bool *ret_end)
{
    struct walk                 *walk = user;
    struct aw_cli_folder        *folder = &walk->folder;
    const struct aw_replay_watch watch = {.applied = on_applied, .user = walk};
    struct aw_journal_anchor     anchor;

    (void)ret_end; /* all of it is judged */
    if (first_seq != walk->head.next_seq && aw_journal_read_anchor(folder->reader, &anchor) == AW_OK &&
        anchor.next_seq > walk->head.next_seq)
        return aw_why(&folder->why, AW_E_AGAIN, "the server has trimmed what was to be read next; run the audit again");
    return aw_replay_batch(walk->state, batch, &walk->head, &folder->arena, &watch, &folder->why);
}

static enum aw_err
walk_all(struct walk *walk, struct aw_audit_result *ret_result)
{
    const struct aw_cli_walk steps = {.user = walk, .next_seq = &walk->head.next_seq, .on_batch = on_batch};
    enum aw_err              err = find_start(walk);

    if (err == AW_OK)
        err = aw_cli_folder_walk(&walk->folder, &steps);
    if (err == AW_OK && aw_audit_judge(walk->audit, ret_result) != AW_OK)
        err = aw_why(&walk->folder.why, AW_E_MEMORY, "out of memory");
    return err;
}

/* --- what is told --------------------------------------------------------------------------------------------------------- */

static struct aw_slice
lane_name(const struct walk *walk, uint32_t lane)
{
    struct aw_slice       values[4 * AW_LANE_MATCH_MAX];
    struct aw_lane_answer answer;

    aw_state_lane(walk->state, lane, values, &answer);
    return answer.name;
}

static json_t *
spread_json(const struct aw_audit_spread *spread)
{
    return json_pack("{s:I,s:I,s:I,s:I}", "count", (json_int_t)spread->count, "median", (json_int_t)spread->median, "p99",
                     (json_int_t)spread->p99, "max", (json_int_t)spread->max);
}

static json_t *
finding_json(const struct walk *walk, const struct aw_audit_finding *finding)
{
    struct aw_slice lane = lane_name(walk, finding->passed_lane);
    char            at[AW_TIME_TEXT_BYTES], taken[AW_ID_TEXT_BYTES], passed[AW_ID_TEXT_BYTES];

    aw_time_format(finding->at, at);
    aw_ticket_id_format(finding->taken, taken);
    aw_ticket_id_format(finding->passed, passed);
    return json_pack("{s:I,s:s,s:s%,s:s,s:s,s:s%,s:s,s:I}", "seq", (json_int_t)finding->seq, "at", at, "agent",
                     finding->agent.ptr, finding->agent.len, "taken", taken, "passed", passed, "lane", lane.ptr, lane.len,
                     "class", aw_class_name(finding->passed_class), "passed_ms", (json_int_t)finding->passed_ms);
}

static void
print_json(const struct walk *walk, const struct aw_audit_result *result, uint32_t show)
{
    json_t *list = json_array();
    json_t *object = json_pack("{s:b,s:I,s:I,s:I,s:I,s:o,s:o,s:o,s:I,s:o}", "ok", result->passed_ms.count == 0, "first_record",
                               (json_int_t)walk->first_seq, "last_record", (json_int_t)(walk->head.next_seq - 1), "leases",
                               (json_int_t)result->leases, "judged", (json_int_t)result->judged, "held_us",
                               spread_json(&result->held_us), "late_ms", spread_json(&result->late_ms), "passed_ms",
                               spread_json(&result->passed_ms), "beyond", (json_int_t)result->beyond, "findings", list);

    for (uint32_t i = 0; i < show; i++)
        (void)json_array_append_new(list, finding_json(walk, &result->findings[i]));
    aw_cli_print_json(object);
    json_decref(object);
}

static void
print_finding(const struct walk *walk, const struct aw_audit_finding *finding)
{
    struct aw_slice lane = lane_name(walk, finding->passed_lane);
    char            at[AW_TIME_TEXT_BYTES], taken[AW_ID_TEXT_BYTES], passed[AW_ID_TEXT_BYTES];

    aw_time_format(finding->at, at);
    aw_ticket_id_format(finding->taken, taken);
    aw_ticket_id_format(finding->passed, passed);
    (void)printf("  record %" PRIu64 " at %s: %.*s got %s and not %s (%s, %.*s), which waited %" PRIu64 " ms more\n",
                 finding->seq, at, (int)finding->agent.len, finding->agent.ptr, taken, passed,
                 aw_class_name(finding->passed_class), (int)lane.len, lane.ptr, finding->passed_ms);
}

static void
print_text(const struct walk *walk, const struct aw_audit_result *result, uint32_t show)
{
    (void)printf("records %" PRIu64 " to %" PRIu64 "%s: %" PRIu64 " leases, %" PRIu64 " of them chosen by a pull\n",
                 walk->first_seq, walk->head.next_seq - 1, walk->first_seq > 1 ? ", older ones were trimmed" : "", result->leases,
                 result->judged);
    if (result->judged == 0)
        return;
    (void)printf("  from choice to journal: median %.3f ms, p99 %.3f ms, longest %.3f ms\n", (double)result->held_us.median / 1e3,
                 (double)result->held_us.p99 / 1e3, (double)result->held_us.max / 1e3);
    (void)printf("  something more urgent came meanwhile (allowed): %" PRIu64 " leases, by at most %" PRIu64 " ms\n",
                 result->late_ms.count, result->late_ms.max);
    if (result->passed_ms.count == 0) {
        (void)printf("  passed over: nothing\n");
        return;
    }
    (void)printf("  passed over something: %" PRIu64 " leases, for a median of %" PRIu64 " ms, p99 %" PRIu64
                 " ms, longest %" PRIu64 " ms;\n  %" PRIu64 " of them for longer than the choice took to the journal\n",
                 result->passed_ms.count, result->passed_ms.median, result->passed_ms.p99, result->passed_ms.max, result->beyond);
    for (uint32_t i = 0; i < show; i++)
        print_finding(walk, &result->findings[i]);
}

static int
report(const struct walk *walk, const struct aw_audit_result *result)
{
    const struct audit_options *options = walk->cli->options;
    uint32_t                    show = result->finding_count < options->show ? result->finding_count : (uint32_t)options->show;

    if (walk->cli->common.json)
        print_json(walk, result, show);
    else
        print_text(walk, result, show);
    return result->passed_ms.count == 0 ? AW_CLI_OK : AW_CLI_FAILED;
}

static int
fail(const struct walk *walk)
{
    aw_cli_error(walk->cli, "behind record %" PRIu64 ": %s", walk->head.next_seq - 1, walk->folder.why.text);
    return AW_CLI_FAILED;
}

static int
run(struct aw_cli *cli, int argc, char **argv)
{
    struct walk            walk = {.cli = cli};
    struct aw_audit_result result;
    enum aw_err            err;
    int                    code;

    if (argc != 1) {
        aw_cli_error(cli, "takes one data folder, that of aswolkd --data");
        return AW_CLI_USAGE;
    }
    code = aw_cli_folder_open(&walk.folder, cli, argv[0]);
    if (code == AW_CLI_OK) {
        err = begin_walk(&walk);
        if (err == AW_OK)
            err = walk_all(&walk, &result);
        code = err == AW_OK ? report(&walk, &result) : fail(&walk);
    }
    close_walk(&walk);
    return code;
}

const struct aw_cli_command aw_cli_audit = {
    .name = "audit",
    .arguments = "DIR",
    .summary = "judge a data folder offline: was the right ticket next, at every lease",
    .about =
        "Replays the journal in the data folder DIR and judges every lease by the server's own rule: of what lay in the lanes "
        "of\n"
        "its pull when that looked, was there a more urgent ticket, and how long did that one wait on? A server may be running\n"
        "on the folder; nothing is written. Of a trimmed journal it judges what came after the last checkpoint.\n"
        "\n"
        "Allowed is what the pull could not know: a ticket published after it had looked. So two times are told: how long the\n"
        "pulls held what they had chosen until their leases had a place in the journal, and, for leases before which something\n"
        "more urgent came in that time, by how much. In doubt, as when a ticket may have been in another hand, nothing was\n"
        "passed over. Exit code 1: something was.",
    .options = audit_options,
    .option_count = AW_ARRAY_LEN(audit_options),
    .defaults = &audit_defaults,
    .defaults_bytes = sizeof(audit_defaults),
    .offline = true,
    .run = run,
};
