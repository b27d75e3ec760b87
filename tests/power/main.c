/* main.c - power_states: starts the store from every state that a power cut could have left of a recorded run.
 *
 *   power_states --log LOG --acks FILE --reference FOLDER --work FOLDER [--seed N] [--random N] [--samples N --samples-to FOLDER]
 *                [--late-flushes]
 *
 * LOG is of preload/record.c; FILE says, a line each, from which place of the log on a record must be there: "place seq"; the
 * reference is the store after the run; the work folder is there and empty. In front of each flush the pending units are the most:
 * the states are all beginnings of them, all but one, one alone, those torn between sectors, and random choices. Samples are
 * written out, to be started by the server itself; what must be there is told with each. The key file beside the folder is part of
 * every state. --late-flushes is a disk that lies; then
 * there must be states that are not fine, or this program finds nothing.
 * Prints a line of JSON; the exit code is 1 when a state was not fine.
 */
#include "power/boot.h"
#include "power/disk.h"
#include "power/seen.h"

#include "base/assert.h"
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TOLD_MAX    20U /* of states that are not fine */
#define SAMPLES_MAX 4096U

enum shape { SHAPE_BEGINNING, SHAPE_ALL_BUT_ONE, SHAPE_ONE, SHAPE_TORN, SHAPE_RANDOM, SHAPES };
static const char *const shape_names[SHAPES] = {"beginning", "all_but_one", "one", "torn", "random"};

struct options {
    const char *log;
    const char *acks;
    const char *reference;
    const char *work;
    const char *samples_to;
    uint64_t    seed;
    uint32_t    random;
    uint32_t    samples;
    bool        late_flushes;
};

struct ack {
    uint64_t place;
    uint64_t seq;
};

struct run {
    struct options     options;
    const uint8_t     *log;
    uint64_t           log_bytes;
    struct ack        *acks;
    size_t             ack_count;
    struct boot       *boot; /* NULL: the states are only counted */
    struct disk       *disk;
    struct disk_choice choice;
    uint64_t           random;
    uint64_t           samples[SAMPLES_MAX]; /* numbers of states, ascending */
    uint32_t           sample_at;
    /* As of the entry of the log that we are at. */
    uint64_t acknowledged;
    bool     is_new; /* something was added since the last states */
    /* Counted. */
    uint64_t flushes;
    uint64_t states;
    uint64_t key_files; /* states with a key file half replaced */
    uint64_t by_shape[SHAPES];
    uint64_t by_verdict[BOOT_VERDICTS];
    uint32_t pending_max;
};

/* These stand in for libc, also for LMDB: what is put into the work folder is what the disk has, so that nothing is to be flushed
 * to a disk of ours or read anew from there, and a store that a start makes needs no real blocks. */
int
fdatasync(int fildes)
{
    (void)fildes;
    return 0;
}

int
fsync(int fd)
{
    (void)fd;
    return 0;
}

int
posix_fadvise(int fd, off_t offset, off_t len, int advise)
{
    (void)fd;
    (void)offset;
    (void)len;
    (void)advise;
    return 0;
}

int
fallocate(int fd, int mode, off_t offset, off_t len)
{
    struct stat status;

    AW_ASSERT(mode == 0);
    if (fstat(fd, &status) != 0)
        return -1;
    return status.st_size >= offset + len ? 0 : ftruncate(fd, offset + len);
}

static char state_name[160]; /* for the handler */

static void
on_crash(int number)
{
    static const char text[] = "\nthe start crashed on the state: ";

    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)!write(STDERR_FILENO, state_name, strlen(state_name));
    (void)!write(STDERR_FILENO, "\n", 1);
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

/* xorshift64*; Vigna 2016. */
static uint64_t
next_random(struct run *run)
{
    run->random ^= run->random >> 12;
    run->random ^= run->random << 25;
    run->random ^= run->random >> 27;
    return run->random * UINT64_C(2685821657736338717);
}

/* --- states ----------------------------------------------------------------------------------------------------------------- */

