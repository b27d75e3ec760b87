/* faults.h - what goes wrong in a history, drawn from its seed, and how often each of that was reached, by name.
 *
 * A fault point is a place, what happens there, and whether the server was starting or running; a crash is one also by what was
 * under way. Each history draws how often each goes wrong, so that some histories know hardly any trouble and others little else.
 * Thread: one. Owns nothing.
 */
#ifndef AW_TESTS_SIM_FAULTS_H
#define AW_TESTS_SIM_FAULTS_H

#include "store/store.h"
#include "support/random.h"

#include <stdbool.h>
#include <stdint.h>

/* Beside those of the engine's operations. */
enum sim_event {
    SIM_KILL,     /* between two steps */
    SIM_STOP,     /* in good order */
    SIM_LEFT_ALL, /* at a crash, of what was not flushed */
    SIM_LEFT_SOME,
    SIM_LEFT_TORN,
    SIM_LEFT_GAP,
    SIM_WALL_FORWARD,
    SIM_WALL_BACK,
    SIM_SLEEP,      /* nobody runs for minutes */
    SIM_DAYS,       /* or for days */
    SIM_NO_MEMORY,  /* the nth allocation fails, while starting or running */
    SIM_NO_ADDRESS, /* the nth mapping */
    SIM_MAP_FULL,   /* a post was refused for lack of room in the store */
    SIM_TABLE_FULL, /* or in a table */
    SIM_KEYS_STAY,  /* the key file can't be replaced */
    SIM_EVENTS
};

/* What may happen at an operation of the engine: enum aw_fault, and the machine that stops just then. */
enum { SIM_POWER = AW_FAULT_KINDS, SIM_POWER_KEPT, SIM_KINDS };

/* What is under way when the server is gone, beside commands that nobody was answered yet. */
enum sim_amid {
    SIM_AMID_ANSWER,   /* some tickets of an incident are answered, some are not */
    SIM_AMID_SEND,     /* the provider has a reply, and the server was not told */
    SIM_AMID_APPROVAL, /* a reply waits for a colleague */
    SIM_AMID_HELP,     /* a ticket waits in a lane that helps */
    SIM_AMID_WORD,     /* a ticket is put off */
    SIM_AMID_ERASURE,  /* texts are to be erased, and are still there */
    SIM_AMIDS
};

#define SIM_WHENS    2U /* starting, running */
#define SIM_FAULTS   (SIM_WHENS * (AW_FAULT_PLACES * SIM_KINDS + SIM_EVENTS))
#define SIM_COMMANDS 64U /* numbers of commands */
#define SIM_POINTS   (SIM_FAULTS + SIM_COMMANDS + SIM_AMIDS)

struct sim_faults {
    struct random *random;                             /* borrows */
    uint64_t      *reached;                            /* borrows: SIM_POINTS */
    uint32_t       chance[AW_FAULT_PLACES][SIM_KINDS]; /* one in so many; 0: never */
    uint32_t       chance_of[SIM_EVENTS];
    bool           is_off;
    bool           is_running; /* else starting */
};

void sim_faults_init(struct sim_faults *faults, struct random *random, uint64_t *reached);
/* What happens at this operation: enum aw_fault or one of the above. Counted. */
unsigned sim_faults_draw(struct sim_faults *faults, enum aw_fault_at at);
/* Whether this happens now. Counted only by sim_faults_count, when it took effect. */
bool sim_faults_says(struct sim_faults *faults, enum sim_event event);
void sim_faults_count(struct sim_faults *faults, enum sim_event event);

/* A crash came while this command was under way, or while things were so. */
void sim_faults_count_command(struct sim_faults *faults, unsigned kind);
void sim_faults_count_amid(struct sim_faults *faults, enum sim_amid amid);

/* False: there is no such point. `text` has 64 bytes. */
bool sim_point_name(unsigned point, char *text);

/* Allocations and mappings of the program: from now on the nth fails, once; 0: none. Returns whether the last one asked for did. */
bool sim_heap_fail(uint64_t allocation, uint64_t mapping);

#endif
