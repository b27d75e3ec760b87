/* run_eraser_damage_test.c - what the eraser makes of a damaged journal: no erasure is forgotten, and none waits for another.
 *
 * A committer on a real store, whose journal an eraser follows by hand. Proves: what lies elsewhere is erased all the same, while
 * the key file does not say that it is done; whether the texts or the record that asks are what can't be read; and a start behind
 * the repair does the rest.
 */
#include "run/eraser.h"
#include "support/commit_rig.h"

#include <lmdb.h>

struct office {
    struct desk        desk;
    bool               is_committing;
    struct aw_metrics *metrics;
    struct aw_eraser  *eraser;
};

static const struct aw_hash128 kim = {7, 8};
static const struct aw_hash128 lee = {9, 10};

static void
start_eraser(struct office *office)
{
    struct aw_eraser_config config = {.journal = office->desk.journal, .keyring = aw_lmdb_keyring(office->desk.journal)};

    office->metrics = aw_metrics_new(2);
    assert_non_null(office->metrics);
    config.metrics = office->metrics;
    config.committer = aw_metrics_block(office->metrics, 0);
    config.block = aw_metrics_block(office->metrics, 1);
    assert_int_equal(aw_eraser_new(&office->eraser, &config, NULL), AW_OK);
}

static void
stop_eraser(struct office *office)
{
    aw_eraser_free(&office->eraser);
    aw_metrics_free(&office->metrics);
}

static void
open_office(struct office *office)
{
    desk_open_lmdb(&office->desk, 64 * KIT_MIB);
    assert_int_equal(desk_start(&office->desk), AW_OK);
    office->is_committing = true;
    start_eraser(office);
}

static void
close_office(struct office *office)
{
    stop_eraser(office);
    if (office->is_committing)
        desk_stop(&office->desk);
    aw_journal_close(&office->desk.journal);
    kit_remove(office->desk.scratch);
}

static struct aw_outcome_of
carry_out(struct office *office, struct one *one)
{
    desk_carry_out(&office->desk, &one->submission);
    assert_int_equal(one->submission.err, AW_OK);
    assert_int_equal(one->entry.command.out.err, AW_OK);
    return one->entry.command.out;
}

static struct aw_outcome_of
post(struct office *office, struct aw_hash128 customer)
{
    struct one            one;
    struct aw_in_message *in = one_make_post(&one, customer.low, ++office->desk.sources);

    in->contact = customer;
    (void)snprintf(one.body, sizeof(one.body), "text of %llu", (unsigned long long)office->desk.sources);
    in->body = aw_slice_of(one.body, strlen(one.body));
    assert_true(aw_sha256(&in->body, 1, &in->body_hash));
    return carry_out(office, &one);
}

/* Tells the eraser too. */
static void
withdraw(struct office *office, const struct aw_outcome_of *posted)
{
    struct one one;

    one_make(&one, AW_COMMAND_WITHDRAW)->entry.command.in.withdraw =
        (struct aw_in_withdraw){.message = {.seq = posted->seq}, .ticket = posted->u.message.ticket, .by = AW_SLICE("ann")};
    aw_eraser_tell(office->eraser, carry_out(office, &one).seq);
}

static void
erase(struct office *office, struct aw_hash128 customer)
{
    struct one one;

    one_make(&one, AW_COMMAND_ERASE)->entry.command.in.erase =
        (struct aw_in_erase){.customer = customer, .through = aw_state_seq(office->desk.state), .by = AW_SLICE("ann")};
    aw_eraser_tell(office->eraser, carry_out(office, &one).seq);
}

/* Until it has nothing more to do than to try again. */
static void
follow(struct office *office)
{
    for (unsigned i = 0; aw_eraser_step(office->eraser) < AW_NS_PER_S / 2 && i < 100; i++)
        ;
}

static bool
is_there(struct office *office, const struct aw_outcome_of *posted)
{
    struct aw_journal_reader *reader = aw_journal_reader_new(office->desk.journal);
    struct aw_slice           body;
    enum aw_err               err;

    assert_int_equal(aw_journal_read_begin(reader), AW_OK);
    err = aw_journal_read_body(reader, posted->seq, &body);
    aw_journal_read_end(reader);
    aw_journal_reader_free(&reader);
    assert_true(err == AW_OK || err == AW_E_NOT_FOUND);
    return err == AW_OK;
}