static void
write_sample(struct run *run)
{
    char path[4096];

    if (run->sample_at == run->options.samples || run->samples[run->sample_at] != run->states)
        return;
    (void)snprintf(path, sizeof(path), "%s/%u", run->options.samples_to, run->sample_at);
    if (mkdir(path, 0700) != 0) {
        (void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(2);
    }
    disk_copy_out(run->disk, &run->choice, path);
    (void)printf("{\"sample\":\"%s\",\"acknowledged\":%" PRIu64 ",\"state\":\"%s\"}\n", path, run->acknowledged, state_name);
    while (run->sample_at < run->options.samples && run->samples[run->sample_at] == run->states)
        run->sample_at++;
}

/* On what a disk that lies has left LMDB may end the process. */
static enum boot_verdict
try_in_child(struct run *run)
{
    struct aw_why why = {""};
    int           status;
    pid_t         pid = fork();

    AW_ASSERT(pid >= 0);
    if (pid == 0) {
        (void)signal(SIGSEGV, SIG_DFL);
        (void)signal(SIGBUS, SIG_DFL);
        (void)signal(SIGABRT, SIG_DFL);
        (void)close(STDERR_FILENO);
        _exit((int)boot_try(run->boot, run->options.work, run->acknowledged, &why));
    }
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) >= BOOT_VERDICTS)
        return BOOT_REFUSED;
    return (enum boot_verdict)WEXITSTATUS(status);
}

static void
try_state(struct run *run, enum shape shape, uint32_t which)
{
    struct aw_why     why = {""};
    enum boot_verdict verdict;

    if (run->boot == NULL) {
        run->states++;
        return;
    }
    (void)snprintf(state_name, sizeof(state_name), "number %" PRIu64 ", flush %" PRIu64 " of %u units, %s %u", run->states,
                   run->flushes, disk_pending(run->disk), shape_names[shape], which);
    disk_lay_out(run->disk, &run->choice);
    write_sample(run);
    verdict = run->options.late_flushes ? try_in_child(run) : boot_try(run->boot, run->options.work, run->acknowledged, &why);
    disk_undo(run->disk, &run->choice);
    run->states++;
    run->key_files += disk_is_beside_pending(run->disk);
    run->by_shape[shape]++;
    run->by_verdict[verdict]++;
    if (verdict != BOOT_FINE && !run->options.late_flushes && run->states - run->by_verdict[BOOT_FINE] <= TOLD_MAX)
        (void)fprintf(stderr, "state %s: %s\n", state_name, why.text);
}

static void
choose(struct run *run, uint32_t from, uint32_t to, bool taken)
{
    for (uint32_t i = from; i < to; i++) {
        run->choice.taken[i] = taken;
        run->choice.sectors[i] = 0xFF;
    }
}

/* A unit of more than one sector, with all before it: some of its sectors, from either end. */
static void
try_torn(struct run *run, uint32_t number, bool all)
{
    uint8_t  sectors = disk_sectors(disk_unit(run->disk, number));
    uint32_t first = 0;

    if (disk_unit(run->disk, number)->kind != RECORD_WRITE)
        return;
    choose(run, 0, number + 1, true);
    choose(run, number + 1, disk_pending(run->disk), false);
    for (uint32_t cut = 1; cut < 8; cut++) {
        uint8_t low = (uint8_t)(sectors & ((1U << cut) - 1));

        if (low == first || low == sectors || (!all && cut != 4))
            continue;
        first = low;
        run->choice.sectors[number] = low;
        try_state(run, SHAPE_TORN, number);
        run->choice.sectors[number] = (uint8_t)(sectors & ~low);
        try_state(run, SHAPE_TORN, number);
    }
    run->choice.sectors[number] = 0xFF;
}

static void
try_random(struct run *run, uint32_t count)
{
    for (uint32_t round = 0; round < run->options.random; round++) {
        for (uint32_t i = 0; i < count; i++) {
            uint64_t random = next_random(run);

            run->choice.taken[i] = (random >> 32 & 1) != 0;
            run->choice.sectors[i] = (random >> 33 & 3) == 0 ? (uint8_t)(random >> 40) : 0xFF;
        }
        try_state(run, SHAPE_RANDOM, round);
    }
}

static void
note_pending(struct run *run)
{
    seen_flush(boot_seen(run->boot));
    for (uint32_t i = 0; i < disk_pending(run->disk); i++) {
        const struct disk_unit *unit = disk_unit(run->disk, i);

        if (unit->kind == RECORD_WRITE)
            seen_pending(boot_seen(run->boot), unit->at / DISK_PAGE_BYTES);
    }
}

