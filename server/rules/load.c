/* load.c - makes a set: reads its files, compiles them, and lets its examples prove it. */
#include "base/hash.h"
#include "base/mem.h"
#include "rules/set.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define ARENA_BLOCK_BYTES (1U << 20)
#define ARENA_BYTES_MAX   (1U << 30)
#define PATH_BYTES        4096U

/* --- making ----------------------------------------------------------------------------------------------------------------- */

static enum aw_err
hash_files(struct aw_rules *rules, const struct aw_rules_file *files, uint32_t count)
{
    struct aw_slice  parts[3 * AW_RULES_FILES_MAX];
    struct aw_sha256 hash;

    for (uint32_t i = 0; i < count; i++) {
        parts[3 * i] = aw_slice_str(files[i].name);
        parts[3 * i + 1] = aw_slice_of("", 1); /* so that no name can run into a content */
        parts[3 * i + 2] = files[i].bytes;
    }
    if (!aw_sha256(parts, 3 * (size_t)count, &hash))
        return AW_E_MEMORY;
    rules->version = (uint32_t)hash.bytes[0] << 24 | (uint32_t)hash.bytes[1] << 16 | (uint32_t)hash.bytes[2] << 8 | hash.bytes[3];
    if (rules->version == 0)
        rules->version = 1; /* 0 is: without rules */
    return AW_OK;
}

/* Every example must come out. The words name all that do not, as far as there is room: who changes a rule wants to see them at
 * once. */
static enum aw_err
prove(const struct aw_rules *rules, const struct aw_draft *draft, const struct aw_rules_file *files, struct aw_why *why)
{
    struct aw_rules_scratch *scratch = aw_rules_scratch_new(rules);
    char                     words[AW_WHY_BYTES];
    struct aw_buffer         buffer;
    uint32_t                 failed = 0;

    if (scratch == NULL)
        return aw_why(why, AW_E_MEMORY, "no memory for the rules");
    aw_buffer_init_fixed(&buffer, words, sizeof(words));
    for (uint32_t i = 0; i < draft->example_count; i++) {
        const struct aw_draft_example *example = &draft->examples[i];

        if (aw_rules_meets(rules, scratch, example->text, example->rule) == example->must_hit)
            continue;
        if (!buffer.failed)
            aw_buffer_printf(&buffer, "%s%s line %" PRIu32 ": rule %.*s %s this example", failed == 0 ? "" : "; ",
                             files[example->file].name, example->line, AW_SLICE_ARGS(rules->rules[example->rule].name),
                             example->must_hit ? "does not find" : "finds");
        failed++;
    }
    aw_rules_scratch_free(&scratch);
    return failed == 0 ? AW_OK : aw_why(why, AW_E_CONFIG, "%.*s", (int)buffer.len, words);
}

static enum aw_err
fill(struct aw_rules *rules, const struct aw_rules_file *files, uint32_t count, struct aw_why *why)
{
    struct aw_draft draft;
    enum aw_err     err = hash_files(rules, files, count);

    if (err != AW_OK)
        return aw_why(why, err, "no memory for the rules");
    aw_draft_init(&draft, rules->side, &rules->arena, why);
    for (uint32_t i = 0; err == AW_OK && i < count; i++) {
        size_t len = files[i].bytes.len;
        char  *copy = aw_arena_take(&rules->arena, len);

        if (len > AW_RULES_FILE_BYTES_MAX)
            return aw_why(why, AW_E_CONFIG, "%s is larger than %u bytes", files[i].name, AW_RULES_FILE_BYTES_MAX);
        if (copy == NULL)
            return aw_why(why, AW_E_MEMORY, "no memory for the rules");
        if (len > 0)
            memcpy(copy, files[i].bytes.ptr, len);
        err = aw_draft_read(&draft, files[i].name, copy, len, i);
    }
    if (err == AW_OK)
        err = aw_rules_compile(rules, &draft, files, why);
    if (err == AW_OK)
        err = prove(rules, &draft, files, why);
    rules->counts.files = count;
    return err;
}

enum aw_err
aw_rules_make(struct aw_rules **ret_rules, enum aw_rules_side side, const struct aw_rules_file *files, uint32_t count,
              struct aw_why *why)
{
    struct aw_rules *rules = aw_new(struct aw_rules);
    enum aw_err      err;

    if (rules == NULL)
        return aw_why(why, AW_E_MEMORY, "no memory for the rules");
    rules->side = side;
    rules->blocks = aw_blocks_new(ARENA_BLOCK_BYTES, ARENA_BYTES_MAX);
    if (rules->blocks == NULL) {
        free(rules);
        return aw_why(why, AW_E_MEMORY, "no memory for the rules");
    }
    aw_arena_init(&rules->arena, rules->blocks);
    if (count > AW_RULES_FILES_MAX)
        err = aw_why(why, AW_E_CONFIG, "more than %u files of rules", AW_RULES_FILES_MAX);
    else
        err = fill(rules, files, count, why);
    if (err == AW_OK)
        *ret_rules = rules; /* the caller owns it from here */
    else
        aw_rules_free(&rules);
    return err;
}

