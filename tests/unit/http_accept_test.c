/* Proves that connections are counted exactly, in all and by address, through any order of coming and going, and that accepting
 * goes on when the process has no descriptors left. How: random comings and goings beside a plain array of counts; a real
 * listener on the loopback under a lowered limit of descriptors. */
#include "support/random.h"

#include "http/accept.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>

static struct aw_peer
peer_v4(uint8_t last)
{
    struct aw_peer peer = {.address = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = last}};

    return peer;
}

static struct aw_peer
peer_v6(uint8_t net, uint8_t host)
{
    struct aw_peer peer = {.address = {0x20, 0x01, [7] = net, [15] = host}};

    return peer;
}

static void
limits_in_all_and_by_address(void **state)
{
    struct aw_gate *gate = aw_gate_new(5, 2, 1);
    struct aw_peer  a = peer_v4(1);
    struct aw_peer  b = peer_v4(2);

    (void)state;
    assert_int_equal(aw_gate_try_enter(gate, &a), AW_GATE_OPEN);
    assert_int_equal(aw_gate_try_enter(gate, &a), AW_GATE_OPEN);
    assert_int_equal(aw_gate_try_enter(gate, &a), AW_GATE_ADDRESS);
    aw_gate_mark_known(gate, &a); /* one of the two proved who it is */
    assert_int_equal(aw_gate_try_enter(gate, &a), AW_GATE_OPEN);
    assert_int_equal(aw_gate_try_enter(gate, &a), AW_GATE_ADDRESS);
    assert_int_equal(aw_gate_try_enter(gate, &b), AW_GATE_OPEN);
    assert_int_equal(aw_gate_try_enter(gate, &b), AW_GATE_OPEN);
    assert_true(aw_gate_is_full(gate));
    assert_int_equal(aw_gate_try_enter(gate, &b), AW_GATE_FULL);
    assert_int_equal(aw_gate_count(gate), 5);
    aw_gate_leave(gate, &a, true);
    assert_int_equal(aw_gate_try_enter(gate, &a), AW_GATE_ADDRESS);
    aw_gate_leave(gate, &a, false);
    aw_gate_leave(gate, &a, false);
    aw_gate_leave(gate, &b, false);
    aw_gate_leave(gate, &b, false);
    assert_int_equal(aw_gate_count(gate), 0);
    aw_gate_free(&gate);
    assert_null(gate);
}

static void
networks_count_as_one(void **state)
{
    struct aw_gate *gate = aw_gate_new(10, 1, 7);
    struct aw_peer  first = peer_v6(1, 1);
    struct aw_peer  same = peer_v6(1, 2);
    struct aw_peer  other = peer_v6(2, 1);
    struct aw_gate *open = aw_gate_new(3, 0, 7);

    (void)state;
    assert_int_equal(aw_gate_try_enter(gate, &first), AW_GATE_OPEN);
    assert_int_equal(aw_gate_try_enter(gate, &same), AW_GATE_ADDRESS);
    assert_int_equal(aw_gate_try_enter(gate, &other), AW_GATE_OPEN);
    aw_gate_leave(gate, &same, false);
    aw_gate_leave(gate, &other, false);
    aw_gate_free(&gate);
    /* Without a limit by address. */
    for (int i = 0; i < 3; i++)
        assert_int_equal(aw_gate_try_enter(open, &first), AW_GATE_OPEN);
    aw_gate_mark_known(open, &first);
    aw_gate_leave(open, &first, true);
    aw_gate_leave(open, &first, false);
    aw_gate_leave(open, &first, false);
    aw_gate_free(&open);
}

static void
any_order_keeps_the_counts(void **state)
{
    enum { ALL = 60, EACH = 4, STEPS = 200000 };
    struct random   random = random_of(random_seed(3));
    uint32_t        counts[256] = {0};
    uint32_t        total = 0;
    struct aw_gate *gate = aw_gate_new(ALL, EACH, random_next(&random));

    (void)state;
    for (uint32_t i = 0; i < STEPS; i++) {
        uint8_t        last = (uint8_t)random_below(&random, 200);
        struct aw_peer peer = peer_v4(last);

        if (random_below(&random, 2) == 0) {
            enum aw_gate_answer expected = total == ALL ? AW_GATE_FULL : counts[last] == EACH ? AW_GATE_ADDRESS : AW_GATE_OPEN;

            assert_int_equal(aw_gate_try_enter(gate, &peer), expected);
            if (expected == AW_GATE_OPEN) {
                counts[last]++;
                total++;
            }
        } else if (counts[last] > 0) {
            aw_gate_leave(gate, &peer, false);
            counts[last]--;
            total--;
        }
        assert_int_equal(aw_gate_count(gate), total);
    }
    for (int last = 0; last < 256; last++) {
        struct aw_peer peer = peer_v4((uint8_t)last);

        for (; counts[last] > 0; counts[last]--)
            aw_gate_leave(gate, &peer, false);
    }
    aw_gate_free(&gate);
}

static int
listen_on_loopback(struct sockaddr_in *ret_address)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t          len = sizeof(address);
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)(void *)&address, len), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)(void *)ret_address, &len), 0);
    return fd;
}

static int
connect_to(struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)(void *)address, sizeof(*address)), 0);
    return fd;
}

static void
accepting_without_descriptors(void **state)
{
    struct sockaddr_in address;
    int                listener = listen_on_loopback(&address);
    struct aw_spare    spare;
    struct aw_peer     peer;
    struct rlimit      old;
    struct rlimit      low;
    int                fd = -1;
    int                clients[3];
    char               byte;

    (void)state;
    aw_spare_init(&spare);
    assert_true(spare.fd >= 0);
    assert_int_equal(aw_accept(listener, &spare, &fd, &peer), AW_E_AGAIN);
    for (int i = 0; i < 3; i++)
        clients[i] = connect_to(&address);
    assert_int_equal(aw_accept(listener, &spare, &fd, &peer), AW_OK);
    assert_int_equal(peer.address[10], 0xff);
    assert_int_equal(peer.address[12], 127);
    assert_int_equal(peer.address[15], 1);
    assert_true(peer.port > 0);
    assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    low.rlim_cur = (rlim_t)fd + 1; /* every number up to here is taken */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_int_equal(aw_accept(listener, &spare, &fd, &peer), AW_E_OVERLOADED);
    assert_true(spare.fd >= 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(recv(clients[1], &byte, 1, 0), 0); /* that one was turned away, the next is served */
    close(fd);
    assert_int_equal(aw_accept(listener, &spare, &fd, &peer), AW_OK);
    close(fd);
    assert_int_equal(aw_accept(clients[0], &spare, &fd, &peer), AW_E_IO);
    for (int i = 0; i < 3; i++)
        close(clients[i]);
    close(listener);
    aw_spare_fini(&spare);
    aw_spare_fini(&spare);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_in_all_and_by_address),
        cmocka_unit_test(networks_count_as_one),
        cmocka_unit_test(any_order_keeps_the_counts),
        cmocka_unit_test(accepting_without_descriptors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
