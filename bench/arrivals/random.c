/* random.c - a generator and the distributions that the surge model names. */
#include "bench/arrivals/random.h"

#include "base/assert.h"

#include <math.h>

/* Above this mean a Poisson draw is a rounded normal one: the difference is below what any figure of ours shows. */
#define POISSON_EXACT_MAX 60.0

static uint64_t
splitmix(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

struct surge_random
surge_random_of(uint64_t seed)
{
    struct surge_random random;

    for (unsigned i = 0; i < 4; i++)
        random.state[i] = splitmix(&seed);
    return random;
}

uint64_t
surge_random_mix(uint64_t a, uint64_t b)
{
    uint64_t state = a * UINT64_C(0xd1342543de82ef95) + b;

    return splitmix(&state);
}

static uint64_t
rotate(uint64_t value, unsigned by)
{
    return value << by | value >> (64 - by);
}

uint64_t
surge_random_u64(struct surge_random *random)
{
    uint64_t *s = random->state;
    uint64_t  result = rotate(s[0] + s[3], 23) + s[0];
    uint64_t  t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t
surge_random_below(struct surge_random *random, uint64_t end)
{
    AW_ASSERT(end > 0);
    /* The bias is end / 2^64: none that could be seen. */
    return surge_random_u64(random) % end;
}

double
surge_random_unit(struct surge_random *random)
{
    return ((double)(surge_random_u64(random) >> 12) + 0.5) * 0x1p-52;
}

bool
surge_random_chance(struct surge_random *random, double probability)
{
    return surge_random_unit(random) < probability;
}

double
surge_random_exponential(struct surge_random *random)
{
    return -log(surge_random_unit(random));
}

double
surge_random_normal(struct surge_random *random)
{
    double radius = sqrt(2 * surge_random_exponential(random)); /* Box, Muller 1958 */

    return radius * cos(2 * 3.14159265358979323846 * surge_random_unit(random));
}

double
surge_random_lognormal(struct surge_random *random, double mu, double sigma)
{
    return exp(mu + sigma * surge_random_normal(random));
}

double
surge_random_gamma(struct surge_random *random, double shape)
{
    double d = shape - 1.0 / 3.0;
    double c = 1 / sqrt(9 * d);

    AW_ASSERT(shape >= 1);
    for (;;) { /* Marsaglia, Tsang 2000 */
        double x = surge_random_normal(random);
        double v = 1 + c * x;

        if (v <= 0)
            continue;
        v = v * v * v;
        if (log(surge_random_unit(random)) < 0.5 * x * x + d - d * v + d * log(v))
            return d * v;
    }
}

double
surge_random_beta(struct surge_random *random, double a, double b)
{
    double x = surge_random_gamma(random, a);
    double y = surge_random_gamma(random, b);

    return x / (x + y);
}

uint64_t
surge_random_poisson(struct surge_random *random, double mean)
{
    double   left = mean;
    uint64_t count = 0;

    if (mean > POISSON_EXACT_MAX) {
        double value = mean + sqrt(mean) * surge_random_normal(random) + 0.5;

        return value < 0 ? 0 : (uint64_t)value;
    }
    for (;;) {
        left -= surge_random_exponential(random);
        if (left < 0)
            return count;
        count++;
    }
}

unsigned
surge_random_pick(struct surge_random *random, const double *weights, unsigned count)
{
    double sum = 0;
    double at;

    AW_ASSERT(count > 0);
    for (unsigned i = 0; i < count; i++)
        sum += weights[i];
    at = sum * surge_random_unit(random);
    for (unsigned i = 0; i + 1 < count; i++) {
        at -= weights[i];
        if (at < 0)
            return i;
    }
    return count - 1;
}
