/* disk.c - a model of files, names and what is pending; and a folder that is kept like it. */
#include "power/disk.h"

#include "base/assert.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_MAX      64U
#define NAMES_MAX      64U
#define TEXTS_MAX      1024U
#define PENDING_MAX    65536U
#define FILE_BYTES_MAX (UINT64_C(1) << 32)
#define PATH_BYTES     4096U
#define STORE_NAME     "data.mdb"

struct file {
    uint64_t inode;
    uint8_t *bytes; /* certain; zero behind `size` */
    uint64_t size;
    int      fd; /* of it in our folder while that is kept up; else -1 */
    bool     is_beside;
};

struct names {
    struct {
        const char *name;
        uint32_t    file;
    } of[NAMES_MAX];
    uint32_t count;
    bool     is_folder_there;
};

struct disk {
    const char      *folder;
    bool             is_late;
    bool             is_kept_up; /* the folder is as what is certain, and the files are open */
    struct file      files[FILES_MAX];
    uint32_t         file_count;
    struct names     certain;
    struct names     seen; /* by the server: with all that is pending */
    struct disk_unit pending[PENDING_MAX];
    uint32_t         pending_count;
    char            *texts[TEXTS_MAX]; /* owns: all names that were ever given */
    uint32_t         text_count;
};

static void AW_PRINTF(1, 2) AW_NORETURN fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    exit(2);
}

struct disk *
disk_new(const char *folder, bool late)
{
    struct disk *disk = calloc(1, sizeof(*disk));

    if (disk == NULL)
        fail("no memory");
    disk->folder = folder;
    disk->is_late = late;
    /* Until the log says that the server made it, it was there. */
    disk->certain.is_folder_there = disk->seen.is_folder_there = true;
    return disk;
}

static void
close_files(struct disk *disk)
{
    for (uint32_t i = 0; i < disk->file_count; i++) {
        if (disk->files[i].fd >= 0)
            (void)close(disk->files[i].fd);
        disk->files[i].fd = -1;
    }
    disk->is_kept_up = false;
}

void
disk_free(struct disk **disk)
{
    if (*disk == NULL)
        return;
    close_files(*disk);
    for (uint32_t i = 0; i < (*disk)->file_count; i++)
        (void)munmap((*disk)->files[i].bytes, FILE_BYTES_MAX);
    for (uint32_t i = 0; i < (*disk)->text_count; i++)
        free((*disk)->texts[i]);
    free(*disk);
    *disk = NULL;
}

/* --- names ------------------------------------------------------------------------------------------------------------------ */

static uint32_t
names_find(const struct names *names, const char *name)
{
    for (uint32_t i = 0; i < names->count; i++) {
        if (strcmp(names->of[i].name, name) == 0)
            return i;
    }
    return DISK_NONE;
}

static void
names_remove(struct names *names, const char *name, uint32_t file)
{
    uint32_t at = names_find(names, name);

    if (at != DISK_NONE && (file == DISK_NONE || names->of[at].file == file))
        names->of[at] = names->of[--names->count];
}

static void
names_put(struct names *names, const char *name, uint32_t file)
{
    names_remove(names, name, DISK_NONE);
    if (names->count == NAMES_MAX)
        fail("too many names");
    names->of[names->count].name = name;
    names->of[names->count++].file = file;
}

/* Of the files that lie beside the folder: their names are in what it lies in. */
static bool
is_beside(const char *name)
{
    return *name == '.';
}

static bool
is_of_names(const struct disk_unit *unit)
{
    return unit->kind == RECORD_CREATE || unit->kind == RECORD_RENAME || unit->kind == RECORD_REMOVE ||
           unit->kind == RECORD_FOLDER;
}

static void
names_apply(struct names *names, const struct disk_unit *unit)
{
    if (unit->kind == RECORD_FOLDER) {
        names->is_folder_there = true;
    } else if (unit->kind == RECORD_CREATE) {
        names_put(names, unit->name, unit->file);
    } else if (unit->kind == RECORD_REMOVE) {
        names_remove(names, unit->name, unit->file);
    } else {
        names_remove(names, unit->name, unit->file);
        names_put(names, unit->to, unit->file);
    }
}

/* --- bytes ------------------------------------------------------------------------------------------------------------------ */

