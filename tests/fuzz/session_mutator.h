/* session_mutator.h - changes a conversation as HTTP/2 frames (session_mutator.c). */
#ifndef AW_TESTS_FUZZ_SESSION_MUTATOR_H
#define AW_TESTS_FUZZ_SESSION_MUTATOR_H

#include <stddef.h>
#include <stdint.h>

/* Changes `size` bytes at `data`, of which there is room for `room`; returns the new size: LLVMFuzzerMutate. */
typedef size_t session_mutate(uint8_t *data, size_t size, size_t room);

/* The same as LLVMFuzzerCustomMutator, with `mutate` for the bytes of a payload. */
size_t session_mutator(uint8_t *data, size_t size, size_t room, uint32_t seed, session_mutate *mutate);

#endif
