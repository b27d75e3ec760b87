/* random.h - random numbers by seed: the same sequence on every machine that has the same libm.
 *
 * xoshiro256++ (Blackman, Vigna 2019), its state filled by splitmix64. A value; the caller owns it. Thread: one at a time.
 * Cannot fail.
 */
#ifndef AW_BENCH_ARRIVALS_RANDOM_H
#define AW_BENCH_ARRIVALS_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct surge_random {
    uint64_t state[4];
};

struct surge_random surge_random_of(uint64_t seed);
/* One number out of two: for things that keep their traits without being remembered. */
uint64_t surge_random_mix(uint64_t a, uint64_t b);
uint64_t surge_random_u64(struct surge_random *random);
/* Below `end`, which is at least 1. */
uint64_t surge_random_below(struct surge_random *random, uint64_t end);
/* In (0, 1). */
double surge_random_unit(struct surge_random *random);
bool   surge_random_chance(struct surge_random *random, double probability);
/* With mean 1. */
double surge_random_exponential(struct surge_random *random);
double surge_random_normal(struct surge_random *random);
double surge_random_lognormal(struct surge_random *random, double mu, double sigma);
/* With mean `shape` and scale 1; shape at least 1. */
double surge_random_gamma(struct surge_random *random, double shape);
/* Both shapes at least 1. */
double   surge_random_beta(struct surge_random *random, double a, double b);
uint64_t surge_random_poisson(struct surge_random *random, double mean);
/* An index, with probability by weight; the weights need not add up to anything. */
unsigned surge_random_pick(struct surge_random *random, const double *weights, unsigned count);

#endif
