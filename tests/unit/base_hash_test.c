/* Proves that the three hashes are the published ones and that the CPU's way and the table's way of CRC-32C are the same function.
 * How: known answers (RFC 3720 appendix B.4; the reference vectors of SipHash; FIPS 180-4), then both CRCs over every length to
 * 300, every alignment, every split into two calls, and every flipped bit of a record. */
#include "support/test.h"

#include "base/hash.h"

static int
start(void **state)
{
    (void)state;
    return aw_hash_init() ? 0 : -1;
}

static void
crc32c_known_answers(void **state)
{
    unsigned char bytes[48];

    (void)state;
    assert_int_equal(aw_crc32c(0, "", 0), 0);
    assert_int_equal(aw_crc32c(0, "123456789", 9), 0xE3069283);
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(aw_crc32c(0, bytes, 32), 0x8A9136AA);
    memset(bytes, 0xFF, sizeof(bytes));
    assert_int_equal(aw_crc32c(0, bytes, 32), 0x62A8AB43);
    for (unsigned i = 0; i < 32; i++)
        bytes[i] = (unsigned char)i;
    assert_int_equal(aw_crc32c(0, bytes, 32), 0x46DD794E);
    for (unsigned i = 0; i < 32; i++)
        bytes[i] = (unsigned char)(31 - i);
    assert_int_equal(aw_crc32c(0, bytes, 32), 0x113FDB5C);
    assert_int_equal(aw_crc32c_soft(0, "123456789", 9), 0xE3069283);
}

static void
both_ways_agree(void **state)
{
    unsigned char bytes[400];
    uint64_t      random = 3720;

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)test_random(&random);
    for (size_t from = 0; from < 16; from++) {
        for (size_t len = 0; len <= 300; len++) {
            uint32_t all = aw_crc32c(0, bytes + from, len);

            assert_int_equal(all, aw_crc32c_soft(0, bytes + from, len));
            for (size_t cut = 0; cut <= len; cut += 7) {
                uint32_t head = aw_crc32c(0, bytes + from, cut);

                assert_int_equal(all, aw_crc32c(head, bytes + from + cut, len - cut));
                assert_int_equal(all, aw_crc32c_soft(head, bytes + from + cut, len - cut));
            }
        }
    }
}

static void
every_flipped_bit_is_seen(void **state)
{
    unsigned char bytes[128] = {0};
    uint32_t      good = aw_crc32c(0, bytes, sizeof(bytes));

    (void)state;
    for (size_t bit = 0; bit < sizeof(bytes) * 8; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1U << bit % 8);
        assert_int_not_equal(aw_crc32c(0, bytes, sizeof(bytes)), good);
        bytes[bit / 8] ^= (unsigned char)(1U << bit % 8);
    }
}

/* Key 00..0f, input 00..0e: the example of the paper's appendix A and the first vectors of its reference code. */
static void
siphash_known_answers(void **state)
{
    struct aw_hash_key key;
    struct aw_hash128  hash;
    unsigned char      input[15];

    (void)state;
    for (unsigned i = 0; i < sizeof(key.bytes); i++)
        key.bytes[i] = (unsigned char)i;
    for (unsigned i = 0; i < sizeof(input); i++)
        input[i] = (unsigned char)i;
    assert_true(aw_hash64(&key, input, 15) == UINT64_C(0xA129CA6149BE45E5));
    assert_true(aw_hash64(&key, input, 0) == UINT64_C(0x726FDB47DD0E0E31));
    hash = aw_hash128(&key, input, 0);
    assert_true(hash.low == UINT64_C(0xE6A825BA047F81A3));
    assert_true(hash.high == UINT64_C(0x930255C71472F66D));
    assert_true(aw_hash128_eq(hash, aw_hash128(&key, input, 0)));
    assert_false(aw_hash128_eq(hash, aw_hash128(&key, input, 1)));
    key.bytes[0] ^= 1;
    assert_false(aw_hash128_eq(hash, aw_hash128(&key, input, 0)));
}

static void
sha256_known_answers(void **state)
{
    static const unsigned char abc[32] = {0xBA, 0x78, 0x16, 0xBF, 0x8F, 0x01, 0xCF, 0xEA, 0x41, 0x41, 0x40,
                                          0xDE, 0x5D, 0xAE, 0x22, 0x23, 0xB0, 0x03, 0x61, 0xA3, 0x96, 0x17,
                                          0x7A, 0x9C, 0xB4, 0x10, 0xFF, 0x61, 0xF2, 0x00, 0x15, 0xAD};
    static const unsigned char none[32] = {0xE3, 0xB0, 0xC4, 0x42, 0x98, 0xFC, 0x1C, 0x14, 0x9A, 0xFB, 0xF4,
                                           0xC8, 0x99, 0x6F, 0xB9, 0x24, 0x27, 0xAE, 0x41, 0xE4, 0x64, 0x9B,
                                           0x93, 0x4C, 0xA4, 0x95, 0x99, 0x1B, 0x78, 0x52, 0xB8, 0x55};
    const struct aw_slice      parts[] = {AW_SLICE("a"), {NULL, 0}, AW_SLICE("bc")};
    struct aw_sha256           hash;

    (void)state;
    assert_true(aw_sha256(parts, 3, &hash));
    assert_memory_equal(hash.bytes, abc, 32);
    assert_true(aw_sha256(parts, 0, &hash));
    assert_memory_equal(hash.bytes, none, 32);
    /* The context is used again: no rest of the call before. */
    assert_true(aw_sha256(&AW_SLICE("abc"), 1, &hash));
    assert_memory_equal(hash.bytes, abc, 32);
}

static void
random_bytes_differ(void **state)
{
    unsigned char a[512] = {0};
    unsigned char b[512] = {0};
    unsigned      zeroes = 0;

    (void)state;
    assert_true(aw_random(a, sizeof(a)));
    assert_true(aw_random(b, sizeof(b)));
    assert_memory_not_equal(a, b, sizeof(a));
    for (size_t i = 0; i < sizeof(a); i++)
        zeroes += a[i] == 0;
    assert_true(zeroes < 30); /* two are expected; 30 come by chance less than once in 10^20 runs */
    assert_true(aw_random(a, 0));
}

/* Known answers of FNV-1a, 64 bits. */
static void
test_names(void **state)
{
    (void)state;
    assert_true(aw_hash_name("", 0) == UINT64_C(0xcbf29ce484222325));
    assert_true(aw_hash_name("a", 1) == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(aw_hash_name("foobar", 6) == UINT64_C(0x85944171f73967e8));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32c_known_answers),      cmocka_unit_test(both_ways_agree),
        cmocka_unit_test(every_flipped_bit_is_seen), cmocka_unit_test(siphash_known_answers),
        cmocka_unit_test(sha256_known_answers),      cmocka_unit_test(test_names),
        cmocka_unit_test(random_bytes_differ),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
