/* faults.c - makes calls on a store's files fail at a moment that a test chooses: a library for LD_PRELOAD.
 *
 *   CALL:N:ERRNO        the Nth such call on the data file fails (1 is the first), once; N+ : that one and all behind it
 *   CALL@WHAT:N:ERRNO   the same on: data ("data.mdb", "data.mdb.new"), keys (FILE.keys, FILE.keys.new), folder (any folder that is
 *                       flushed), all (these three)
 *   space:N:ERRNO       writing or allocating beyond byte N of the data file fails: a disk that is full
 *   accept:N:ERRNO      accepting a connection
 * CALL   fdatasync, fsync, write (pwrite, pwritev, writev, write), ftruncate, fallocate, open (for writing), rename, mmap, or any
 * ERRNO  EIO, ENOSPC, EDQUOT, EFBIG, ENOMEM, EMFILE, ENFILE; SHORT (half of the bytes are written); KILL (the process gets SIGKILL
 *        instead); HANG (it waits as long as there is a rule, and then succeeds)
 * From $ASWOLK_FAULT at start, or from the file that $ASWOLK_FAULT_FILE names: it is read whenever it appears or changes, and the
 * count starts anew; an empty or missing file means no faults. So a test can break a running server. When a call has failed, there
 * is a file of that name with ".met" behind it.
 * Thread: any; one mutex around rule and count.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT      __attribute__((visibility("default")))
#define FAULT_SHORT (-1)
#define FAULT_KILL  (-2)
#define FAULT_HANG  (-3)
#define FILE_DATA   1U
#define FILE_KEYS   2U
#define FILE_FOLDER 4U
#define FILE_SOCKET 8U
#define HANG_US     5000

struct rule {
    bool     set;
    char     call[16];
    unsigned what; /* FILE_* */
    uint64_t at;
    bool     and_behind;
    int      fault; /* an errno, or FAULT_* */
    uint64_t calls; /* so far */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct rule     rule;
static bool            started;
static struct timespec file_time;
static off_t           file_size = -1;

static int
fault_of(const char *name)
{
    static const struct {
        const char *name;
        int         fault;
    } faults[] = {{"EIO", EIO},           {"ENOSPC", ENOSPC},   {"EDQUOT", EDQUOT},   {"EFBIG", EFBIG},   {"ENOMEM", ENOMEM},
                  {"SHORT", FAULT_SHORT}, {"KILL", FAULT_KILL}, {"HANG", FAULT_HANG}, {"EMFILE", EMFILE}, {"ENFILE", ENFILE}};
    size_t i;

    for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        if (strcmp(name, faults[i].name) == 0)
            return faults[i].fault;
    }
    (void)fprintf(stderr, "faults: unknown error %s\n", name);
    abort();
}

static unsigned
what_of(const char *name)
{
    static const struct {
        const char *name;
        unsigned    what;
    } whats[] = {{"data", FILE_DATA}, {"keys", FILE_KEYS}, {"folder", FILE_FOLDER}, {"all", FILE_DATA | FILE_KEYS | FILE_FOLDER}};
    size_t i;

    for (i = 0; i < sizeof(whats) / sizeof(whats[0]); i++) {
        if (strcmp(name, whats[i].name) == 0)
            return whats[i].what;
    }
    (void)fprintf(stderr, "faults: unknown files %s\n", name);
    abort();
}

static void
rule_parse(const char *text)
{
    char name[16];
    char number[24];
    char call[16];
    char what[16] = "data";

    rule = (struct rule){.set = false};
    if (sscanf(text, "%15[a-z]@%15[a-z]:%23[0-9+]:%15[A-Z]", call, what, number, name) != 4 &&
        sscanf(text, "%15[a-z]:%23[0-9+]:%15[A-Z]", call, number, name) != 3)
        return;
    memcpy(rule.call, call, sizeof(call));
    rule.what = what_of(what);
    rule.at = strtoull(number, NULL, 10);
    rule.and_behind = strchr(number, '+') != NULL;
    rule.fault = fault_of(name);
    rule.set = true;
}

