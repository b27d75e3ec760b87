/* main.c - runs histories, each by its seed, and tells how often each fault point was reached. See README.md. */
#include "base/hash.h"
#include "base/log.h"
#include "sim/world.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define JOBS_MAX 64U
/* A history takes some milliseconds: one that takes so long goes round in a circle. */
#define HANGS_S          120U
#define EXIT_RULE_BROKEN 3

/* Of a process that runs histories; read by the one that started it. */
struct worker {
    pid_t    pid;
    uint64_t seed; /* the one that it is at */
    uint64_t end;
    uint64_t histories, steps, crashes, records;
    uint64_t reached[SIM_POINTS];
};

struct options {
    uint64_t first;
    uint64_t count;
    uint64_t seconds; /* 0: by count */
    uint32_t jobs;
    bool     one;
    bool     goes_on;   /* behind a broken rule: they are counted */
    bool     must_find; /* one at least, and then no more */
    bool     is_quiet;
};

static struct world  world;
static uint64_t      seed_at;
static struct worker alone;

/* Seeds that found something once: each is a test by this name. */
static const struct {
    uint64_t    seed;
    const char *name;
} regressions[] = {
#define SEED(number, name) {number, name},
#include "sim/seeds.def"
#undef SEED
    {0, NULL},
};

void
sim_broken(const char *format, ...)
{
    va_list args;

    (void)fflush(stdout);
    (void)fprintf(stderr, "seed %" PRIu64 ": ", seed_at);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    (void)fflush(stderr);
    sim_keys_leave(getpid());
    _exit(EXIT_RULE_BROKEN);
}

static void
run_one(struct worker *worker, uint64_t seed)
{
    seed_at = seed;
    (void)alarm(HANGS_S);
    world_run(&world, seed, worker->reached);
    worker->histories++;
    worker->steps += world.steps;
    worker->crashes += world.crashes;
    worker->records += world.records;
}

static void
run_all(struct worker *worker)
{
    for (; worker->seed < worker->end; worker->seed++)
        run_one(worker, worker->seed);
    sim_keys_leave(getpid());
    _exit(0);
}

static void
spawn(struct worker *worker, const struct options *options)
{
    pid_t pid;

    (void)fflush(stdout);
    pid = fork();
    if (pid < 0) {
        perror("fork");
        exit(2);
    }
    if (pid == 0) {
        if (options->is_quiet && freopen("/dev/null", "w", stderr) == NULL)
            _exit(2);
        run_all(worker);
    }
    worker->pid = pid;
}

static struct worker *
worker_of(struct worker *workers, uint32_t jobs, pid_t pid)
{
    for (uint32_t i = 0; i < jobs; i++) {
        if (workers[i].pid == pid)
            return &workers[i];
    }
    return NULL;
}

static void
stop_all(struct worker *workers, uint32_t jobs)
{
    for (uint32_t i = 0; i < jobs; i++) {
        if (workers[i].pid > 0)
            (void)kill(workers[i].pid, SIGKILL);
    }
}

