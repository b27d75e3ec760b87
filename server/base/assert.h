/* assert.h - assertions that check us, never the world. Always on, in release builds too.
 *
 * AW_ASSERT   one fact. A failure prints file, line and the fact to stderr and aborts: after it nothing may be acknowledged.
 * AW_IMPLIES  if `a` holds, `b` must.
 * AW_AUDIT    a costly walk; compiled in only with AW_WITH_AUDIT (tests, sanitizers, simulation).
 * AW_UNREACHABLE  a place that the code above makes impossible.
 */
#ifndef AW_BASE_ASSERT_H
#define AW_BASE_ASSERT_H

#define AW_MUST_USE                   __attribute__((warn_unused_result))
#define AW_PRINTF(format_at, args_at) __attribute__((format(printf, format_at, args_at)))
#define AW_NORETURN                   __attribute__((noreturn, cold))
#define AW_STATIC_ASSERT(fact, text)  _Static_assert(fact, text)
#define AW_ARRAY_LEN(array)           (sizeof(array) / sizeof((array)[0]))
#define AW_CACHE_LINE                 64
/* The struct that holds `member`, from a pointer to that member. */
#define AW_CONTAINER(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

AW_NORETURN void aw_assert_failed(const char *file, int line, const char *fact);

#define AW_ASSERT(fact)  (__builtin_expect(!!(fact), 1) ? (void)0 : aw_assert_failed(__FILE__, __LINE__, #fact))
#define AW_IMPLIES(a, b) AW_ASSERT(!(a) || (b))
#define AW_UNREACHABLE() aw_assert_failed(__FILE__, __LINE__, "unreachable")
#ifdef AW_WITH_AUDIT
#define AW_AUDIT(fact) AW_ASSERT(fact)
#else
#define AW_AUDIT(fact) ((void)sizeof(fact))
#endif

#endif
