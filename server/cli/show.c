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

/* The code point that begins here if it would steer the terminal instead of being read: what moves the cursor or begins an escape
 * sequence, and what turns the direction of the text around. 0: it would not. `*ret_len`: its bytes. */
static unsigned
steering(const char *text, size_t *ret_len)
{
    unsigned char c = (unsigned char)text[0];
    bool          has_second = c >= 0xc0 && text[1] != '\0';
    bool          has_third = c >= 0xe0 && has_second && text[2] != '\0';
    unsigned      second = has_second ? (unsigned char)text[1] & 0x3fU : 0;
    unsigned      third = has_third ? (unsigned char)text[2] & 0x3fU : 0;
    unsigned      code = c < 0x80 ? c : c < 0xe0 ? (c & 0x1fU) << 6 | second : (c & 0xfU) << 12 | second << 6 | third;

    *ret_len = c < 0x80 ? 1 : c < 0xe0 ? 2 : 3;
    if (c >= 0xf0 || (c >= 0x80 && c < 0xc0)) /* there is none beyond U+FFFF; what is inside of a character begins nothing */
        return 0;
    if ((c >= 0xc0 && !has_second) || (c >= 0xe0 && !has_third)) /* a cut character is none, and behind it is the end */
        return 0;
    return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x61c || code == 0x200e || code == 0x200f ||
                   (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069)
               ? code
               : 0;
}

/* The bytes of JSON as they are, but for what steers: only strings can hold it, and there an escape says the same. */
static int
put_json(const char *bytes, size_t len, void *user)
{
    char *text = strndup(bytes, len); /* a NUL behind it, so that looking ahead ends */

    (void)user;
    if (text == NULL)
        return -1;
    for (const char *at = text; *at != '\0';) {
        size_t   count;
        unsigned code = steering(at, &count);

        if (code != 0) {
            (void)printf("\\u%04x", code);
            at += count;
        } else {
            (void)fputc(*at++, stdout);
        }
    }
    free(text);
    return 0;
}

void
aw_cli_print_json(const json_t *value)
{
    (void)json_dump_callback(value, put_json, NULL, JSON_COMPACT | JSON_ENCODE_ANY);
    (void)fputc('\n', stdout);
}

/* Returns what follows. */
static const char *
put_sign(const char *text)
{
    size_t len;

    if (steering(text, &len) != 0) {
        (void)fputc(' ', stdout);
        return text + len;
    }
    (void)fputc(*text, stdout);
    return text + 1;
}

void
aw_cli_put_text(const char *text, size_t width)
{
    size_t put = 0;

    for (; *text != '\0'; put++) /* each sign is put as one byte */
        text = put_sign(text);
    for (; put < width; put++)
        (void)fputc(' ', stdout);
}

void
aw_cli_print_text(const char *text, const char *indent)
{
    (void)fputs(indent, stdout);
    while (*text != '\0') {
        if (*text == '\n') {
            (void)printf("\n%s", indent);
            text++;
        } else {
            text = put_sign(text);
        }
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
    (void)printf("  answer   on %s as ", aw_cli_text(to, "channel"));
    aw_cli_put_text(aw_cli_text(to, "account"), 0);
    (void)printf(", %s\n", aw_cli_text(to, "visibility"));
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
