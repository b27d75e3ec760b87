/* replay.c - runs a fuzz target over a folder of inputs, once each: every finding, once fixed, stays a test in every build.
 *
 *   NAME_fuzz FOLDER [FILE...]
 *
 * Fails when there is nothing to replay: an empty corpus proves nothing. Order is by name, so that a failure repeats.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
    /* Exactly as long as the input, so that the address sanitizer sees a read behind it. */
    uint8_t *exact = malloc(size == 0 ? 1 : size);

    if (exact == NULL)
        abort();
    for (size_t i = 0; i < size; i++)
        exact[i] = data[i];
    free(data);
    fprintf(stderr, "%s (%zu bytes)\n", path, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
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