/* The sectors of a write, one after the other. */
static void
write_sectors(const struct disk_unit *unit, uint8_t sectors, uint8_t *to, int fd)
{
    uint64_t at = unit->at;

    while (at < unit->at + unit->length) {
        uint64_t next = (at / DISK_SECTOR_BYTES + 1) * DISK_SECTOR_BYTES;
        uint64_t end = next < unit->at + unit->length ? next : unit->at + unit->length;

        if ((sectors & (1U << (at % DISK_PAGE_BYTES / DISK_SECTOR_BYTES))) != 0) {
            if (to != NULL)
                memcpy(to + at, unit->bytes + (at - unit->at), end - at);
            if (fd >= 0 && pwrite(fd, unit->bytes + (at - unit->at), end - at, (off_t)at) != (ssize_t)(end - at))
                fail("writing a state: %s", strerror(errno));
        }
        at = end;
    }
}

/* On what is certain. */
static void
file_apply(struct file *file, const struct disk_unit *unit)
{
    if (unit->kind == RECORD_TRUNCATE && unit->at < file->size)
        memset(file->bytes + unit->at, 0, file->size - unit->at);
    if (unit->kind == RECORD_TRUNCATE)
        file->size = unit->at;
    if (unit->kind == RECORD_WRITE)
        write_sectors(unit, 0xFF, file->bytes, -1);
    if (unit->kind != RECORD_TRUNCATE && unit->at + unit->length > file->size)
        file->size = unit->at + unit->length;
}

/* On a file that a state is laid out in. */
static void
fd_apply(int fd, const struct disk_unit *unit, uint8_t sectors)
{
    struct stat status;

    if (unit->kind == RECORD_WRITE) {
        write_sectors(unit, sectors, NULL, fd);
        return;
    }
    if (fstat(fd, &status) != 0)
        fail("fstat: %s", strerror(errno));
    if (unit->kind == RECORD_ALLOCATE && (uint64_t)status.st_size >= unit->at + unit->length)
        return;
    if (ftruncate(fd, (off_t)(unit->kind == RECORD_TRUNCATE ? unit->at : unit->at + unit->length)) != 0)
        fail("ftruncate: %s", strerror(errno));
}

static void
fd_undo(const struct file *file, const struct disk_unit *unit)
{
    struct stat status;
    uint64_t    end = unit->at + unit->length < file->size ? unit->at + unit->length : file->size;

    if (unit->kind == RECORD_WRITE && end > unit->at &&
        pwrite(file->fd, file->bytes + unit->at, end - unit->at, (off_t)unit->at) != (ssize_t)(end - unit->at))
        fail("taking a state back: %s", strerror(errno));
    if (unit->kind == RECORD_TRUNCATE && unit->at < file->size)
        fail("a file that is cut while others may read it");
    if (fstat(file->fd, &status) != 0)
        fail("fstat: %s", strerror(errno));
    if ((uint64_t)status.st_size != file->size && ftruncate(file->fd, (off_t)file->size) != 0)
        fail("ftruncate: %s", strerror(errno));
}

/* --- the log ---------------------------------------------------------------------------------------------------------------- */

static uint32_t
find_file(const struct disk *disk, uint64_t inode)
{
    for (uint32_t i = disk->file_count; i > 0; i--) { /* the last one: numbers are used again */
        if (disk->files[i - 1].inode == inode)
            return i - 1;
    }
    fail("a write to a file that was not seen to be made");
}