/* Under the mutex. */
static void
rule_refresh(void)
{
    const char *path = getenv("ASWOLK_FAULT_FILE");
    char        text[128] = "";
    struct stat status;
    int         fd;
    ssize_t     len;

    if (!started) {
        const char *first = getenv("ASWOLK_FAULT");

        started = true;
        if (first != NULL)
            rule_parse(first);
    }
    if (path == NULL)
        return;
    if (stat(path, &status) != 0) {
        if (file_size != -1)
            rule_parse("");
        file_size = -1;
        return;
    }
    if (status.st_size == file_size && status.st_mtim.tv_sec == file_time.tv_sec && status.st_mtim.tv_nsec == file_time.tv_nsec)
        return;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return; /* the next call looks again */
    file_size = status.st_size;
    file_time = status.st_mtim;
    len = read(fd, text, sizeof(text) - 1);
    (void)close(fd);
    text[len > 0 ? len : 0] = '\0';
    rule_parse(text);
}

static bool
ends_in(const char *path, const char *end)
{
    size_t len = strlen(path), end_len = strlen(end);

    return len >= end_len && strcmp(path + len - end_len, end) == 0;
}

/* Under the mutex: FILE.met appears beside the rule's file when a call has failed by it. */
static void
note_met(void)
{
    const char *path = getenv("ASWOLK_FAULT_FILE");
    char        met[4096];
    int         fd;

    if (path == NULL || snprintf(met, sizeof(met), "%s.met", path) >= (int)sizeof(met))
        return;
    fd = (int)syscall(SYS_openat, AT_FDCWD, met, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0)
        (void)close(fd);
}

/* FILE_*, or 0: none of ours. */
static unsigned
file_at(const char *path)
{
    struct stat status;

    if (ends_in(path, "/data.mdb") || ends_in(path, "/data.mdb.new"))
        return FILE_DATA;
    if (ends_in(path, ".keys") || ends_in(path, ".keys.new"))
        return FILE_KEYS;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode) ? FILE_FOLDER : 0;
}

static unsigned
file_of(int fd)
{
    char     link[64];
    char     path[4096];
    int      saved = errno;
    ssize_t  len;
    unsigned file;

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    len = readlink(link, path, sizeof(path) - 1);
    path[len > 0 ? len : 0] = '\0';
    file = path[0] == '/' ? file_at(path) : 0;
    errno = saved;
    return file;
}

/* 0: go on. Else what to do instead. `file`: FILE_*. `end` is where in the file the call would write up to. */
static int
fault_at(const char *call, unsigned file, uint64_t end)
{
    int saved = errno;
    int fault = 0;

    if (file == 0)
        return 0;
    (void)pthread_mutex_lock(&mutex);
    rule_refresh();
    if (rule.set && (rule.what & file) == 0 && file != FILE_SOCKET) {
        (void)pthread_mutex_unlock(&mutex);
        errno = saved;
        return 0;
    }
    if (rule.set && strcmp(rule.call, "space") == 0) {
        if (end > rule.at)
            fault = rule.fault;
    } else if (rule.set && (strcmp(rule.call, call) == 0 || (strcmp(rule.call, "any") == 0 && file != FILE_SOCKET))) {
        rule.calls++;
        if (rule.calls == rule.at || (rule.and_behind && rule.calls > rule.at))
            fault = rule.fault;
    }
    if (fault != 0)
        note_met();
    while (fault == FAULT_HANG) {
        (void)pthread_mutex_unlock(&mutex);
        (void)usleep(HANG_US);
        (void)pthread_mutex_lock(&mutex);
        rule_refresh();
        if (!rule.set)
            fault = 0;
    }
    (void)pthread_mutex_unlock(&mutex);
    if (fault == FAULT_KILL)
        (void)kill(getpid(), SIGKILL);
    errno = saved;
    return fault;
}

static int
fault_for(const char *call, int fd, uint64_t end)
{
    return fault_at(call, file_of(fd), end);
}

static int
fail_with(int fault)
{
    errno = fault == FAULT_SHORT ? EIO : fault;
    return -1;
}

/* By system call: what we stand in for must not be found again. Parameters are named as libc names them. */
EXPORT int
fdatasync(int fildes)
{
    int fault = fault_for("fdatasync", fildes, 0);

    return fault != 0 ? fail_with(fault) : (int)syscall(SYS_fdatasync, fildes);
}

EXPORT int
fsync(int fd)
{
    int fault = fault_for("fsync", fd, 0);

    return fault != 0 ? fail_with(fault) : (int)syscall(SYS_fsync, fd);
}

EXPORT ssize_t
pwrite(int fd, const void *buf, size_t n, off_t offset)
{
    int fault = fault_for("write", fd, (uint64_t)offset + n);

    if (fault == FAULT_SHORT)
        return syscall(SYS_pwrite64, fd, buf, n / 2, offset);
    return fault != 0 ? fail_with(fault) : syscall(SYS_pwrite64, fd, buf, n, offset);
}

