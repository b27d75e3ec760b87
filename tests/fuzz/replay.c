/* replay.c - runs a fuzz target over a folder of inputs, once each: every finding, once fixed, stays a test in every build.
 *
 *   NAME_fuzz [--mutations N] FOLDER [FILE...]
 *
 * With N each input is also changed N times in a row, by the target's own mutator or byte by byte, from a fixed seed: a little
 * fuzzing in every build, the same each time. What was begun last is told, so that a change that ends the program can be had again.
 * Fails when there is nothing to replay: an empty corpus proves nothing. Order is by name, so that a failure repeats.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MUTATED_BYTES_MAX 16384U

int    LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t room);
/* The target's, if it has one. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned int seed) __attribute__((weak));

static unsigned long mutations; /* of each input */
static uint64_t      random_state = 1;

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t
draw(uint64_t end)
{
    uint64_t mixed = random_state += UINT64_C(0x9e3779b97f4a7c15);

    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (mixed ^ (mixed >> 31)) % end;
}

/* Changes, adds, takes out or repeats some bytes. */
size_t
LLVMFuzzerMutate(uint8_t *data, size_t size, size_t room)
{
    size_t at = size == 0 ? 0 : (size_t)draw(size);

    switch (draw(5)) {
    case 0:
        if (size < room) {
            memmove(data + at + 1, data + at, size - at);
            data[at] = (uint8_t)draw(256);
            return size + 1;
        }
        break;
    case 1:
        if (size > 1) {
            memmove(data + at, data + at + 1, size - at - 1);
            return size - 1;
        }
        break;
    case 2: {
        size_t len = size - at < room - size ? size - at : room - size;

        memcpy(data + size, data + at, len);
        return size + len;
    }
    default:
        break;
    }
    if (size > 0)
        data[at] = draw(2) == 0 ? (uint8_t)draw(256) : (uint8_t)(data[at] ^ 1U << draw(8));
    return size;
}

static void
run_exact(const uint8_t *data, size_t size)
{
    /* Exactly as long as the input, so that the address sanitizer sees a read behind it. */
    uint8_t *exact = malloc(size == 0 ? 1 : size);

    if (exact == NULL)
        abort();
    memcpy(exact, data, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static void
run_mutations(const char *path, const uint8_t *data, size_t size)
{
    uint8_t changed[MUTATED_BYTES_MAX];
    size_t  len = size < sizeof(changed) ? size : sizeof(changed);

    memcpy(changed, data, len);
    random_state = 1;
    for (unsigned long i = 0; i < mutations; i++) {
        if (i % 16 == 0) { /* from the input again: what has drifted far is refused at once */
            len = size < sizeof(changed) ? size : sizeof(changed);
            memcpy(changed, data, len);
            fprintf(stderr, "%s: changes from %lu on\n", path, i);
        }
        if (LLVMFuzzerCustomMutator != NULL)
            len = LLVMFuzzerCustomMutator(changed, len, sizeof(changed), (unsigned)i);
        else
            len = LLVMFuzzerMutate(changed, len, sizeof(changed));
        run_exact(changed, len);
    }
}

static int
replay_file(const char *path)
{
    FILE    *file = fopen(path, "rb");
    uint8_t *data = NULL;
    size_t   size = 0;
    size_t   room = 0;
    size_t   count;

    if (file == NULL) {
        perror(path);
        return -1;
    }
    do {
        if (size == room) {
            uint8_t *more = realloc(data, room = room * 2 + 4096);

            if (more == NULL)
                abort();
            data = more;
        }
        count = fread(data + size, 1, room - size, file);
        size += count;
    } while (count > 0);
    fclose(file);
    fprintf(stderr, "%s (%zu bytes)\n", path, size);
    run_exact(data, size);
    if (mutations > 0)
        run_mutations(path, data, size);
    free(data);
    return 0;
}

/* Returns how many files were replayed, or -1. */
static int
replay_folder(const char *folder)
{
    struct dirent **entries;
    int             count = scandir(folder, &entries, NULL, alphasort);
    int             done = 0;

    if (count < 0) {
        perror(folder);
        return -1;
    }
    for (int i = 0; i < count; i++) {
        char path[4096];

        if (entries[i]->d_name[0] != '.' && done >= 0) {
            snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
            done = replay_file(path) == 0 ? done + 1 : -1;
        }
        free(entries[i]);
    }
    free(entries);
    return done;
}

int
main(int argc, char **argv)
{
    int total = 0;

    for (int i = 1; i < argc; i++) {
        struct stat info;
        int         done;

        if (strcmp(argv[i], "--mutations") == 0 && i + 1 < argc) {
            mutations = strtoul(argv[++i], NULL, 10);
            continue;
        }
        if (stat(argv[i], &info) == 0 && S_ISDIR(info.st_mode))
            done = replay_folder(argv[i]);
        else
            done = replay_file(argv[i]) == 0 ? 1 : -1;
        if (done < 0)
            return 1;
        total += done;
    }
    printf("replayed %d inputs\n", total);
    if (total == 0) {
        fprintf(stderr, "nothing to replay\n");
        return 1;
    }
    return 0;
}