static uint32_t
add_file(struct disk *disk, uint64_t inode)
{
    struct file *file = &disk->files[disk->file_count];

    if (disk->file_count == FILES_MAX)
        fail("too many files");
    file->inode = inode;
    file->fd = -1;
    file->bytes = mmap(NULL, FILE_BYTES_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (file->bytes == MAP_FAILED)
        fail("mmap: %s", strerror(errno));
    return disk->file_count++;
}

static void
add_unit(struct disk *disk, const struct disk_unit *unit)
{
    if (disk->pending_count == PENDING_MAX)
        fail("too much is pending");
    if (unit->at + unit->length > FILE_BYTES_MAX)
        fail("a file is too long");
    disk->pending[disk->pending_count++] = *unit;
    if (is_of_names(unit)) {
        names_apply(&disk->seen, unit);
        close_files(disk);
    }
}

static void
add_write(struct disk *disk, struct disk_unit unit, uint64_t len)
{
    uint64_t end = unit.at + len;

    while (unit.at < end) {
        uint64_t next = (unit.at / DISK_PAGE_BYTES + 1) * DISK_PAGE_BYTES;

        unit.length = (next < end ? next : end) - unit.at;
        add_unit(disk, &unit);
        unit.at += unit.length;
        unit.bytes += unit.length;
    }
}

static const char *
copy_name(struct disk *disk, const uint8_t *bytes, size_t len)
{
    char *name = strndup((const char *)bytes, len);

    if (name == NULL || disk->text_count == TEXTS_MAX)
        fail("no room for a name");
    if (strchr(name, '/') != NULL)
        fail("%s: folders within the folder are not followed", name);
    disk->texts[disk->text_count++] = name;
    return name;
}

static void
add_name(struct disk *disk, struct disk_unit unit, const uint8_t *bytes, uint32_t len, uint64_t inode)
{
    uint32_t at;

    unit.name = copy_name(disk, bytes, len);
    if (unit.kind == RECORD_FOLDER) {
        if (*unit.name != '\0' || disk->seen.count != 0)
            fail("%s: folders within the folder are not followed", unit.name);
        disk->certain.is_folder_there = false;
    } else if (unit.kind == RECORD_CREATE) {
        unit.file = add_file(disk, inode);
        disk->files[unit.file].is_beside = is_beside(unit.name);
    } else {
        at = names_find(&disk->seen, unit.name);
        if (at == DISK_NONE)
            fail("%s is not there", unit.name);
        unit.file = disk->seen.of[at].file;
    }
    if (unit.kind == RECORD_RENAME)
        unit.to = copy_name(disk, bytes + strlen(unit.name) + 1, len - strlen(unit.name) - 1);
    add_unit(disk, &unit);
}

static void
make_certain(struct disk *disk, const struct disk_unit *unit)
{
    if (is_of_names(unit)) {
        names_apply(&disk->certain, unit);
        close_files(disk);
        return;
    }
    file_apply(&disk->files[unit->file], unit);
    if (disk->files[unit->file].fd >= 0)
        fd_apply(disk->files[unit->file].fd, unit, 0xFF);
}

static bool
is_made_certain(const struct disk *disk, const struct disk_unit *unit, const struct record_head *head, const uint8_t *name)
{
    switch (head->kind) {
    case RECORD_WRITTEN:
        return unit->kind == RECORD_WRITE && unit->place == head->at && !disk->is_late;
    case RECORD_FLUSH:
        return !is_of_names(unit) && unit->file == find_file(disk, head->file);
    case RECORD_FLUSH_FOLDER:
        return is_of_names(unit) &&
               (unit->kind == RECORD_FOLDER || is_beside(unit->name)) == (head->bytes == 2 && memcmp(name, "..", 2) == 0);
    default:
        return false;
    }
}

static void
flush(struct disk *disk, const struct record_head *head, const uint8_t *name)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < disk->pending_count; i++) {
        struct disk_unit *unit = &disk->pending[i];

        if (is_made_certain(disk, unit, head, name)) {
            if (!disk->is_late || unit->is_late) {
                make_certain(disk, unit);
                continue;
            }
            unit->is_late = true;
        }
        disk->pending[kept++] = *unit;
    }
    disk->pending_count = kept;
}

bool
disk_is_flush(const struct record_head *head)
{
    return head->kind == RECORD_WRITTEN || head->kind == RECORD_FLUSH || head->kind == RECORD_FLUSH_FOLDER;
}

void
disk_take(struct disk *disk, uint64_t place, const struct record_head *head, const uint8_t *bytes)
{
    struct disk_unit unit = {
        .kind = (enum record_kind)head->kind, .file = DISK_NONE, .at = head->at, .length = head->length, .place = place};

    switch ((enum record_kind)head->kind) {
    case RECORD_WRITE:
        unit.file = find_file(disk, head->file);
        unit.bytes = bytes;
        add_write(disk, unit, head->bytes);
        return;
    case RECORD_TRUNCATE:
    case RECORD_ALLOCATE:
        unit.file = find_file(disk, head->file);
        add_unit(disk, &unit);
        return;
    case RECORD_CREATE:
    case RECORD_FOLDER:
    case RECORD_RENAME:
    case RECORD_REMOVE:
        add_name(disk, unit, bytes, head->bytes, head->file);
        return;
    case RECORD_WRITTEN:
    case RECORD_FLUSH:
    case RECORD_FLUSH_FOLDER:
        flush(disk, head, bytes);
        return;
    case RECORD_SENDING:
    case RECORD_SENT:
        return;
    case RECORD_STRANGE:
        fail("the recording has something that cannot be followed: %.*s", (int)head->bytes, (const char *)bytes);
    }
    fail("the log is damaged at %llu", (unsigned long long)place);
}

