/* texts.h - made-up words for the arrivals of the generator, in eight languages.
 *
 * Sentences of the class, then such that anybody writes, until the length is reached; cut between words. The same arrival has
 * the same text each time. Nobody wrote them; no airline, place or person of that name exists. Owns nothing. Thread: any.
 * Fails only through the buffer (`failed`).
 */
#ifndef AW_BENCH_ARRIVALS_TEXTS_H
#define AW_BENCH_ARRIVALS_TEXTS_H

#include "base/arena.h"
#include "bench/arrivals/generator.h"

/* At least one byte, well-formed UTF-8, at most 64 KiB. */
void surge_texts_write(const struct surge_arrival *arrival, struct aw_buffer *buffer);

#endif
