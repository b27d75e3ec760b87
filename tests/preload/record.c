/* record.c - logs what a server does to its data folder and its key file, and what it sends to its clients, in one order: a library
 * for LD_PRELOAD.
 *
 *   ASWOLK_RECORD_FOLDER  the data folder, as an absolute path without links
 *   ASWOLK_RECORD         the log (preload/record.h), which is appended to: servers that follow each other share one
 * Left out: lock.mdb, LMDB's table of readers, which is shared memory and made anew by whoever opens the store alone; the locks,
 * whose bytes nobody reads back; the certificate that --dev makes. No start of the store reads them, and as nobody flushes the last
 * two, they would stay pending for ever.
 * Thread: any; one mutex around the log. A write is by system call: what we stand in for must not be found again.
 */
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT     __attribute__((visibility("default")))
#define PATH_BYTES 4096

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int             log_fd = -1;
static uint64_t        log_end;

/* --- the log ---------------------------------------------------------------------------------------------------------------- */

static void
give_up(const char *what)
{
    (void)fprintf(stderr, "record: %s: %s\n", what, strerror(errno));
    abort();
}

/* Under the mutex. */
static void
log_open(void)
{
    const char *path = getenv("ASWOLK_RECORD");
    struct stat status;

    if (path == NULL)
        give_up("ASWOLK_RECORD is not set");
    log_fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0 || fstat(log_fd, &status) != 0)
        give_up(path);
    log_end = (uint64_t)status.st_size;
}

/* Returns the entry's place. errno stays. */
static uint64_t
note(struct record_head head, const struct iovec *parts, int count)
{
    struct iovec all[IOV_MAX + 1];
    uint64_t     place;
    int          saved = errno;
    int          i;

    head.bytes = 0;
    for (i = 0; i < count; i++) {
        all[i + 1] = parts[i];
        head.bytes += (uint32_t)parts[i].iov_len;
    }
    all[0] = (struct iovec){&head, sizeof(head)};
    (void)pthread_mutex_lock(&mutex);
    if (log_fd < 0)
        log_open();
    place = log_end;
    if (syscall(SYS_writev, log_fd, all, count + 1) != (long)(sizeof(head) + head.bytes))
        give_up("writing the log");
    log_end += sizeof(head) + head.bytes;
    (void)pthread_mutex_unlock(&mutex);
    errno = saved;
    return place;
}

static uint64_t
note_text(struct record_head head, const char *text, size_t len)
{
    struct iovec part = {(void *)(uintptr_t)text, len};

    return note(head, &part, 1);
}

/* --- which file it is ------------------------------------------------------------------------------------------------------- */