uint32_t
disk_pending(const struct disk *disk)
{
    return disk->pending_count;
}

bool
disk_is_beside_pending(const struct disk *disk)
{
    for (uint32_t i = 0; i < disk->pending_count; i++) {
        uint32_t file = disk->pending[i].file;

        if (file != DISK_NONE && disk->files[file].is_beside)
            return true;
    }
    return false;
}

const struct disk_unit *
disk_unit(const struct disk *disk, uint32_t number)
{
    AW_ASSERT(number < disk->pending_count);
    return &disk->pending[number];
}

uint8_t
disk_sectors(const struct disk_unit *unit)
{
    uint32_t first = (uint32_t)(unit->at % DISK_PAGE_BYTES / DISK_SECTOR_BYTES);
    uint32_t last = (uint32_t)((unit->at + unit->length - 1) % DISK_PAGE_BYTES / DISK_SECTOR_BYTES);

    return (uint8_t)((0xFFU << first) & (0xFFU >> (7 - last)));
}

/* --- laying out ------------------------------------------------------------------------------------------------------------- */

static int
open_in(const char *folder, const char *name, int flags)
{
    char path[PATH_BYTES];
    int  fd;

    (void)snprintf(path, sizeof(path), "%s%s%s", folder, is_beside(name) ? "" : "/", name);
    fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd < 0)
        fail("%s: %s", path, strerror(errno));
    return fd;
}

static void
remove_in(const char *folder, const char *prefix)
{
    DIR           *dir = opendir(folder);
    struct dirent *entry;

    if (dir == NULL)
        fail("%s: %s", folder, strerror(errno));
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.' && strncmp(entry->d_name, prefix, strlen(prefix)) == 0 &&
            unlinkat(dirfd(dir), entry->d_name, 0) != 0)
            fail("%s/%s: %s", folder, entry->d_name, strerror(errno));
    }
    (void)closedir(dir);
}

static void
remove_beside(const char *folder)
{
    char        parent[PATH_BYTES];
    char        prefix[PATH_BYTES];
    const char *slash = strrchr(folder, '/');

    if (slash == NULL || slash == folder || slash[1] == '\0')
        fail("%s: not an absolute path", folder);
    (void)snprintf(parent, sizeof(parent), "%.*s", (int)(slash - folder), folder);
    (void)snprintf(prefix, sizeof(prefix), "%s.", slash + 1);
    remove_in(parent, prefix);
}

/* What is certain of a file; pages of zeros stay holes. */
static void
lay_file(const struct file *file, int fd)
{
    static const uint8_t zeros[DISK_PAGE_BYTES];

    for (uint64_t at = 0; at < file->size; at += DISK_PAGE_BYTES) {
        uint64_t len = file->size - at < DISK_PAGE_BYTES ? file->size - at : DISK_PAGE_BYTES;

        if (memcmp(file->bytes + at, zeros, len) != 0 && pwrite(fd, file->bytes + at, len, (off_t)at) != (ssize_t)len)
            fail("writing a state: %s", strerror(errno));
    }
    if (ftruncate(fd, (off_t)file->size) != 0)
        fail("ftruncate: %s", strerror(errno));
}

/* NULL choice: nothing of what is pending. */
void
disk_copy_out(const struct disk *disk, const struct disk_choice *choice, const char *folder)
{
    struct names names = disk->certain;

    for (uint32_t i = 0; choice != NULL && i < disk->pending_count; i++) {
        if (choice->taken[i] && is_of_names(&disk->pending[i]))
            names_apply(&names, &disk->pending[i]);
    }
    for (uint32_t i = 0; i < names.count; i++) {
        uint32_t number = names.of[i].file;
        int      fd;

        if (!names.is_folder_there && !is_beside(names.of[i].name))
            continue;
        fd = open_in(folder, names.of[i].name, O_RDWR | O_CREAT | O_TRUNC);
        lay_file(&disk->files[number], fd);
        for (uint32_t k = 0; choice != NULL && k < disk->pending_count; k++) {
            if (choice->taken[k] && !is_of_names(&disk->pending[k]) && disk->pending[k].file == number)
                fd_apply(fd, &disk->pending[k], choice->sectors[k]);
        }
        (void)close(fd);
    }
}

