/* sanitizer.h - which sanitizer a test is built with: WITH_ASAN is defined under that of addresses, WITH_TSAN of threads. */
#ifndef AW_TESTS_SUPPORT_SANITIZER_H
#define AW_TESTS_SUPPORT_SANITIZER_H

#if defined(__SANITIZE_THREAD__)
#define WITH_TSAN 1
#elif defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WITH_TSAN 1
#elif __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif

#endif
