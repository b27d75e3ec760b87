/* save.c - replaces the file of tokens: written beside it, flushed, renamed, and the folder flushed. */
#include "access/line.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_BYTES (64U * AW_KIB)

static enum aw_err
write_whole(int fd, const char *bytes, size_t len, struct aw_why *why)
{
    size_t at = 0;

    while (at < len) {
        ssize_t count = write(fd, bytes + at, len - at);

        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return aw_why_errno(why, AW_E_IO, errno, "can't be written");
        at += (size_t)count;
    }
    return fsync(fd) == 0 ? AW_OK : aw_why_errno(why, AW_E_IO, errno, "can't be flushed");
}

/* -1: it can't be opened. */
static int
open_folder(const char *path)
{
    char        folder[PATH_MAX];
    const char *slash = strrchr(path, '/');

    if (slash == NULL)
        (void)snprintf(folder, sizeof(folder), ".");
    else
        (void)snprintf(folder, sizeof(folder), "%.*s", (int)(slash == path ? 1 : slash - path), path);
    return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* The folder's, as the file itself is replaced. */
enum aw_err
aw_tokens_lock(const char *path, int *ret_fd, struct aw_why *why)
{
    int fd = open_folder(path);

    if (fd < 0)
        return aw_why_errno(why, AW_E_IO, errno, "the folder of %s", path);
    if (flock(fd, LOCK_EX) != 0) {
        (void)close(fd); /* was not used */
        return aw_why_errno(why, AW_E_IO, errno, "the folder of %s can't be locked", path);
    }
    *ret_fd = fd;
    return AW_OK;
}

/* Without it the rename itself could be lost. */
static enum aw_err
flush_folder(const char *path, struct aw_why *why)
{
    int  fd = open_folder(path);
    bool ok;

    if (fd < 0)
        return aw_why_errno(why, AW_E_IO, errno, "its folder can't be opened");
    ok = fsync(fd) == 0;
    if (!ok)
        (void)aw_why_errno(why, AW_E_IO, errno, "its folder can't be flushed");
    (void)close(fd); /* was only flushed */
    return ok ? AW_OK : AW_E_IO;
}

/* A new file that root makes may be read by the group of its folder, unless that is root's own. So a service reads what only root
 * writes, as /etc/aswolk is made for. */
static void
group_of_folder(const char *path, struct stat *about)
{
    struct stat folder;
    int         fd = geteuid() == 0 ? open_folder(path) : -1;

    if (fd < 0)
        return;
    if (fstat(fd, &folder) == 0 && folder.st_gid != 0) {
        about->st_gid = folder.st_gid;
        about->st_mode |= S_IRGRP;
    }
    (void)close(fd); /* was only looked at */
}

/* Who could read the file that is replaced can read the one in its place. */
static enum aw_err
keep_readers(int fd, const char *path, struct aw_why *why)
{
    struct stat about, old;

    if (fstat(fd, &about) != 0)
        return aw_why_errno(why, AW_E_IO, errno, "can't be looked at");
    if (stat(path, &old) == 0) {
        about.st_uid = old.st_uid;
        about.st_gid = old.st_gid;
        about.st_mode |= old.st_mode & (S_IRGRP | S_IROTH);
    } else if (errno == ENOENT) {
        group_of_folder(path, &about);
    } else {
        return aw_why_errno(why, AW_E_IO, errno, "can't be looked at");
    }
    if (fchown(fd, about.st_uid, about.st_gid) != 0)
        return aw_why_errno(why, AW_E_IO, errno, "can't be given to its owner again");
    if (fchmod(fd, about.st_mode & (mode_t)~S_IFMT) != 0)
        return aw_why_errno(why, AW_E_IO, errno, "can't be made readable");
    return AW_OK;
}

static enum aw_err
replace(const char *path, struct aw_slice bytes, struct aw_why *why)
{
    char        beside[PATH_MAX];
    int         fd;
    enum aw_err err;

    if (snprintf(beside, sizeof(beside), "%s.new", path) >= (int)sizeof(beside))
        return aw_why(why, AW_E_CONFIG, "its path is too long");
    (void)unlink(beside); /* of one that was killed; whose it is decides who may read it */
    fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    if (fd < 0)
        return aw_why_errno(why, AW_E_IO, errno, "%s can't be made", beside);
    err = keep_readers(fd, path, why);
    if (err == AW_OK)
        err = write_whole(fd, bytes.ptr, bytes.len, why);
    if (close(fd) != 0 && err == AW_OK)
        err = aw_why_errno(why, AW_E_IO, errno, "can't be closed");
    if (err == AW_OK && rename(beside, path) != 0)
        err = aw_why_errno(why, AW_E_IO, errno, "can't be put into its place");
    if (err != AW_OK) {
        (void)unlink(beside); /* the old file stands as it was */
        return err;
    }
    return flush_folder(path, why);
}

enum aw_err
aw_tokens_save(const char *path, const struct aw_token *const *tokens, uint32_t count, struct aw_why *why)
{
    struct aw_blocks *blocks = aw_blocks_new(BLOCK_BYTES, 4ULL * AW_TOKENS_FILE_BYTES_MAX);
    struct aw_arena   arena;
    struct aw_buffer  buffer;
    enum aw_err       err;

    if (blocks == NULL)
        return aw_why(why, AW_E_MEMORY, "no memory for the tokens");
    aw_arena_init(&arena, blocks);
    aw_buffer_init(&buffer, &arena);
    for (uint32_t i = 0; i < count; i++)
        aw_token_line_write(&buffer, tokens[i]);
    if (buffer.failed)
        err = aw_why(why, AW_E_MEMORY, "no memory for the tokens");
    else if (buffer.len > AW_TOKENS_FILE_BYTES_MAX)
        err = aw_why(why, AW_E_CONFIG, "they would have more than %u bytes", AW_TOKENS_FILE_BYTES_MAX);
    else
        err = replace(path, aw_buffer_slice(&buffer), why);
    if (err != AW_OK)
        aw_why_prefix(why, "the tokens %s", path);
    aw_arena_reset(&arena);
    aw_blocks_free(&blocks);
    return err;
}
