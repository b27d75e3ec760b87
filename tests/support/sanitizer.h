/* sanitizer.h - which sanitizer a test is built with: WITH_TSAN is defined under that of threads. */
#ifndef AW_TESTS_SUPPORT_SANITIZER_H
#define AW_TESTS_SUPPORT_SANITIZER_H

#if defined(__SANITIZE_THREAD__)
#define WITH_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WITH_TSAN 1
#endif
#endif

#endif