static void
try_states(struct run *run)
{
    uint32_t count = disk_pending(run->disk);

    run->is_new = false;
    if (run->boot != NULL)
        note_pending(run);
    if (count > run->pending_max)
        run->pending_max = count;
    for (uint32_t end = 0; end <= count; end++) {
        choose(run, 0, end, true);
        choose(run, end, count, false);
        try_state(run, SHAPE_BEGINNING, end);
    }
    for (uint32_t one = 0; count > 1 && one + 1 < count; one++) { /* all but the last is a beginning */
        choose(run, 0, count, true);
        run->choice.taken[one] = false;
        try_state(run, SHAPE_ALL_BUT_ONE, one);
    }
    for (uint32_t one = 1; count > 2 && one < count; one++) { /* the first alone likewise */
        choose(run, 0, count, false);
        run->choice.taken[one] = true;
        try_state(run, SHAPE_ONE, one);
    }
    for (uint32_t one = 0; one < count; one++)
        try_torn(run, one, one + 1 == count);
    if (count > 1)
        try_random(run, count);
}

/* Goes through the log, and stops in front of each entry that makes something certain. */
static void
walk(struct run *run)
{
    uint64_t at = 0;
    size_t   ack = 0;

    run->disk = disk_new(run->options.work, run->options.late_flushes);
    run->states = run->flushes = run->acknowledged = 0;
    run->random = run->options.seed;
    while (at + sizeof(struct record_head) <= run->log_bytes) {
        struct record_head head;
        const uint8_t     *bytes = run->log + at + sizeof(head);

        memcpy(&head, run->log + at, sizeof(head));
        if (at + sizeof(head) + head.bytes > run->log_bytes)
            break; /* cut off: the server was killed while it wrote it */
        if (disk_is_flush(&head) && run->is_new) {
            try_states(run);
            run->flushes++;
        }
        for (; ack < run->ack_count && run->acks[ack].place <= at; ack++) {
            if (run->acks[ack].seq > run->acknowledged)
                run->acknowledged = run->acks[ack].seq;
        }
        run->is_new = run->is_new || head.kind == RECORD_WRITE || head.kind == RECORD_TRUNCATE || head.kind == RECORD_ALLOCATE ||
                      head.kind == RECORD_CREATE || head.kind == RECORD_RENAME || head.kind == RECORD_REMOVE ||
                      head.kind == RECORD_FOLDER;
        disk_take(run->disk, at, &head, bytes);
        at += sizeof(head) + head.bytes;
    }
    try_states(run);
}

/* --- what it is given ------------------------------------------------------------------------------------------------------- */

static const struct option long_options[] = {
    {"log", required_argument, NULL, 'l'},       {"acks", required_argument, NULL, 'a'},
    {"reference", required_argument, NULL, 'f'}, {"work", required_argument, NULL, 'w'},
    {"seed", required_argument, NULL, 's'},      {"random", required_argument, NULL, 'r'},
    {"samples", required_argument, NULL, 'n'},   {"samples-to", required_argument, NULL, 'o'},
    {"late-flushes", no_argument, NULL, 'L'},    {NULL, 0, NULL, 0},
};

static bool
parse_options(int argc, char **argv, struct options *options)
{
    int option;

    while ((option = getopt_long(argc, argv, "", long_options, NULL)) >= 0) {
        switch (option) {
        case 'l':
            options->log = optarg;
            break;
        case 'a':
            options->acks = optarg;
            break;
        case 'f':
            options->reference = optarg;
            break;
        case 'w':
            options->work = optarg;
            break;
        case 's':
            options->seed = strtoull(optarg, NULL, 10);
            break;
        case 'r':
            options->random = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'n':
            options->samples = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'o':
            options->samples_to = optarg;
            break;
        case 'L':
            options->late_flushes = true;
            break;
        default:
            return false;
        }
    }
    return optind == argc && options->log != NULL && options->acks != NULL && options->reference != NULL &&
           options->work != NULL && options->seed != 0 && options->samples <= SAMPLES_MAX &&
           (options->samples == 0 || options->samples_to != NULL);
}

