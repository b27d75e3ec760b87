#include "http/accept.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The socket ends a connection whose data is not acked for so long. */
#define DEAD_PEER_MS 20000
/* Unsent bytes in the kernel: more would only wait there, out of reach of what is more urgent. */
#define NOTSENT_BYTES 65536

/* Counting ---------------------------------------------------------------------------------------------------------------------*/

/* Open addressing with twice as many slots as connections may be: always a free one, short runs. */
struct gate_slot {
    uint64_t high; /* of the address; see address_of */
    uint64_t low;
    uint32_t count; /* 0: free */
};

struct aw_gate {
    uint64_t          seed; /* so that nobody outside can choose addresses that collide */
    uint32_t          count;
    uint32_t          count_max;
    uint32_t          per_address_max;
    uint32_t          mask;
    struct gate_slot *slots; /* owns */
};

struct aw_gate *
aw_gate_new(uint32_t connections_max, uint32_t per_address_max, uint64_t seed)
{
    struct aw_gate *gate;
    uint32_t        slots = 2;

    AW_ASSERT(connections_max >= 1);
    AW_ASSERT(connections_max <= 1u << 24);
    while (slots < connections_max * 2)
        slots *= 2;
    gate = aw_new(struct aw_gate);
    if (gate == NULL)
        return NULL;
    *gate = (struct aw_gate){.seed = seed, .count_max = connections_max, .per_address_max = per_address_max, .mask = slots - 1};
    gate->slots = aw_new_array(struct gate_slot, slots);
    if (gate->slots == NULL) {
        free(gate);
        return NULL;
    }
    return gate;
}

void
aw_gate_free(struct aw_gate **gate)
{
    if (*gate == NULL)
        return;
    AW_ASSERT((*gate)->count == 0);
    free((*gate)->slots);
    free(*gate);
    *gate = NULL;
}

static void
address_of(const struct aw_peer *peer, uint64_t *ret_high, uint64_t *ret_low)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    memcpy(ret_high, peer->address, sizeof(*ret_high));
    memcpy(ret_low, peer->address + 8, sizeof(*ret_low));
    if (memcmp(peer->address, mapped, sizeof(mapped)) != 0)
        *ret_low = 0; /* the /64 */
}

/* Mixer of splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t
mix(uint64_t value)
{
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

static uint32_t
home_of(const struct aw_gate *gate, uint64_t high, uint64_t low)
{
    return (uint32_t)mix(mix(high ^ gate->seed) ^ low) & gate->mask;
}

/* Its slot, or the free one where it would be. */
static uint32_t
find_slot(const struct aw_gate *gate, const struct aw_peer *peer)
{
    uint64_t high;
    uint64_t low;
    uint32_t at;

    address_of(peer, &high, &low);
    for (at = home_of(gate, high, low); gate->slots[at].count != 0; at = (at + 1) & gate->mask) {
        if (gate->slots[at].high == high && gate->slots[at].low == low)
            break;
    }
    return at;
}

/* Moves back what the freed slot has pushed away, so that no run is broken (Knuth, volume 3, 6.4, algorithm R). */
static void
close_gap(struct aw_gate *gate, uint32_t gap)
{
    for (uint32_t at = (gap + 1) & gate->mask; gate->slots[at].count != 0; at = (at + 1) & gate->mask) {
        uint32_t home = home_of(gate, gate->slots[at].high, gate->slots[at].low);

        if (((at - home) & gate->mask) >= ((at - gap) & gate->mask)) {
            gate->slots[gap] = gate->slots[at];
            gate->slots[at].count = 0;
            gap = at;
        }
    }
}

enum aw_gate_answer
aw_gate_try_enter(struct aw_gate *gate, const struct aw_peer *peer)
{
    uint32_t at;

    if (gate->count >= gate->count_max)
        return AW_GATE_FULL;
    if (gate->per_address_max != 0) {
        at = find_slot(gate, peer);
        if (gate->slots[at].count >= gate->per_address_max)
            return AW_GATE_ADDRESS;
        if (gate->slots[at].count == 0)
            address_of(peer, &gate->slots[at].high, &gate->slots[at].low);
        gate->slots[at].count++;
    }
    gate->count++;
    return AW_GATE_OPEN;
}

void
aw_gate_mark_known(struct aw_gate *gate, const struct aw_peer *peer)
{
    uint32_t at;

    if (gate->per_address_max == 0)
        return;
    at = find_slot(gate, peer);
    AW_ASSERT(gate->slots[at].count > 0);
    gate->slots[at].count--;
    if (gate->slots[at].count == 0)
        close_gap(gate, at);
}

void
aw_gate_leave(struct aw_gate *gate, const struct aw_peer *peer, bool was_known)
{
    AW_ASSERT(gate->count > 0);
    if (!was_known)
        aw_gate_mark_known(gate, peer);
    gate->count--;
}

bool
aw_gate_is_full(const struct aw_gate *gate)
{
    return gate->count >= gate->count_max;
}

uint32_t
aw_gate_count(const struct aw_gate *gate)
{
    return gate->count;
}

/* Accepting --------------------------------------------------------------------------------------------------------------------*/

void
aw_spare_init(struct aw_spare *spare)
{
    spare->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void
aw_spare_fini(struct aw_spare *spare)
{
    if (spare->fd >= 0)
        close(spare->fd);
    spare->fd = -1;
}

void
aw_spare_renew(struct aw_spare *spare)
{
    if (spare->fd < 0)
        aw_spare_init(spare);
}

static void
fill_peer(struct aw_peer *peer, const struct sockaddr_storage *address)
{
    *peer = (struct aw_peer){.port = 0};
    if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;

        memcpy(peer->address, &in6->sin6_addr, sizeof(peer->address));
        peer->port = ntohs(in6->sin6_port);
    } else if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;

        peer->address[10] = 0xff;
        peer->address[11] = 0xff;
        memcpy(peer->address + 12, &in->sin_addr, 4);
        peer->port = ntohs(in->sin_port);
    }
}

/* All of these only improve things: a socket that refuses one (a Unix socket) works without. */
static void
tune_socket(int fd)
{
    int on = 1;
    int lowat = NOTSENT_BYTES;
    int dead_ms = DEAD_PEER_MS;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof(lowat));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof(dead_ms));
}

/* Takes the oldest waiting connection with the descriptor that was kept back and closes it, so that the listener does not stay
 * readable for ever. */
static void
turn_one_away(int listener, struct aw_spare *spare)
{
    int fd;

    if (spare->fd < 0)
        return;
    close(spare->fd);
    fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    aw_spare_init(spare);
}

enum aw_err
aw_accept(int listener, struct aw_spare *spare, int *ret_fd, struct aw_peer *ret_peer)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t               len = sizeof(address);
    int                     fd = accept4(listener, (struct sockaddr *)(void *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0) {
        tune_socket(fd);
        fill_peer(ret_peer, &address);
        *ret_fd = fd;
        return AW_OK;
    }
    switch (errno) {
    case EAGAIN:
#if EWOULDBLOCK != EAGAIN
    case EWOULDBLOCK:
#endif
        return AW_E_AGAIN;
    case EMFILE:
    case ENFILE:
        turn_one_away(listener, spare);
        return AW_E_OVERLOADED;
    case ENOBUFS:
    case ENOMEM:
        return AW_E_OVERLOADED;
    case EBADF:
    case EINVAL:
    case ENOTSOCK:
    case EOPNOTSUPP:
    case EFAULT:
        return AW_E_IO;
    default:
        /* accept(2): pending errors of the new connection come out here too. */
        return AW_E_CLOSED;
    }
}
