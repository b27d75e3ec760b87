/* fleet.c - see fleet.h. */
#include "bench/surge/fleet.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

/* Long enough not to hammer a server that is starting, short beside any restart. */
#define AGAIN_S 0.1

static void changed(void *user, struct aw_trunk *trunk, enum aw_trunk_state state);

static void
connect_line(struct surge_line *line)
{
    struct surge_fleet *fleet = line->fleet;
    struct aw_why       why;

    if (aw_trunk_open(&line->trunk, fleet->config.client, &fleet->config.url, changed, line, &why) == AW_OK)
        return;
    line->trunk = NULL;
    (void)snprintf(fleet->why, sizeof(fleet->why), "%.250s", why.text);
    ev_timer_again(fleet->config.loop, &line->again);
}

static void
on_again(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct surge_line *line = timer->data;

    (void)events;
    ev_timer_stop(loop, timer);
    connect_line(line);
}

/* The line takes nothing new; its trunk may still bring answers. A server that says goodbye first (it has had enough of this
 * connection, or nobody used it) is asked for another one; one that just goes is lost. */
static void
lose(struct surge_line *line, bool goodbye)
{
    struct surge_fleet *fleet = line->fleet;

    if (line->open) {
        line->open = false;
        fleet->open--;
        fleet->losses += goodbye ? 0 : 1;
        fleet->goodbyes += goodbye ? 1 : 0;
    }
    line->trunk = NULL;
    if (fleet->config.retry || goodbye) {
        ev_timer_again(fleet->config.loop, &line->again);
        return;
    }
    line->dead = true;
    fleet->dead++;
    fleet->config.died(fleet->config.user, (uint32_t)(line - fleet->lines));
}

static void
changed(void *user, struct aw_trunk *trunk, enum aw_trunk_state state)
{
    struct surge_line  *line = user;
    struct surge_fleet *fleet = line->fleet;
    bool                current = line->trunk == trunk; /* else one that drained and was replaced */

    if (state == AW_TRUNK_OPEN && current) {
        line->open = true;
        fleet->open++;
        fleet->config.opened(fleet->config.user, (uint32_t)(line - fleet->lines));
        return;
    }
    if (state != AW_TRUNK_DRAINING && state != AW_TRUNK_CLOSED)
        return;
    (void)snprintf(fleet->why, sizeof(fleet->why), "%.250s", aw_trunk_why(trunk));
    if (current)
        lose(line, state == AW_TRUNK_DRAINING);
    if (state == AW_TRUNK_CLOSED)
        aw_trunk_close(&trunk);
}

enum aw_err
surge_fleet_open(struct surge_fleet *fleet, const struct surge_fleet_config *config, struct aw_why *why)
{
    *fleet = (struct surge_fleet){.config = *config, .lines = aw_new_array(struct surge_line, config->count)};
    if (fleet->lines == NULL)
        return aw_why(why, AW_E_MEMORY, "out of memory");
    for (uint32_t i = 0; i < config->count; i++) {
        struct surge_line *line = &fleet->lines[i];

        line->fleet = fleet;
        ev_init(&line->again, on_again);
        line->again.repeat = AGAIN_S;
        line->again.data = line;
    }
    for (uint32_t i = 0; i < config->count; i++) {
        struct surge_line *line = &fleet->lines[i];
        enum aw_err        err = aw_trunk_open(&line->trunk, config->client, &config->url, changed, line, why);

        if (err != AW_OK) {
            surge_fleet_close(fleet);
            return err;
        }
    }
    return AW_OK;
}

void
surge_fleet_close(struct surge_fleet *fleet)
{
    if (fleet->lines == NULL)
        return;
    for (uint32_t i = 0; i < fleet->config.count; i++) {
        struct surge_line *line = &fleet->lines[i];

        ev_timer_stop(fleet->config.loop, &line->again);
        line->open = false;
        aw_trunk_close(&line->trunk);
    }
    free(fleet->lines);
    *fleet = (struct surge_fleet){.lines = NULL};
}

struct aw_trunk *
surge_fleet_trunk(const struct surge_fleet *fleet, uint32_t line)
{
    return fleet->lines[line].open ? fleet->lines[line].trunk : NULL;
}
