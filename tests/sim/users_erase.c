/* users_erase.c - see users_parts.h. A customer is to be erased: what a reader looks for, and what an io thread then submits, as
 * run/api_erase.c does it. A crash in the midst of it is the end; whoever asked may ask again.
 */
#include "sim/users_parts.h"

#define LOOKS_MAX 4U

static void
end(struct erasing *erasing)
{
    aw_erase_look_fini(&erasing->look);
    *erasing = (struct erasing){.is_on = false};
}

void
erase_lose(struct world *world)
{
    end(&world->erasing);
}

static void
begin_look(struct world *world)
{
    struct erasing *erasing = &world->erasing;
    uint64_t        until = aw_lanes_published(world->lanes);

    aw_erase_look_fini(&erasing->look);
    erasing->looks++;
    erasing->next = 0;
    erasing->is_looking = true;
    erasing->looked = until;
    erasing->is_second |= erasing->stays; /* then it is only looked where that is by now which he wrote before */
    if (!erasing->is_second)
        erasing->wish.through = until;
    erasing->has_moved = erasing->stays = false;
    aw_erase_look_init(&erasing->look, &erasing->wish, 1, until, true);
}

/* Some records of it, in a snapshot. */
static void
look_on(struct world *world)
{
    struct erasing *erasing = &world->erasing;
    struct model   *model = &world->model;
    enum aw_err     err = aw_journal_read_begin(model->reader);

    if (err == AW_OK) {
        err = aw_erase_look_step(&erasing->look, model->reader, &model->arena, 1 + users_below(world, 400));
        aw_journal_read_end(model->reader);
    }
    if (err == AW_OK)
        erasing->is_looking = false;
    else if (err == AW_E_IO || err == AW_E_MEMORY)
        end(erasing);
    else if (err != AW_E_AGAIN)
        sim_broken("a look for a customer's texts: %s", aw_err_name(err));
}

/* The next of his tickets; when there is none, he himself. */
static void
submit(struct world *world, struct op *op)
{
    struct erasing    *erasing = &world->erasing;
    struct aw_in_erase in = {.customer = erasing->wish.customer, .through = erasing->wish.through, .by = world->agent[0].name};
    uint32_t           count = 0;

    op->kind = OP_ERASE;
    erasing->is_last = erasing->next == erasing->look.ticket_count;
    if (erasing->is_last) {
        in.looked = erasing->stays ? erasing->looked : 0;
        op->entries[count++].command = (struct aw_command){.kind = AW_COMMAND_ERASE, .in.erase = in};
    }
    while (count < WORLD_ENTRIES_MAX && erasing->next < erasing->look.ticket_count) {
        const struct aw_erase_ticket *ticket = &erasing->look.tickets[erasing->next++];

        in.ticket = ticket->id;
        in.messages = ticket->messages;
        op->entries[count++] = (struct aw_entry){.command = {.kind = AW_COMMAND_ERASE, .in.erase = in}};
    }
    op->submission.count = count;
    erasing->is_out = true;
    WORLD_TRACE(world, "customer %u is erased through %llu: %u tickets of %zu%s", (uint32_t)in.customer.low - 1,
                (unsigned long long)in.through, count, erasing->look.ticket_count, erasing->is_last ? ", he himself" : "");
    users_submit(world, op);
}

/* Often one to whom something is on its way. */
static uint32_t
choose(struct world *world)
{
    const struct model *model = &world->model;
    uint32_t            first = model->reply_count == 0 ? 0 : users_below(world, model->reply_count);

    for (uint32_t i = 0; i < model->reply_count && users_below(world, 4) != 0; i++) {
        const struct model_reply *reply = &model->replies[(first + i) % model->reply_count];

        if (reply->state < AW_REPLY_DEAD && !reply->is_dropped)
            return reply->customer;
    }
    return users_below(world, world->customers);
}

bool
erase_act(struct world *world, struct op *op)
{
    struct erasing *erasing = &world->erasing;

    if (erasing->is_out || (!erasing->is_on && (world->heals || !users_draw(world, 2))))
        return false;
    if (!erasing->is_on) {
        erasing->is_on = true;
        erasing->wish.customer = model_contact_hash(choose(world));
        begin_look(world);
    } else if (erasing->is_looking) {
        look_on(world);
    } else {
        submit(world, op);
    }
    return true;
}

void
erase_on_answer(struct world *world, struct op *op)
{
    struct erasing *erasing = &world->erasing;
    bool            is_unsure, is_through;

    for (uint32_t i = 0; i < op->submission.count; i++) {
        const struct aw_outcome_of *out = &op->entries[i].command.out;

        if (out->changed && out->seq > world->model.read_seq)
            sim_broken("an erasure was answered, and is not durable");
        /* A table is full while a checkpoint is written and keeps no more old rows: he asks again. */
        if (out->err != AW_OK && out->err != AW_E_STORE_FULL && out->err != AW_E_TABLE_FULL)
            sim_broken("an erasure is refused: %s", aw_err_name(out->err));
        if (out->err != AW_OK) {
            end(erasing);
            return;
        }
        erasing->has_moved |= out->u.erase.moved;
        erasing->stays |= out->u.erase.stays;
    }
    is_unsure = erasing->has_moved || (erasing->stays && !erasing->is_second);
    is_through = erasing->next == erasing->look.ticket_count;
    if ((erasing->is_last && !erasing->has_moved) || (is_unsure && is_through && erasing->looks == LOOKS_MAX))
        end(erasing);
    else if (is_unsure && is_through)
        begin_look(world);
}