static bool
is_left_out(const char *name)
{
    static const char *const names[] = {"lock", ".keys.lock", "lock.mdb", "dev-key.pem", "dev-cert.pem"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

/* The name within the folder, "" for itself, ".." for what it lies in; ".keys" for what lies beside it and bears its name with that
 * behind it; NULL for anything else. */
static const char *
name_in_folder(const char *path)
{
    const char *folder = getenv("ASWOLK_RECORD_FOLDER");
    size_t      len = folder == NULL ? 0 : strlen(folder);
    const char *slash = folder == NULL ? NULL : strrchr(folder, '/');

    if (slash == NULL)
        return NULL;
    if (strncmp(path, folder, (size_t)(slash - folder)) == 0 && path[slash - folder] == '\0')
        return "..";
    if (strncmp(path, folder, len) != 0 || (path[len] != '\0' && path[len] != '/' && path[len] != '.'))
        return NULL;
    path += path[len] == '/' ? len + 1 : len;
    return is_left_out(path) ? NULL : path;
}

/* False: not of the folder. errno stays. */
static bool
find_file(int fd, uint64_t *ret_file, char name[PATH_BYTES])
{
    char        link[64];
    char        path[PATH_BYTES];
    struct stat status;
    const char *within;
    int         saved = errno;
    ssize_t     len;

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    len = readlink(link, path, sizeof(path) - 1);
    path[len > 0 ? len : 0] = '\0';
    within = name_in_folder(path);
    if (within != NULL && fstat(fd, &status) == 0) {
        *ret_file = status.st_ino;
        (void)snprintf(name, PATH_BYTES, "%s", within);
    } else {
        within = NULL;
    }
    errno = saved;
    return within != NULL;
}

static bool
is_socket(int fd, uint64_t *ret_file)
{
    struct stat status;
    int         saved = errno;
    bool        is = fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);

    *ret_file = is ? status.st_ino : 0;
    errno = saved;
    return is;
}

/* --- bytes ------------------------------------------------------------------------------------------------------------------ */

struct writing {
    bool     is_ours;
    bool     is_synced;
    bool     is_sent;
    uint64_t place;
};

/* `offset` -1: where the descriptor stands. */
static struct writing
write_begin(int fd, const struct iovec *parts, int count, off_t offset)
{
    struct writing     writing = {.is_ours = false};
    struct record_head head = {.kind = RECORD_WRITE};
    char               name[PATH_BYTES];
    int                flags;

    if (is_socket(fd, &head.file)) {
        head.kind = RECORD_SENDING;
        writing.is_sent = true;
    } else if (!find_file(fd, &head.file, name)) {
        return writing;
    }
    if (!writing.is_sent) {
        flags = fcntl(fd, F_GETFL);
        writing.is_synced = flags >= 0 && (flags & O_DSYNC) != 0;
        if (offset < 0)
            offset = lseek(fd, 0, (flags & O_APPEND) != 0 ? SEEK_END : SEEK_CUR);
        head.at = (uint64_t)offset;
    }
    writing.is_ours = true;
    writing.place = note(head, parts, count);
    return writing;
}

static ssize_t
write_end(const struct writing *writing, ssize_t result)
{
    struct record_head head = {.kind = RECORD_WRITTEN, .at = writing->place};

    if (!writing->is_ours)
        return result;
    if (writing->is_sent) {
        head.kind = RECORD_SENT;
        head.length = result > 0 ? (uint64_t)result : 0;
        (void)note(head, NULL, 0);
    } else if (writing->is_synced && result >= 0) {
        (void)note(head, NULL, 0);
    }
    return result;
}

EXPORT ssize_t
pwrite(int fd, const void *buf, size_t n, off_t offset)
{
    struct iovec   part = {(void *)(uintptr_t)buf, n};
    struct writing writing = write_begin(fd, &part, 1, offset);

    return write_end(&writing, syscall(SYS_pwrite64, fd, buf, n, offset));
}

EXPORT ssize_t
pwrite64(int fd, const void *buf, size_t n, off_t offset)
{
    return pwrite(fd, buf, n, offset);
}

EXPORT ssize_t
write(int fd, const void *buf, size_t n)
{
    struct iovec   part = {(void *)(uintptr_t)buf, n};
    struct writing writing = write_begin(fd, &part, 1, -1);

    return write_end(&writing, syscall(SYS_write, fd, buf, n));
}

EXPORT ssize_t
writev(int fd, const struct iovec *iovec, int count)
{
    struct writing writing = write_begin(fd, iovec, count, -1);

    return write_end(&writing, syscall(SYS_writev, fd, iovec, count));
}

EXPORT ssize_t
pwritev(int fd, const struct iovec *iovec, int count, off_t offset)
{
    struct writing writing = write_begin(fd, iovec, count, offset);

    return write_end(&writing, syscall(SYS_pwritev, fd, iovec, count, offset, 0));
}

EXPORT ssize_t
pwritev64(int fd, const struct iovec *iovec, int count, off_t offset)
{
    return pwritev(fd, iovec, count, offset);
}

EXPORT ssize_t
send(int fd, const void *buf, size_t n, int flags)
{
    struct iovec   part = {(void *)(uintptr_t)buf, n};
    struct writing writing = write_begin(fd, &part, 1, -1);

    return write_end(&writing, syscall(SYS_sendto, fd, buf, n, flags, NULL, 0));
}

/* --- lengths and flushes ---------------------------------------------------------------------------------------------------- */

EXPORT int
ftruncate(int fd, off_t length)
{
    struct record_head head = {.kind = RECORD_TRUNCATE, .at = (uint64_t)length};
    char               name[PATH_BYTES];

    if (find_file(fd, &head.file, name))
        (void)note(head, NULL, 0);
    return (int)syscall(SYS_ftruncate, fd, length);
}

EXPORT int
ftruncate64(int fd, off_t length)
{
    return ftruncate(fd, length);
}

EXPORT int
fallocate(int fd, int mode, off_t offset, off_t len)
{
    struct record_head head = {.kind = RECORD_ALLOCATE, .at = (uint64_t)offset, .length = (uint64_t)len};
    char               name[PATH_BYTES];

    if (find_file(fd, &head.file, name)) {
        if (mode != 0)
            head.kind = RECORD_STRANGE;
        (void)note_text(head, "fallocate", mode != 0 ? 9 : 0);
    }
    return (int)syscall(SYS_fallocate, fd, mode, offset, len);
}

EXPORT int
fallocate64(int fd, int mode, off_t offset, off_t len)
{
    return fallocate(fd, mode, offset, len);
}

static int
note_flush(int fd, int result)
{
    struct record_head head = {.kind = RECORD_FLUSH};
    char               name[PATH_BYTES];
    struct stat        status;

    if (result != 0 || !find_file(fd, &head.file, name))
        return result;
    if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode))
        head.kind = RECORD_FLUSH_FOLDER;
    (void)note_text(head, name, strlen(name));
    return result;
}

