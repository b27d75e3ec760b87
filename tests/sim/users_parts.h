/* users_parts.h - private to the users: what their files share. */
#ifndef AW_TESTS_SIM_USERS_PARTS_H
#define AW_TESTS_SIM_USERS_PARTS_H

#include "sim/world.h"

#define HOUR_MS UINT64_C(3600000)

/* The day of all flights, so late that none is ever over. */
#define USERS_FLIGHT_DAYS ((uint32_t)(WORLD_WALL / (24 * HOUR_MS)) + 60)

/* --- users.c */
/* Where all messages come from. */
extern const struct aw_account_name users_account;
uint32_t                            users_below(struct world *world, uint32_t end);
/* One in so many. */
bool users_draw(struct world *world, uint32_t one_in);
/* A submission with one command; NULL: as many are out as may be. */
struct op *users_new_op(struct world *world, enum op_kind kind);
void       users_submit(struct world *world, struct op *op);

/* --- users_gateway.c: messages in, replies out, and the provider behind. */
bool gateway_post(struct world *world, bool is_large);
bool gateway_post_many(struct world *world);
/* As the source of this number says it; flight and identity are lent. */
void gateway_say(const struct world *world, uint32_t number, struct aw_hash128 *identity, struct aw_flight_fact *flight,
                 struct aw_in_message *ret_in);
void gateway_on_post(struct world *world, struct op *op);
bool gateway_take_replies(struct world *world);
void gateway_on_replies(struct world *world, struct op *op);
void gateway_on_status(struct world *world, struct op *op);
/* What a provider says later: that a reply is there, read, or came back. */
bool gateway_hear(struct world *world);
bool gateway_withdraw(struct world *world);

/* --- users_desk.c: supervisors, and what agents say of each other's work. */
bool desk_steer(struct world *world);
bool desk_act(struct world *world);
void desk_on_try(struct world *world, struct op *op);
void desk_on_query(struct world *world, struct op *op);
void desk_on_note(struct world *world, struct op *op);
void desk_on_approve(struct world *world, struct op *op);

/* --- users_erase.c: a customer is to be erased. */
bool erase_act(struct world *world, struct op *op);
void erase_on_answer(struct world *world, struct op *op);
void erase_lose(struct world *world);

#endif