EXPORT ssize_t
pwrite64(int fd, const void *buf, size_t n, off_t offset)
{
    return pwrite(fd, buf, n, offset);
}

static size_t
iov_bytes(const struct iovec *iov, int count)
{
    size_t bytes = 0;
    int    i;

    for (i = 0; i < count; i++)
        bytes += iov[i].iov_len;
    return bytes;
}

EXPORT ssize_t
writev(int fd, const struct iovec *iovec, int count)
{
    off_t at = lseek(fd, 0, SEEK_CUR);
    int   fault = fault_for("write", fd, (uint64_t)(at < 0 ? 0 : at) + iov_bytes(iovec, count));

    if (fault == FAULT_SHORT)
        return syscall(SYS_writev, fd, iovec, count / 2);
    return fault != 0 ? fail_with(fault) : syscall(SYS_writev, fd, iovec, count);
}

EXPORT ssize_t
pwritev(int fd, const struct iovec *iovec, int count, off_t offset)
{
    int fault = fault_for("write", fd, (uint64_t)offset + iov_bytes(iovec, count));

    if (fault == FAULT_SHORT)
        return syscall(SYS_pwrite64, fd, iovec[0].iov_base, iovec[0].iov_len / 2, offset);
    return fault != 0 ? fail_with(fault) : syscall(SYS_pwritev, fd, iovec, count, offset, 0);
}

EXPORT ssize_t
write(int fd, const void *buf, size_t n)
{
    unsigned file = file_of(fd);
    off_t    at = file == FILE_DATA ? lseek(fd, 0, SEEK_CUR) : 0;
    int      fault = file == FILE_FOLDER ? 0 : fault_at("write", file, (uint64_t)(at < 0 ? 0 : at) + n);

    if (fault == FAULT_SHORT)
        return syscall(SYS_write, fd, buf, n / 2);
    return fault != 0 ? fail_with(fault) : syscall(SYS_write, fd, buf, n);
}

EXPORT int
ftruncate(int fd, off_t length)
{
    int fault = fault_for("ftruncate", fd, (uint64_t)length);

    return fault != 0 ? fail_with(fault) : (int)syscall(SYS_ftruncate, fd, length);
}

EXPORT int
fallocate(int fd, int mode, off_t offset, off_t len)
{
    int fault = fault_for("fallocate", fd, (uint64_t)offset + (uint64_t)len);

    return fault != 0 ? fail_with(fault) : (int)syscall(SYS_fallocate, fd, mode, offset, len);
}

EXPORT int
fallocate64(int fd, int mode, off_t offset, off_t len)
{
    return fallocate(fd, mode, offset, len);
}

EXPORT void *
mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
    int fault = fd < 0 ? 0 : fault_for("mmap", fd, 0);

    if (fault != 0) {
        errno = fault == FAULT_SHORT ? EIO : fault;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, offset);
}

EXPORT void *
mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
    return mmap(addr, len, prot, flags, fd, offset);
}

/* The mode is there only when something may be created. */
EXPORT int
open(const char *file, int oflag, ...)
{
    mode_t mode = 0;
    int    fault = 0;

    if ((oflag & (O_CREAT | O_TMPFILE)) != 0) {
        va_list args;

        va_start(args, oflag);
        mode = va_arg(args, mode_t);
        va_end(args);
    }
    if ((oflag & O_ACCMODE) != O_RDONLY)
        fault = fault_at("open", file_at(file), 0);
    return fault != 0 ? fail_with(fault) : (int)syscall(SYS_openat, AT_FDCWD, file, oflag, mode);
}

EXPORT int
open64(const char *file, int oflag, ...)
{
    mode_t mode = 0;

    if ((oflag & (O_CREAT | O_TMPFILE)) != 0) {
        va_list args;

        va_start(args, oflag);
        mode = va_arg(args, mode_t);
        va_end(args);
    }
    return open(file, oflag, mode);
}

EXPORT int
rename(const char *old, const char *new)
{
    int fault = fault_at("rename", file_at(old), 0);

    return fault != 0 ? fail_with(fault) : (int)syscall(SYS_renameat, AT_FDCWD, old, AT_FDCWD, new);
}

EXPORT int
accept4(int fd, struct sockaddr *addr, socklen_t *addr_len, int flags)
{
    int fault = fault_at("accept", FILE_SOCKET, 0);

    return fault != 0 ? fail_with(fault) : (int)syscall(SYS_accept4, fd, addr, addr_len, flags);
}