EXPORT int
fdatasync(int fildes)
{
    return note_flush(fildes, (int)syscall(SYS_fdatasync, fildes));
}

EXPORT int
fsync(int fd)
{
    return note_flush(fd, (int)syscall(SYS_fsync, fd));
}

/* Written through memory is written without us. */
EXPORT void *
mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
    struct record_head head = {.kind = RECORD_STRANGE};
    char               name[PATH_BYTES];

    if (fd >= 0 && (flags & MAP_SHARED) != 0 && (prot & PROT_WRITE) != 0 && find_file(fd, &head.file, name))
        (void)note_text(head, "mmap", 4);
    return (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, offset);
}

EXPORT void *
mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
    return mmap(addr, len, prot, flags, fd, offset);
}

/* --- names ------------------------------------------------------------------------------------------------------------------ */

static int
open_noted(int folder, const char *path, int flags, mode_t mode)
{
    const char        *name = folder == AT_FDCWD ? name_in_folder(path) : NULL;
    struct record_head head = {.kind = RECORD_CREATE};
    struct stat        status;
    bool               was_there;
    int                fd;

    if (name == NULL || (flags & (O_CREAT | O_TRUNC)) == 0)
        return (int)syscall(SYS_openat, folder, path, flags, mode);
    was_there = access(path, F_OK) == 0;
    fd = (int)syscall(SYS_openat, folder, path, flags, mode);
    if (fd < 0 || fstat(fd, &status) != 0)
        return fd;
    head.file = status.st_ino;
    if (!was_there) {
        (void)note_text(head, name, strlen(name));
    } else if ((flags & O_TRUNC) != 0) {
        head.kind = RECORD_TRUNCATE;
        (void)note(head, NULL, 0);
    }
    return fd;
}

/* The mode is there only when something may be created. */
#define OPEN_MODE(flags, mode)                                                                                                   \
    do {                                                                                                                         \
        if (((flags) & (O_CREAT | O_TMPFILE)) != 0) {                                                                            \
            va_list args;                                                                                                        \
            va_start(args, flags);                                                                                               \
            (mode) = va_arg(args, mode_t);                                                                                       \
            va_end(args);                                                                                                        \
        }                                                                                                                        \
    } while (0)

EXPORT int
open(const char *file, int oflag, ...)
{
    mode_t mode = 0;

    OPEN_MODE(oflag, mode);
    return open_noted(AT_FDCWD, file, oflag, mode);
}

EXPORT int
open64(const char *file, int oflag, ...)
{
    mode_t mode = 0;

    OPEN_MODE(oflag, mode);
    return open_noted(AT_FDCWD, file, oflag, mode);
}

EXPORT int
openat(int fd, const char *file, int oflag, ...)
{
    mode_t mode = 0;

    OPEN_MODE(oflag, mode);
    return open_noted(fd, file, oflag, mode);
}

EXPORT int
openat64(int fd, const char *file, int oflag, ...)
{
    mode_t mode = 0;

    OPEN_MODE(oflag, mode);
    return open_noted(fd, file, oflag, mode);
}

/* Names before the call: what another process sees of them is as uncertain as what a cut leaves. */
EXPORT int
rename(const char *old, const char *new)
{
    const char  *from = name_in_folder(old);
    const char  *to = name_in_folder(new);
    struct iovec parts[] = {{(void *)(uintptr_t)from, from == NULL ? 0 : strlen(from) + 1},
                            {(void *)(uintptr_t)to, to == NULL ? 0 : strlen(to)}};

    if (from != NULL && to != NULL)
        (void)note((struct record_head){.kind = RECORD_RENAME}, parts, 2);
    else if (from != NULL || to != NULL)
        (void)note_text((struct record_head){.kind = RECORD_STRANGE}, "rename", 6);
    return (int)syscall(SYS_renameat, AT_FDCWD, old, AT_FDCWD, new);
}

EXPORT int
unlink(const char *name)
{
    const char *within = name_in_folder(name);

    if (within != NULL && access(name, F_OK) == 0)
        (void)note_text((struct record_head){.kind = RECORD_REMOVE}, within, strlen(within));
    return (int)syscall(SYS_unlinkat, AT_FDCWD, name, 0);
}

EXPORT int
mkdir(const char *path, mode_t mode)
{
    const char *name = name_in_folder(path);
    int         result = (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);

    if (result == 0 && name != NULL)
        (void)note_text((struct record_head){.kind = RECORD_FOLDER}, name, strlen(name));
    return result;
}