static bool
read_log(struct run *run)
{
    struct stat status;
    int         fd = open(run->options.log, O_RDONLY | O_CLOEXEC);
    void       *bytes = MAP_FAILED;

    if (fd >= 0 && fstat(fd, &status) == 0 && status.st_size > 0)
        bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (fd >= 0)
        (void)close(fd);
    if (bytes == MAP_FAILED)
        return false;
    run->log = bytes;
    run->log_bytes = (uint64_t)status.st_size;
    return true;
}

static bool
add_ack(struct run *run, struct ack ack)
{
    void *more = realloc(run->acks, (run->ack_count + 1) * sizeof(*run->acks));

    if (more == NULL)
        return false;
    run->acks = more;
    AW_ASSERT(run->ack_count == 0 || run->acks[run->ack_count - 1].place <= ack.place);
    run->acks[run->ack_count++] = ack;
    return true;
}

static bool
read_acks(struct run *run)
{
    FILE *file = fopen(run->options.acks, "re");
    char  line[64];
    bool  is_read = file != NULL;

    while (is_read && fgets(line, sizeof(line), file) != NULL) {
        char      *end;
        struct ack ack = {.place = strtoull(line, &end, 10)};

        ack.seq = strtoull(end, &end, 10);
        is_read = *end == '\n' && ack.seq != 0 && add_ack(run, ack);
    }
    if (file != NULL)
        (void)fclose(file);
    return is_read && run->ack_count > 0;
}

static int
compare_numbers(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Once only counting, so that samples are drawn from all states alike. */
static void
draw_samples(struct run *run)
{
    walk(run);
    disk_free(&run->disk);
    run->random = run->options.seed + 1;
    for (uint32_t i = 0; i < run->options.samples; i++)
        run->samples[i] = next_random(run) % run->states;
    qsort(run->samples, run->options.samples, sizeof(run->samples[0]), compare_numbers);
}

static int
report(struct run *run)
{
    char difference[256];
    bool is_fine = run->by_verdict[BOOT_FINE] == run->states;

    if (!disk_is_like(run->disk, run->options.reference, difference)) {
        (void)fprintf(stderr, "%s: the recording is not whole: with all of it the file is another one\n", difference);
        return 2;
    }
    (void)printf("{\"batches\":%" PRIu64 ",\"flushes\":%" PRIu64 ",\"states\":%" PRIu64 ",\"whole\":%" PRIu64
                 ",\"key_files\":%" PRIu64,
                 boot_batches(run->boot), run->flushes, run->states, boot_whole(run->boot), run->key_files);
    for (uint32_t i = 0; i < SHAPES; i++)
        (void)printf(",\"%s\":%" PRIu64, shape_names[i], run->by_shape[i]);
    (void)printf(",\"pending_max\":%u,\"acknowledged\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"lost\":%" PRIu64
                 ",\"other\":%" PRIu64 "}\n",
                 run->pending_max, run->acknowledged, run->by_verdict[BOOT_REFUSED], run->by_verdict[BOOT_LOST],
                 run->by_verdict[BOOT_OTHER]);
    return is_fine ? 0 : 1;
}

int
main(int argc, char **argv)
{
    static struct run run;
    static bool       taken[1U << 16];
    static uint8_t    sectors[1U << 16];
    struct aw_why     why = {""};
    int               code;

    if (!parse_options(argc, argv, &run.options)) {
        (void)fprintf(stderr, "usage: see the head of tests/power/main.c\n");
        return 2;
    }
    run.choice = (struct disk_choice){taken, sectors};
    if (!aw_hash_init() || !read_log(&run) || !read_acks(&run)) {
        (void)fprintf(stderr, "the log or the acknowledgements cannot be read\n");
        return 2;
    }
    draw_samples(&run);
    run.boot = boot_new(run.options.reference, &why);
    if (run.boot == NULL) {
        (void)fprintf(stderr, "%s: %s\n", run.options.reference, why.text);
        return 2;
    }
    (void)signal(SIGSEGV, on_crash);
    (void)signal(SIGBUS, on_crash);
    (void)signal(SIGABRT, on_crash);
    walk(&run);
    code = report(&run);
    disk_free(&run.disk);
    boot_free(&run.boot);
    free(run.acks);
    return code;
}
