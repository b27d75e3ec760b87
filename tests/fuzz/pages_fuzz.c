/* pages_fuzz.c - a sound store of a few pages with any bytes written over it: the walk through its pages ends with what it found or
 * with words, at either depth, and changes nothing. An input is a list of changes: u16 page, u16 place, u8 how many bytes, those.
 */
#include "base/hash.h"
#include "model/limits.h"
#include "store/pages.h"
#include "store/store.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE_BYTES   4096U
#define CHANGE_BYTES 5U
#define WIDTH_MAX    64U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *sound; /* owns, for ever */
static size_t   sound_bytes;

static int
remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(path);
}

/* A store as it is made: its trees, their notes, a list of free pages. */
static void
make_sound(void)
{
    const char            *base = getenv("TMPDIR");
    char                   folder[256], path[300];
    struct aw_store_config config = {.folder = folder,
                                     .access = AW_STORE_SERVE,
                                     .bytes_max = 64 * AW_MIB,
                                     .map_bytes = 256 * AW_MIB,
                                     .reserve_bytes = AW_MIB,
                                     .readers_max = 4};
    struct aw_journal     *journal = NULL;
    struct aw_table       *table = NULL;
    struct aw_pages_sum    sum;
    struct aw_why          why = {""};
    int                    fd;

    (void)snprintf(folder, sizeof(folder), "%s/aswolk-pages-XXXXXX", base == NULL ? P_tmpdir : base);
    AW_ASSERT(aw_hash_init() && mkdtemp(folder) != NULL);
    for (unsigned i = 0; i < 3; i++) { /* a second start has free pages */
        AW_ASSERT(aw_lmdb_open(&journal, &table, &config, &why) == AW_OK);
        aw_journal_close(&journal); /* and the table */
    }
    (void)snprintf(path, sizeof(path), "%s/data.mdb", folder);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    AW_ASSERT(fd >= 0);
    AW_ASSERT(aw_pages_check(fd, 0, AW_PAGES_ALL, NULL, &sum, &why) == AW_OK);
    sound_bytes = sum.pages * PAGE_BYTES;
    sound = malloc(sound_bytes);
    AW_ASSERT(sound != NULL && read(fd, sound, sound_bytes) == (ssize_t)sound_bytes);
    (void)close(fd); /* was only read */
    (void)nftw(folder, remove_one, 4, FTW_DEPTH | FTW_PHYS);
}

static void
change(uint8_t *bytes, const uint8_t *data, size_t size)
{
    while (size > CHANGE_BYTES) {
        size_t pages = sound_bytes / PAGE_BYTES;
        size_t at = ((size_t)(data[0] | data[1] << 8) % pages) * PAGE_BYTES + (size_t)(data[2] | data[3] << 8) % PAGE_BYTES;
        size_t len = data[4] % WIDTH_MAX + 1;

        data += CHANGE_BYTES;
        size -= CHANGE_BYTES;
        len = len < size ? len : size;
        len = len < sound_bytes - at ? len : sound_bytes - at;
        memcpy(bytes + at, data, len);
        data += len;
        size -= len;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum aw_pages_depth depths[] = {AW_PAGES_START, AW_PAGES_ALL};
    struct aw_why                    why = {""};
    struct aw_pages_sum              sum;
    uint8_t                         *bytes;
    int                              fd;

    if (sound == NULL)
        make_sound();
    fd = memfd_create("pages", MFD_CLOEXEC);
    AW_ASSERT(fd >= 0 && ftruncate(fd, (off_t)sound_bytes) == 0);
    bytes = mmap(NULL, sound_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    AW_ASSERT(bytes != MAP_FAILED);
    memcpy(bytes, sound, sound_bytes);
    change(bytes, data, size);
    AW_ASSERT(aw_pages_check_heads(fd, &why) == AW_OK || why.text[0] != '\0');
    for (unsigned i = 0; i < AW_ARRAY_LEN(depths); i++) {
        why.text[0] = '\0';
        if (aw_pages_check(fd, 0, depths[i], NULL, &sum, &why) == AW_OK)
            AW_ASSERT(sum.pages <= sound_bytes / sum.page_bytes && sum.free < sum.pages && sum.read <= sum.pages);
        else
            AW_ASSERT(why.text[0] != '\0');
    }
    (void)munmap(bytes, sound_bytes);
    (void)close(fd); /* of memory */
    return 0;
}