static uint64_t
metric(const struct office *office, enum aw_metric which)
{
    return aw_metric_sum(office->metrics, which);
}

/* --- damage ------------------------------------------------------------------------------------------------------------------- */

/* A bit of what is stored of the batch at `seq` turns, in a store that nobody has open. */
static void
flip(const struct desk *desk, uint64_t seq)
{
    uint64_t key_value = seq << 10; /* its first piece */
    MDB_val  key = {sizeof(key_value), &key_value}, value;
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi  tree;
    char     bytes[2048];

    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 16), 0);
    assert_int_equal(mdb_env_set_mapsize(env, 1 << 26), 0);
    assert_int_equal(mdb_env_open(env, desk->folder, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, "journal", 0, &tree), 0);
    assert_int_equal(mdb_get(txn, tree, &key, &value), 0);
    assert_in_range(value.mv_size, 64, sizeof(bytes));
    memcpy(bytes, value.mv_data, value.mv_size);
    bytes[60] ^= 1;
    value.mv_data = bytes;
    assert_int_equal(mdb_put(txn, tree, &key, &value, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

/* The store is closed, its batch at `seq` damaged or repaired, and an eraser goes on with it. No committer does: its start would
 * refuse the damage, which in life lies before a checkpoint. */
static void
turn_bit(struct office *office, uint64_t seq)
{
    struct desk *desk = &office->desk;
    uint64_t     asked = metric(office, AW_METRIC_ERASE_ASKED);

    stop_eraser(office);
    if (office->is_committing)
        desk_stop(desk);
    office->is_committing = false;
    aw_journal_close(&desk->journal);
    flip(desk, seq);
    desk_open_folder(desk);
    start_eraser(office);
    aw_eraser_tell(office->eraser, asked);
}

static void
test_damage(void **state)
{
    struct office        office;
    struct aw_outcome_of of_lee, lost, of_kim, withdrawn;
    uint64_t             through;

    (void)state;
    open_office(&office);
    of_kim = post(&office, kim);
    lost = post(&office, kim);
    of_lee = post(&office, lee);
    withdrawn = post(&office, lee);
    through = aw_keyring_erased_through(aw_lmdb_keyring(office.desk.journal));
    erase(&office, kim);
    withdraw(&office, &withdrawn);
    turn_bit(&office, lost.seq);
    follow(&office);
    assert_false(is_there(&office, &withdrawn));
    assert_false(is_there(&office, &of_kim));
    assert_true(is_there(&office, &lost)); /* nobody can know that it is his */
    assert_true(is_there(&office, &of_lee));
    assert_int_equal(metric(&office, AW_METRIC_ERASURES_STUCK), 1);
    assert_true(metric(&office, AW_METRIC_ERASED_THROUGH) < metric(&office, AW_METRIC_ERASE_ASKED));
    assert_int_equal(aw_keyring_erased_through(aw_lmdb_keyring(office.desk.journal)), through);
    turn_bit(&office, lost.seq);
    follow(&office);
    assert_false(is_there(&office, &lost));
    assert_true(is_there(&office, &of_lee));
    assert_int_equal(metric(&office, AW_METRIC_ERASURES_STUCK), 0);
    assert_int_equal(metric(&office, AW_METRIC_ERASED_THROUGH), metric(&office, AW_METRIC_ERASE_ASKED));
    close_office(&office);
}

/* It can't be known what it asks for. */
static void
test_damaged_wish(void **state)
{
    struct office        office;
    struct aw_outcome_of first, second;
    uint64_t             wish;

    (void)state;
    open_office(&office);
    first = post(&office, kim);
    second = post(&office, lee);
    withdraw(&office, &first);
    wish = metric(&office, AW_METRIC_ERASE_ASKED);
    withdraw(&office, &second);
    turn_bit(&office, wish);
    follow(&office);
    assert_true(is_there(&office, &first));
    assert_false(is_there(&office, &second));
    assert_int_equal(metric(&office, AW_METRIC_ERASURES_STUCK), 1);
    turn_bit(&office, wish);
    follow(&office);
    assert_false(is_there(&office, &first));
    assert_int_equal(metric(&office, AW_METRIC_ERASURES_STUCK), 0);
    close_office(&office);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_damaged_wish),
    };

    assert_true(aw_hash_init());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
