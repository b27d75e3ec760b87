/* session_corpus.c - writes the seed corpus of session_fuzz: one small conversation a file, so that the fuzzer begins behind the
 * preface and the header compression. Not part of the build; to renew the seeds, in this folder:
 *
 *   cc session_corpus.c -o corpus-writer && ./corpus-writer corpus/session
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Requests in header compression: indexed method, scheme, path, and a literal authority "a". */
#define GET                                                                                                                      \
    "\x82\x86\x84\x01\x01"                                                                                                       \
    "a"
#define POST                                                                                                                     \
    "\x83\x86\x84\x01\x01"                                                                                                       \
    "a"
#define HELLO "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

struct seed {
    uint8_t  bytes[8192];
    size_t   len;
    uint32_t next; /* stream number */
};

static void
add(struct seed *seed, const void *bytes, size_t len)
{
    if (seed->len + len > sizeof(seed->bytes))
        abort();
    memcpy(seed->bytes + seed->len, bytes, len);
    seed->len += len;
}

static void
frame(struct seed *seed, uint8_t type, uint8_t flags, uint32_t stream, const void *payload, size_t len)
{
    uint8_t head[9] = {(uint8_t)(len >> 16),    (uint8_t)(len >> 8),     (uint8_t)len,           type,           flags,
                       (uint8_t)(stream >> 24), (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};

    add(seed, head, sizeof(head));
    add(seed, payload, len);
}

static struct seed
begin(uint8_t options, uint8_t pace)
{
    struct seed seed = {.next = 1};

    add(&seed, &options, 1);
    add(&seed, &pace, 1);
    return seed;
}

static void
get(struct seed *seed)
{
    frame(seed, 1, 5, seed->next, GET, sizeof(GET) - 1);
    seed->next += 2;
}

static void
post(struct seed *seed, size_t len)
{
    char body[4096];

    memset(body, '{', sizeof(body));
    frame(seed, 1, 4, seed->next, POST, sizeof(POST) - 1);
    frame(seed, 0, 1, seed->next, body, len);
    seed->next += 2;
}

static void
save(const struct seed *seed, const char *folder, const char *name)
{
    char  path[1024];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "wb");
    if (file == NULL || fwrite(seed->bytes, 1, seed->len, file) != seed->len || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

static void
save_requests(const char *folder)
{
    static const char *const names[] = {"get-at-once", "get-late", "get-streaming", "get-never"};
    struct seed              seed;

    for (uint8_t mode = 0; mode < 4; mode++) {
        seed = begin((uint8_t)(4 | mode), 0x03);
        for (int i = 0; i < 5; i++)
            get(&seed);
        save(&seed, folder, names[mode]);
    }
    seed = begin(4, 0x0f);
    post(&seed, 300);
    post(&seed, 4000);
    save(&seed, folder, "post");
    seed = begin(4 | 16, 0x02);
    for (int i = 0; i < 6; i++)
        post(&seed, 60);
    save(&seed, folder, "post-tight");
    seed = begin(4, 0x05); /* content-length: 999999999 */
    frame(&seed, 1, 4, 1,
          POST "\x0f\x0d\x09"
               "999999999",
          sizeof(POST) - 1 + 12);
    frame(&seed, 0, 0, 1, "abc", 3);
    save(&seed, folder, "large-by-length");
    seed = begin(4, 0x05); /* expect: 100-continue */
    frame(&seed, 1, 4, 1,
          POST "\x0f\x14\x0c"
               "100-continue",
          sizeof(POST) - 1 + 15);
    frame(&seed, 0, 1, 1, "abc", 3);
    save(&seed, folder, "expect");
    seed = begin(4, 0x05);
    frame(&seed, 1, 4, 1, POST, sizeof(POST) - 1);
    frame(&seed, 0, 0, 1, "abc", 3);
    frame(&seed, 1, 5, 1, "\x00\x01x\x01y", 5);
    save(&seed, folder, "trailers");
}

static void
save_abuse(const char *folder)
{
    struct seed seed = begin(4 | 1, 0x02);

    for (int i = 0; i < 30; i++) {
        get(&seed);
        frame(&seed, 3, 0, seed.next - 2, "\0\0\0\x08", 4);
    }
    save(&seed, folder, "rapid-reset");
    seed = begin(4 | 3 | 64, 0x02);
    for (int i = 0; i < 20; i++) {
        get(&seed);
        frame(&seed, 8, 0, seed.next - 2, "\x7f\xff\xff\xff", 4);
    }
    save(&seed, folder, "made-you-reset");
    seed = begin(4 | 16, 0x01);
    frame(&seed, 1, 0, 1, GET, sizeof(GET) - 1);
    for (int i = 0; i < 12; i++)
        frame(&seed, 9, 0, 1, "", 0);
    save(&seed, folder, "continuation");
    seed = begin(4 | 8, 0x0f);
    for (int i = 0; i < 60; i++) {
        frame(&seed, 6, 0, 0, "12345678", 8);
        frame(&seed, 4, 0, 0, "\0\4\0\0\0\0", 6);
    }
    save(&seed, folder, "control-deaf");
    seed = begin(4, 0x04);
    frame(&seed, 1, 4, 1, POST, sizeof(POST) - 1);
    for (int i = 0; i < 40; i++)
        frame(&seed, 0, 8, 1, "\3\0\0\0", 4);
    save(&seed, folder, "empty-data");
    seed = begin(4, 0x06); /* one-byte references */
    frame(&seed, 1, 5, 1, GET "\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90", sizeof(GET) - 1 + 16);
    save(&seed, folder, "references");
    seed = begin(4, 0x31);
    frame(&seed, 2, 0, 9, "\0\0\0\3\x10", 5);
    frame(&seed, 0x42, 0xff, 3, "what", 4);
    frame(&seed, 0x10, 0, 0, "\0\0\0\1u=1", 7);
    frame(&seed, 7, 0, 0, "\0\0\0\0\0\0\0\0", 8);
    save(&seed, folder, "odd-frames");
    seed = begin(4, 0x20);
    frame(&seed, 1, 4, 5, POST, sizeof(POST) - 1);
    frame(&seed, 1, 5, 3, GET, sizeof(GET) - 1);
    save(&seed, folder, "passed-over");
    seed = begin(4 | 32 | 1, 0x02);
    for (int i = 0; i < 6; i++)
        get(&seed);
    save(&seed, folder, "drain");
    seed = begin(4 | 8, 0x83);
    post(&seed, 100);
    frame(&seed, 1, 4, 3, POST, sizeof(POST) - 1);
    frame(&seed, 0, 0, 3, "slow", 4);
    save(&seed, folder, "slow");
}

static void
save_first_lines(const char *folder)
{
    struct seed seed = begin(0, 0x00);

    add(&seed, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27);
    save(&seed, folder, "http1");
    seed = begin(0, 0x00);
    add(&seed, "\x16\x03\x01\x00\xa5\x01\x00", 7);
    save(&seed, folder, "tls-hello");
    seed = begin(0, 0x01);
    add(&seed, HELLO, sizeof(HELLO) - 1);
    frame(&seed, 4, 0, 0, "", 0);
    get(&seed);
    save(&seed, folder, "preface");
}

int
main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    save_requests(argv[1]);
    save_abuse(argv[1]);
    save_first_lines(argv[1]);
    return 0;
}
