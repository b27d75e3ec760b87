/* parts.h - what goes on in a history beside messages, leases and replies: each seed draws some of these parts, so that some
 * histories have few of them, each often, and others have all.
 */
#ifndef AW_TESTS_SIM_PARTS_H
#define AW_TESTS_SIM_PARTS_H

enum sim_part {
    SIM_PART_DELIVERY, /* the provider fails, bounces, delivers; gateways die while they send; dead replies are redriven */
    SIM_PART_PACE,     /* so many replies in a stretch of time */
    SIM_PART_APPROVAL, /* what one agent writes waits for a colleague */
    SIM_PART_WITHDRAW, /* customers take messages back */
    SIM_PART_CONTACTS, /* some only talk about us; some want to hear nothing */
    SIM_PART_NOTES,    /* under an Idempotency-Key, and again until there is an answer */
    SIM_PART_OWED,     /* the server acknowledges messages */
    SIM_PART_EVENTS,   /* flights are cancelled, moved, airports closed, and some of that undone */
    SIM_PART_INCIDENTS,
    SIM_PART_UNFOLD,
    SIM_PART_OVERFLOW, /* a lane that hardly anybody serves, or nobody, and another one that helps */
    SIM_PART_UNITS,    /* agents hold so many tickets at once */
    SIM_PART_QUERIES,
    SIM_PART_PROMISES, /* how long it takes is forecast, customers are told, and told again when it takes longer */
    SIM_PART_WINDOWS,  /* channels take no answer later than a time */
    SIM_PART_DIALOG,   /* customers answer what they got, are asked whether they still wait, and say that they do not */
    SIM_PART_ERASE,    /* the store has keys; customers are erased, what is taken back is */
    SIM_PARTS
};

#endif
