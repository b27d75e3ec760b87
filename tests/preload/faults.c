/* faults.c - makes writes to a store fail at a moment that a test chooses: a library for LD_PRELOAD.
 *
 * Only calls on files whose path ends in "data.mdb" (or "data.mdb.new") are looked at. The rule:
 *   CALL:N:ERRNO    the Nth such call fails (1 is the first), once; N+ : that one and all behind it
 *   space:N:ERRNO   writing or allocating beyond byte N of the file fails: a disk that is full
 * CALL   fdatasync, fsync, write (pwrite, pwritev, writev, write), ftruncate, fallocate, or any
 * ERRNO  EIO, ENOSPC, EDQUOT, EFBIG, ENOMEM; SHORT (half of the bytes are written); KILL (the process gets SIGKILL instead);
 *        HANG (it waits as long as there is a rule, and then succeeds)
 * From $ASWOLK_FAULT at start, or from the file that $ASWOLK_FAULT_FILE names: it is read whenever it appears or changes, and the
 * count starts anew; an empty or missing file means no faults. So a test can break a running server.
 * Thread: any; one mutex around rule and count.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT      __attribute__((visibility("default")))
#define FAULT_SHORT (-1)
#define FAULT_KILL  (-2)
#define FAULT_HANG  (-3)
#define HANG_US     5000

struct rule {
    bool     set;
    char     call[16];
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
    } faults[] = {{"EIO", EIO},       {"ENOSPC", ENOSPC},     {"EDQUOT", EDQUOT},   {"EFBIG", EFBIG},
                  {"ENOMEM", ENOMEM}, {"SHORT", FAULT_SHORT}, {"KILL", FAULT_KILL}, {"HANG", FAULT_HANG}};
    size_t i;

    for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        if (strcmp(name, faults[i].name) == 0)
            return faults[i].fault;
    }
    (void)fprintf(stderr, "faults: unknown error %s\n", name);
    abort();
}

static void
rule_parse(const char *text)
{
    char name[16];
    char number[24];
    char call[16];

    rule = (struct rule){.set = false};
    if (sscanf(text, "%15[a-z]:%23[0-9+]:%15[A-Z]", call, number, name) != 3)
        return;
    memcpy(rule.call, call, sizeof(call));
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
    file_size = status.st_size;
    file_time = status.st_mtim;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    len = read(fd, text, sizeof(text) - 1);
    (void)close(fd);
    text[len > 0 ? len : 0] = '\0';
    rule_parse(text);
}

static bool
is_store(int fd)
{
    char    link[64];
    char    path[4096];
    ssize_t len;

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    len = readlink(link, path, sizeof(path) - 1);
    if (len < 8)
        return false;
    path[len] = '\0';
    return strcmp(path + len - 8, "data.mdb") == 0 || (len >= 12 && strcmp(path + len - 12, "data.mdb.new") == 0);
}

/* 0: go on. Else what to do instead. `end` is where in the file the call would write up to. */
static int
fault_for(const char *call, int fd, uint64_t end)
{
    int fault = 0;

    if (!is_store(fd))
        return 0;
    (void)pthread_mutex_lock(&mutex);
    rule_refresh();
    if (rule.set && strcmp(rule.call, "space") == 0) {
        if (end > rule.at)
            fault = rule.fault;
    } else if (rule.set && (strcmp(rule.call, call) == 0 || strcmp(rule.call, "any") == 0)) {
        rule.calls++;
        if (rule.calls == rule.at || (rule.and_behind && rule.calls > rule.at))
            fault = rule.fault;
    }
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
    return fault;
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
