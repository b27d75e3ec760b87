/* disk.h - the disk behind a recorded server: what is certainly on it, and what may be when the power goes now.
 *
 * A flush makes certain what was written to its file before; a write through O_DSYNC makes itself certain when it comes back; a
 * flush of a folder, the names in it. Everything else is pending, in units that a disk may write or not, independent of each other:
 * pieces of a write that lie in one page, changes of a length, changes of a name. A state is a choice of them.
 *
 * Owns: copies of the files, a folder that it lays states out in. Borrows: the log. Thread: one. Fails: by ending the program; a
 * recording that it cannot follow proves nothing.
 */
#ifndef AW_TESTS_POWER_DISK_H
#define AW_TESTS_POWER_DISK_H

#include "preload/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_PAGE_BYTES   4096U
#define DISK_SECTOR_BYTES 512U /* written whole or not at all */
#define DISK_NONE         UINT32_MAX

struct disk_unit {
    enum record_kind kind;
    uint32_t         file; /* index; DISK_NONE for the folder itself */
    uint64_t         at;
    uint64_t         length;
    const uint8_t   *bytes;
    const char      *name; /* that it makes or takes away; of a rename, the old one */
    const char      *to;
    uint64_t         place; /* of its entry in the log */
    bool             is_late;
};

/* Which of the pending units are on the disk. */
struct disk_choice {
    bool    *taken;   /* one each */
    uint8_t *sectors; /* one each: which of a page's sectors were written, a bit each; 0xFF is all */
};

struct disk;

/* `folder` is there and empty, an absolute path; what lies beside it and bears its name with a dot behind is ours too. `late`: a
 * broken disk, which makes certain at a flush only what was written before the last one. */
struct disk *disk_new(const char *folder, bool late);
void         disk_free(struct disk **disk);
/* The entry of the log at `place`. */
void disk_take(struct disk *disk, uint64_t place, const struct record_head *head, const uint8_t *bytes);
/* Whether the entry makes something certain: the moment before it has the most states. */
bool     disk_is_flush(const struct record_head *head);
uint32_t disk_pending(const struct disk *disk);
/* Whether something of a file beside the folder is pending. */
bool                    disk_is_beside_pending(const struct disk *disk);
const struct disk_unit *disk_unit(const struct disk *disk, uint32_t number);
/* The sectors that a unit has, a bit each. */
uint8_t disk_sectors(const struct disk_unit *unit);
/* Makes the folder as the choice has it. disk_undo takes it back, whoever looked at it meanwhile. */
void disk_lay_out(struct disk *disk, const struct disk_choice *choice);
void disk_undo(struct disk *disk, const struct disk_choice *choice);
/* The same into another folder, to stay there. */
void disk_copy_out(const struct disk *disk, const struct disk_choice *choice, const char *folder);
/* With everything written, whether the files are those in `folder`; names the first that differs. */
bool disk_is_like(const struct disk *disk, const char *folder, char difference[256]);

#endif