static bool
found_something(int status)
{
    return (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_RULE_BROKEN) || (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* Behind a broken rule the next seed begins in a fresh process. Returns how many broke one. */
static uint64_t
run_jobs(struct worker *workers, const struct options *options)
{
    uint32_t running = options->jobs;
    uint64_t broken = 0;
    bool     is_stopped = false; /* whoever ends now was killed by us, or is through */

    for (uint32_t i = 0; i < options->jobs; i++)
        spawn(&workers[i], options);
    while (running > 0) {
        int            status = 0;
        pid_t          pid = waitpid(-1, &status, 0);
        struct worker *worker = worker_of(workers, options->jobs, pid);

        if (worker == NULL)
            continue;
        sim_keys_leave(pid);
        worker->pid = 0;
        running--;
        if (is_stopped || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
            continue;
        /* A bug that was put in is found by a rule, or by an assertion of the server; not by a worker that hangs or is killed. */
        if (options->must_find && !found_something(status)) {
            (void)fprintf(stderr, "seed %" PRIu64 ": ended by status %d\n", worker->seed, status);
            stop_all(workers, options->jobs);
            exit(2);
        }
        broken++;
        if (WIFSIGNALED(status) && !options->is_quiet)
            (void)fprintf(stderr, "seed %" PRIu64 ": ended by signal %d\n", worker->seed, WTERMSIG(status));
        worker->histories++;
        worker->seed++;
        if (!options->goes_on) {
            stop_all(workers, options->jobs);
            is_stopped = true;
            continue;
        }
        spawn(worker, options);
        running++;
    }
    return broken;
}

static void
print_table(const uint64_t reached[SIM_POINTS])
{
    unsigned met = 0, all = 0;
    char     name[64];

    printf("\n%-44s %12s\n", "fault point", "reached");
    for (unsigned point = 0; point < SIM_POINTS; point++) {
        if (!sim_point_name(point, name))
            continue;
        all++;
        met += reached[point] > 0;
        printf("%-44s %12" PRIu64 "\n", name, reached[point]);
    }
    printf("%u of %u fault points reached\n", met, all);
}

static void
print_sum(const struct worker *workers, const struct options *options, uint64_t broken, double took_s)
{
    struct worker sum = {.seed = 0};

    for (uint32_t i = 0; i < options->jobs; i++) {
        sum.histories += workers[i].histories;
        sum.steps += workers[i].steps;
        sum.crashes += workers[i].crashes;
        sum.records += workers[i].records;
        for (unsigned point = 0; point < SIM_POINTS; point++)
            sum.reached[point] += workers[i].reached[point];
    }
    if (!options->is_quiet)
        print_table(sum.reached);
    printf("%" PRIu64 " histories from seed %" PRIu64 ", %" PRIu64 " steps of the committer, %" PRIu64 " records, %" PRIu64
           " starts again, %.1f s: %" PRIu64 " break a rule\n",
           sum.histories, options->first, sum.steps, sum.records, sum.crashes, took_s, broken);
}

static double
now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int
campaign(const struct options *options)
{
    struct worker *workers =
        mmap(NULL, options->jobs * sizeof(*workers), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    double   began = now_s();
    uint64_t broken;

    if (workers == MAP_FAILED) {
        perror("mmap");
        return 2;
    }
    for (uint32_t i = 0; i < options->jobs; i++) {
        workers[i].seed = options->first + options->count * i / options->jobs;
        workers[i].end = options->first + options->count * (i + 1) / options->jobs;
    }
    broken = run_jobs(workers, options);
    print_sum(workers, options, broken, now_s() - began);
    if (options->must_find)
        return broken > 0 ? 0 : 1;
    return broken > 0 && !options->goes_on ? 1 : 0;
}

static void
run_regressions(void)
{
    for (size_t i = 0; regressions[i].name != NULL; i++) {
        printf("seed %" PRIu64 ": %s\n", regressions[i].seed, regressions[i].name);
        (void)fflush(stdout);
        run_one(&alone, regressions[i].seed);
    }
    sim_keys_leave(getpid());
}

static _Noreturn void
usage(int status)
{
    (void)fprintf(status == 0 ? stdout : stderr,
                  "sim [--first SEED] [--count N] [--jobs N]     N histories from SEED on, after those of the seeds with a name\n"
                  "sim --seed SEED [--trace]                     one, told step by step\n"
                  "    --go-on    behind a history that breaks a rule: counts them\n"
                  "    --find     passes when one of them breaks a rule; for programs with a bug that was put in\n"
                  "    --quiet    only the last line\n");
    exit(status);
}

static struct options
read_options(int argc, char **argv)
{
    static const struct option names[] = {{"first", required_argument, NULL, 'f'}, {"count", required_argument, NULL, 'c'},
                                          {"jobs", required_argument, NULL, 'j'},  {"seed", required_argument, NULL, 's'},
                                          {"trace", no_argument, NULL, 't'},       {"go-on", no_argument, NULL, 'g'},
                                          {"find", no_argument, NULL, 'F'},        {"quiet", no_argument, NULL, 'q'},
                                          {"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0}};
    struct options             options = {.first = 1, .count = 1000, .jobs = 1};
    int                        option;

    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (option) {
        case 'f':
            options.first = strtoull(optarg, NULL, 0);
            break;
        case 'c':
            options.count = strtoull(optarg, NULL, 0);
            break;
        case 'j':
            options.jobs = (uint32_t)strtoul(optarg, NULL, 0);
            break;
        case 's':
            options.first = strtoull(optarg, NULL, 0);
            options.one = true;
            break;
        case 't':
            world_is_traced = true;
            break;
        case 'g':
            options.goes_on = true;
            break;
        case 'F':
            options.must_find = true;
            break;
        case 'q':
            options.is_quiet = true;
            break;
        case 'h':
            usage(0);
        default:
            usage(2);
        }
    }
    if (optind != argc || options.jobs == 0 || options.jobs > JOBS_MAX)
        usage(2);
    return options;
}

int
main(int argc, char **argv)
{
    struct options options = read_options(argc, argv);

    if (!aw_hash_init())
        return 2;
    aw_log_init(STDERR_FILENO, AW_LOG_ERROR + 1, NULL); /* what the eraser meets is looked at here */
    if (options.one) {
        printf("seed %" PRIu64 "\n", options.first);
        (void)fflush(stdout);
        run_one(&alone, options.first);
        sim_keys_leave(getpid());
        return 0;
    }
    if (!options.must_find && !options.goes_on)
        run_regressions();
    printf("seeds %" PRIu64 " to %" PRIu64 "\n", options.first, options.first + options.count - 1);
    return campaign(&options);
}
