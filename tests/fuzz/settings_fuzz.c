/* settings_fuzz.c - any bytes as a config file. What is taken makes sense together or is refused with words, and reading it again,
 * as SIGHUP does, gives the same. */
#include "run/settings.h"

#include "base/assert.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct aw_settings settings;
    struct aw_settings again;
    struct aw_why      why = {""};
    char               program[] = "aswolkd";
    char               flag[] = "--config";
    char               path[64];
    char              *argv[] = {program, flag, path, NULL};
    char               names[256];
    int                fd = memfd_create("config", MFD_CLOEXEC);

    AW_ASSERT(fd >= 0);
    for (size_t at = 0; at < size;) {
        ssize_t count = write(fd, data + at, size - at);

        AW_ASSERT(count > 0);
        at += (size_t)count;
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    aw_settings_init(&settings);
    if (aw_settings_parse(&settings, 3, argv, &why) != AW_OK || aw_settings_check(&settings, &why) != AW_OK) {
        AW_ASSERT(why.text[0] != '\0');
    } else if (aw_settings_read_again(&again, &settings, &why) == AW_OK) {
        aw_settings_differ(&again, &settings, names, sizeof(names));
        AW_ASSERT(names[0] == '\0');
        aw_settings_fini(&again);
    }
    aw_settings_fini(&settings);
    close(fd);
    return 0;
}