void
aw_rules_free(struct aw_rules **rules)
{
    if (*rules == NULL)
        return;
    (void)hs_free_database((*rules)->numbers);  /* the same */
    (void)hs_free_database((*rules)->probe);    /* the same */
    (void)hs_free_database((*rules)->database); /* accepts NULL, succeeds with what the library gave */
    aw_arena_reset(&(*rules)->arena);
    aw_blocks_free(&(*rules)->blocks);
    free(*rules);
    *rules = NULL;
}

uint32_t
aw_rules_version(const struct aw_rules *rules)
{
    return rules->version;
}

struct aw_rules_counts
aw_rules_counts(const struct aw_rules *rules)
{
    return rules->counts;
}

/* --- folders ---------------------------------------------------------------------------------------------------------------- */

struct folder {
    struct aw_rules_file files[AW_RULES_FILES_MAX];
    uint32_t             count;
};

static enum aw_err
read_file(const char *folder, const char *name, struct aw_rules_file *file, struct aw_why *why)
{
    char   path[PATH_BYTES];
    FILE  *stream;
    char  *bytes;
    size_t len;
    bool   whole;

    if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) >= sizeof(path))
        return aw_why(why, AW_E_CONFIG, "the path of %s is too long", name);
    stream = fopen(path, "re");
    if (stream == NULL)
        return aw_why_errno(why, AW_E_IO, errno, "the rules %s", path);
    bytes = malloc(AW_RULES_FILE_BYTES_MAX + 1);
    len = bytes == NULL ? 0 : fread(bytes, 1, AW_RULES_FILE_BYTES_MAX, stream);
    whole = bytes != NULL && feof(stream) != 0 && ferror(stream) == 0;
    (void)fclose(stream); /* was only read */
    file->name = bytes == NULL ? NULL : strdup(name);
    if (file->name == NULL || !whole) {
        bool no_memory = file->name == NULL;

        free(bytes);
        free((char *)(uintptr_t)file->name);
        if (no_memory)
            (void)aw_why(why, AW_E_MEMORY, "no memory for the rules");
        else
            (void)aw_why(why, AW_E_IO, "%s can't be read, or is larger than %u bytes", path, AW_RULES_FILE_BYTES_MAX);
        return no_memory ? AW_E_MEMORY : AW_E_IO;
    }
    file->bytes = aw_slice_of(bytes, len);
    return AW_OK;
}

static int
is_rules_file(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);

    return len > 6 && entry->d_name[0] != '.' && strcmp(entry->d_name + len - 6, ".rules") == 0;
}

/* By byte, not by the locale's rules: the version depends on the order. */
static int
by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static enum aw_err
read_folder(const char *path, struct folder *folder, struct aw_why *why)
{
    struct dirent **entries = NULL;
    int             count = scandir(path, &entries, is_rules_file, by_name);
    enum aw_err     err = AW_OK;

    if (count < 0)
        return aw_why_errno(why, AW_E_IO, errno, "the folder of rules %s", path);
    if (count == 0)
        err = aw_why(why, AW_E_CONFIG, "the folder %s holds no file *.rules", path);
    if (count > (int)AW_RULES_FILES_MAX)
        err = aw_why(why, AW_E_CONFIG, "the folder %s holds more than %u files of rules", path, AW_RULES_FILES_MAX);
    for (int i = 0; i < count; i++) {
        if (err == AW_OK)
            err = read_file(path, entries[i]->d_name, &folder->files[folder->count], why);
        if (err == AW_OK)
            folder->count++;
        free(entries[i]);
    }
    free(entries);
    return err;
}

/* Rules for replies lie in a folder of their own: whoever has written rules for messages only, keeps the built-in ones. */
static enum aw_err
find_replies(const char *path, char inside[PATH_BYTES], bool *ret_is_there, struct aw_why *why)
{
    struct stat about;

    if ((size_t)snprintf(inside, PATH_BYTES, "%s/replies", path) >= PATH_BYTES)
        return aw_why(why, AW_E_CONFIG, "the path of the rules is too long");
    *ret_is_there = stat(inside, &about) == 0;
    if (!*ret_is_there && errno != ENOENT)
        return aw_why_errno(why, AW_E_IO, errno, "the folder of rules %s", inside);
    return AW_OK;
}

enum aw_err
aw_rules_load(struct aw_rules **ret_rules, enum aw_rules_side side, const char *path, struct aw_why *why)
{
    const struct aw_rules_file *builtin;
    struct folder               folder = {.count = 0};
    char                        inside[PATH_BYTES];
    bool                        is_there = path[0] != '\0';
    uint32_t                    count = 0;
    enum aw_err                 err = AW_OK;

    if (is_there && side == AW_RULES_REPLIES) {
        err = find_replies(path, inside, &is_there, why);
        path = inside;
    }
    if (err == AW_OK && !is_there) {
        builtin = aw_rules_builtin(side, &count);
        return aw_rules_make(ret_rules, side, builtin, count, why);
    }
    if (err == AW_OK)
        err = read_folder(path, &folder, why);
    if (err == AW_OK)
        err = aw_rules_make(ret_rules, side, folder.files, folder.count, why);
    for (uint32_t i = 0; i < folder.count; i++) {
        free((char *)(uintptr_t)folder.files[i].name);
        free((char *)(uintptr_t)folder.files[i].bytes.ptr);
    }
    return err;
}
