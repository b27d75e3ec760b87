/* openapi.c - openapi.json inside the program: the assembler puts the file in, so that there is no copy to forget. */
#include "proto/proto.h"

__asm__(".section .rodata\n"
        ".balign 16\n"
        "aw_openapi_begin:\n"
        ".incbin \"proto/openapi.json\"\n"
        "aw_openapi_end:\n"
        ".byte 0\n"
        ".previous\n");

extern const char aw_openapi_begin[] __attribute__((visibility("hidden")));
extern const char aw_openapi_end[] __attribute__((visibility("hidden")));

struct aw_slice
aw_proto_openapi(void)
{
    return aw_slice_of(aw_openapi_begin, (size_t)(aw_openapi_end - aw_openapi_begin));
}
