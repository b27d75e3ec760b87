/* show.c - answers for people: a few lines, the important things first. */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *
aw_cli_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text == NULL ? "" : text;
}

uint64_t
aw_cli_number(const json_t *object, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

bool
aw_cli_flag(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

void
aw_cli_problem_line(const json_t *problem, unsigned status, char *line, size_t room)
{
    const char *type = aw_cli_text(problem, "type");
    const char *name = strrchr(type, ':');
    const char *detail = aw_cli_text(problem, "detail");
    const char *state = aw_cli_text(problem, "state");

    (void)snprintf(line, room, "%u %s: %s%s%s%s", status, name == NULL ? "no problem document" : name + 1,
                   detail[0] == '\0' ? aw_cli_text(problem, "title") : detail, state[0] == '\0' ? "" : " (", state,
                   state[0] == '\0' ? "" : ")");
}

json_t *
aw_cli_list(const char *values)
{
    struct aw_slice rest = aw_slice_str(values);
    json_t         *list = json_array();

    while (rest.len > 0) {
        struct aw_slice value = aw_slice_cut(&rest, ',');

        (void)json_array_append_new(list, json_stringn(value.ptr, value.len));
    }
    return list;
}

void
aw_cli_hex(const uint8_t *bytes, size_t len, char *text)
{
    for (size_t i = 0; i < len; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

void
aw_cli_print_json(const json_t *value)
{
    (void)json_dumpf(value, stdout, JSON_COMPACT);
    (void)fputc('\n', stdout);
}

void
aw_cli_print_text(const char *text, const char *indent)
{
    (void)fputs(indent, stdout);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '\n')
            (void)printf("\n%s", indent);
        else if (c == 0xc2 && ((unsigned char)text[1] & 0xe0) == 0x80)
            (void)fputc(' ', stdout), text++; /* U+0080 to U+009F: control characters too */
        else
            (void)fputc(c < 0x20 || c == 0x7f ? ' ' : c, stdout);
    }
    (void)fputc('\n', stdout);
}

static void
show_reasons(const json_t *object)
{
    const json_t *reasons = json_object_get(object, "reasons");
    const json_t *reason;
    size_t        i;

    json_array_foreach(reasons, i, reason)
    {
        aw_cli_print_text(json_string_value(reason) == NULL ? "" : json_string_value(reason),
                          i == 0 ? "  because  " : "           ");
    }
}

void
aw_cli_show_message(const json_t *message)
{
    const json_t *attachment;
    size_t        i;

    (void)printf("  %s  %s  %s\n", aw_cli_text(message, "accepted_at"), aw_cli_text(message, "message"),
                 aw_cli_text(message, "channel"));
    if (aw_cli_flag(message, "erased"))
        (void)printf("    (erased)\n");
    else if (aw_cli_flag(message, "unreadable"))
        (void)printf("    (unreadable: what is stored of it is damaged)\n");
    else
        aw_cli_print_text(aw_cli_text(message, "text"), "    ");
    json_array_foreach(json_object_get(message, "attachments"), i, attachment)
    {
        aw_cli_print_text(aw_cli_text(attachment, "ref"), "    + ");
    }
}

void
aw_cli_show_messages(const json_t *messages)
{
    const json_t *message;
    size_t        i;

    json_array_foreach(messages, i, message)
    {
        aw_cli_show_message(message);
    }
}

/* Notes that came after a message; with "" those that came before all that are shown. */
static void
show_notes(const json_t *notes, const char *after)
{
    const json_t *note;
    size_t        i;

    json_array_foreach(notes, i, note)
    {
        if (strcmp(aw_cli_text(note, "after"), after) != 0)
            continue;
        (void)printf("  %s  %s  ", aw_cli_text(note, "written_at"), aw_cli_text(note, "note"));
        aw_cli_print_text(aw_cli_text(note, "by"), "note by ");
        aw_cli_print_text(aw_cli_flag(note, "erased")       ? "(erased)"
                          : aw_cli_flag(note, "unreadable") ? "(unreadable: what is stored of it is damaged)"
                                                            : aw_cli_text(note, "text"),
                          "    # ");
    }
}

static void
show_thread(const json_t *object)
{
    const json_t *notes = json_object_get(object, "notes");
    const json_t *message;
    size_t        i;

    show_notes(notes, "");
    json_array_foreach(json_object_get(object, "messages"), i, message)
    {
        aw_cli_show_message(message);
        show_notes(notes, aw_cli_text(message, "message"));
    }
}

static void
show_total(const json_t *object)
{
    const json_t *messages = json_object_get(object, "messages"); /* NULL: asked for why, which shows none */
    size_t        shown = json_array_size(messages);
    uint64_t      total = aw_cli_number(object, "messages_total");

    if (messages != NULL && total > shown)
        (void)printf("  (the last %zu of %" PRIu64 " messages)\n", shown, total);
}

static void
show_departure(const json_t *object)
{
    const json_t *flights = json_object_get(object, "flights");
    const json_t *flight;
    size_t        i;

    json_array_foreach(flights, i, flight)
    {
        (void)printf("  flight   %s %s-%s %s\n", aw_cli_text(flight, "number"), aw_cli_text(flight, "from"),
                     aw_cli_text(flight, "to"), aw_cli_text(flight, "departs_at"));
    }
}

void
aw_cli_show_lease(const json_t *lease)
{
    const json_t *to = json_object_get(lease, "reply_to");

    (void)printf("%s  %s%s  lane %s  waited %" PRIu64 " s  lease %" PRIu64 " s\n", aw_cli_text(lease, "ticket"),
                 aw_cli_text(lease, "class"), aw_cli_flag(lease, "gentle") ? ", gentle" : "", aw_cli_text(lease, "lane"),
                 aw_cli_number(lease, "waited_s"), aw_cli_number(lease, "expires_in_s"));
    aw_cli_print_text(aw_cli_text(lease, "customer"), "  from     ");
    (void)printf("  answer   on %s as %s, %s\n", aw_cli_text(to, "channel"), aw_cli_text(to, "account"),
                 aw_cli_text(to, "visibility"));
    if (aw_cli_number(lease, "attempt") > 1)
        (void)printf("  attempt  %" PRIu64 "\n", aw_cli_number(lease, "attempt"));
    show_reasons(lease);
    show_departure(lease);
    show_total(lease);
    show_thread(lease);
}

static void
show_time(const json_t *object, const char *key, const char *label)
{
    const char *time = aw_cli_text(object, key);

    if (time[0] != '\0')
        (void)printf("  %-8s %s\n", label, time);
}

void
aw_cli_show_ticket(const json_t *ticket)
{
    const char *holder = aw_cli_text(ticket, "holder");

    (void)printf("%s  %s  %s%s  lane %s  version %" PRIu64 "\n", aw_cli_text(ticket, "ticket"), aw_cli_text(ticket, "state"),
                 aw_cli_text(ticket, "class"), aw_cli_flag(ticket, "gentle") ? ", gentle" : "", aw_cli_text(ticket, "lane"),
                 aw_cli_number(ticket, "version"));
    show_time(ticket, "opened_at", "opened");
    show_time(ticket, "age_from", "age from");
    if (holder[0] != '\0')
        aw_cli_print_text(holder, "  held by  ");
    show_time(ticket, "expires_at", "until");
    show_time(ticket, "held_until", "on hold");
    show_time(ticket, "closed_at", "closed");
    show_time(ticket, "departs_at", "departs");
    show_time(ticket, "reply_by", "reply by");
    show_reasons(ticket);
    show_total(ticket);
    show_thread(ticket);
}