/* A start writes nothing into a store that is there before it knows it whole: then only what differs has to be written. Where
 * there may be none, or names change, all of it is made anew. What lies beside it every start replaces. */
static bool
can_be_kept_up(const struct disk *disk)
{
    for (uint32_t i = 0; i < disk->pending_count; i++) {
        const struct disk_unit *unit = &disk->pending[i];

        if (is_of_names(unit) || disk->files[unit->file].is_beside ||
            (unit->kind == RECORD_TRUNCATE && unit->at < disk->files[unit->file].size))
            return false;
    }
    return names_find(&disk->certain, STORE_NAME) != DISK_NONE;
}

static void
keep_up(struct disk *disk)
{
    remove_in(disk->folder, "");
    remove_beside(disk->folder);
    disk_copy_out(disk, NULL, disk->folder);
    for (uint32_t i = 0; i < disk->certain.count; i++) {
        if (!is_beside(disk->certain.of[i].name))
            disk->files[disk->certain.of[i].file].fd = open_in(disk->folder, disk->certain.of[i].name, O_RDWR);
    }
    disk->is_kept_up = true;
}

static void
renew_beside(struct disk *disk)
{
    remove_beside(disk->folder);
    for (uint32_t i = 0; i < disk->certain.count; i++) {
        int fd;

        if (!is_beside(disk->certain.of[i].name))
            continue;
        fd = open_in(disk->folder, disk->certain.of[i].name, O_RDWR | O_CREAT | O_TRUNC);
        lay_file(&disk->files[disk->certain.of[i].file], fd);
        (void)close(fd);
    }
}

void
disk_lay_out(struct disk *disk, const struct disk_choice *choice)
{
    if (!can_be_kept_up(disk)) {
        close_files(disk);
        remove_in(disk->folder, "");
        remove_beside(disk->folder);
        disk_copy_out(disk, choice, disk->folder);
        return;
    }
    if (!disk->is_kept_up)
        keep_up(disk);
    else
        renew_beside(disk);
    for (uint32_t i = 0; i < disk->pending_count; i++) {
        const struct disk_unit *unit = &disk->pending[i];

        if (choice->taken[i] && disk->files[unit->file].fd >= 0)
            fd_apply(disk->files[unit->file].fd, unit, choice->sectors[i]);
    }
}

void
disk_undo(struct disk *disk, const struct disk_choice *choice)
{
    if (!disk->is_kept_up)
        return;
    for (uint32_t i = 0; i < disk->pending_count; i++) {
        const struct disk_unit *unit = &disk->pending[i];

        if (choice->taken[i] && disk->files[unit->file].fd >= 0)
            fd_undo(&disk->files[unit->file], unit);
    }
}

static bool
is_file_like(const struct disk *disk, uint32_t number, const char *folder, const char *name)
{
    struct file file = disk->files[number];
    uint8_t     page[DISK_PAGE_BYTES];
    struct stat status;
    int         fd = open_in(folder, name, O_RDONLY);
    bool        is_like;

    for (uint32_t i = 0; i < disk->pending_count; i++) {
        if (!is_of_names(&disk->pending[i]) && disk->pending[i].file == number)
            file_apply(&file, &disk->pending[i]); /* nothing of a state follows any more */
    }
    is_like = fstat(fd, &status) == 0 && (uint64_t)status.st_size == file.size;
    for (uint64_t at = 0; is_like && at < file.size; at += sizeof(page)) {
        size_t len = file.size - at < sizeof(page) ? file.size - at : sizeof(page);

        is_like = pread(fd, page, len, (off_t)at) == (ssize_t)len && memcmp(page, file.bytes + at, len) == 0;
    }
    (void)close(fd);
    return is_like;
}

bool
disk_is_like(const struct disk *disk, const char *folder, char difference[256])
{
    for (uint32_t i = 0; i < disk->seen.count; i++) {
        if (is_file_like(disk, disk->seen.of[i].file, folder, disk->seen.of[i].name))
            continue;
        (void)snprintf(difference, 256, "%s", disk->seen.of[i].name);
        return false;
    }
    return true;
}
