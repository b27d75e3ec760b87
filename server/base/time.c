#include "base/time.h"

#define DAYS_0001_TO_1970 719162
#define MS_PER_DAY        INT64_C(86400000)

static const uint16_t days_before_month[2][13] = {
    {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365},
    {0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335, 366},
};

static bool
is_leap(uint32_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days since 1970-01-01; negative before. `year` 1 to 9999, `month` and `day` valid. */
static int64_t
days_of(uint32_t year, uint32_t month, uint32_t day)
{
    uint32_t before = year - 1;
    uint32_t days = before * 365 + before / 4 - before / 100 + before / 400;

    return (int64_t)days + days_before_month[is_leap(year)][month - 1] + day - 1 - DAYS_0001_TO_1970;
}

static void
put_digits(char *at, unsigned count, uint32_t value)
{
    while (count-- > 0) {
        at[count] = (char)('0' + value % 10);
        value /= 10;
    }
    AW_ASSERT(value == 0);
}

void
aw_date_format(uint32_t days, char text[11])
{
    uint32_t left = days + DAYS_0001_TO_1970;
    uint32_t year = 1;
    uint32_t month = 1;
    uint32_t part;

    AW_ASSERT(days <= AW_DAYS_MAX);
    year += left / 146097 * 400;
    left %= 146097;
    part = left / 36524; /* the fourth century of a cycle is a day longer */
    part = part > 3 ? 3 : part;
    year += part * 100;
    left -= part * 36524;
    year += left / 1461 * 4;
    left %= 1461;
    part = left / 365; /* as is the fourth year */
    part = part > 3 ? 3 : part;
    year += part;
    left -= part * 365;
    while (left >= days_before_month[is_leap(year)][month])
        month++;
    put_digits(text, 4, year);
    text[4] = '-';
    put_digits(text + 5, 2, month);
    text[7] = '-';
    put_digits(text + 8, 2, left - days_before_month[is_leap(year)][month - 1] + 1);
    text[10] = '\0';
}

void
aw_time_format(aw_ms at, char text[AW_TIME_TEXT_BYTES])
{
    uint32_t rest = (uint32_t)(at % (aw_ms)MS_PER_DAY);

    AW_ASSERT(at <= AW_MS_MAX);
    aw_date_format((uint32_t)(at / (aw_ms)MS_PER_DAY), text);
    text[10] = 'T';
    put_digits(text + 11, 2, rest / 3600000);
    text[13] = ':';
    put_digits(text + 14, 2, rest / 60000 % 60);
    text[16] = ':';
    put_digits(text + 17, 2, rest / 1000 % 60);
    text[19] = '.';
    put_digits(text + 20, 3, rest % 1000);
    text[23] = 'Z';
    text[24] = '\0';
}

static bool
take_digits(struct aw_slice *text, size_t count, uint32_t *ret_value)
{
    uint64_t value;

    if (text->len < count || !aw_slice_to_u64(aw_slice_of(text->ptr, count), UINT32_MAX, &value))
        return false;
    *text = aw_slice_of(text->ptr + count, text->len - count);
    *ret_value = (uint32_t)value;
    return true;
}

/* `c` or, for letters, its lower-case form (RFC 3339 section 5.6 allows "t" and "z"). */
static bool
take_char(struct aw_slice *text, char c)
{
    if (text->len == 0 || (text->ptr[0] != c && (c < 'A' || c > 'Z' || text->ptr[0] != c + ('a' - 'A'))))
        return false;
    *text = aw_slice_of(text->ptr + 1, text->len - 1);
    return true;
}

static bool
take_date(struct aw_slice *text, int64_t *ret_days)
{
    uint32_t year;
    uint32_t month;
    uint32_t day;

    if (!take_digits(text, 4, &year) || !take_char(text, '-') || !take_digits(text, 2, &month) || !take_char(text, '-') ||
        !take_digits(text, 2, &day))
        return false;
    if (year == 0 || month == 0 || month > 12 || day == 0)
        return false;
    if (day > (uint32_t)(days_before_month[is_leap(year)][month] - days_before_month[is_leap(year)][month - 1]))
        return false;
    *ret_days = days_of(year, month, day);
    return true;
}

/* ".345" and so on, cut to milliseconds; 0 when there is no fraction. */
static bool
take_fraction(struct aw_slice *text, uint32_t *ret_ms)
{
    uint32_t ms = 0;
    uint32_t digits = 0;
    uint32_t digit;

    if (take_char(text, '.')) {
        while (take_digits(text, 1, &digit)) {
            if (digits < 3)
                ms = ms * 10 + digit;
            digits++;
        }
        if (digits == 0 || digits > 9)
            return false;
        for (; digits < 3; digits++)
            ms *= 10;
    }
    *ret_ms = ms;
    return true;
}

static bool
take_offset(struct aw_slice *text, int64_t *ret_minutes)
{
    bool     east;
    uint32_t hours;
    uint32_t minutes;

    if (take_char(text, 'Z')) {
        *ret_minutes = 0;
        return true;
    }
    east = take_char(text, '+');
    if (!east && !take_char(text, '-'))
        return false;
    if (!take_digits(text, 2, &hours) || !take_char(text, ':') || !take_digits(text, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *ret_minutes = (int64_t)hours * 60 + minutes;
    if (!east)
        *ret_minutes = -*ret_minutes;
    return true;
}

bool
aw_time_parse(struct aw_slice text, aw_ms *ret_at)
{
    int64_t  days;
    uint32_t hour;
    uint32_t minute;
    uint32_t second;
    uint32_t ms;
    int64_t  offset;
    int64_t  at;

    if (!take_date(&text, &days) || !take_char(&text, 'T') || !take_digits(&text, 2, &hour) || !take_char(&text, ':') ||
        !take_digits(&text, 2, &minute) || !take_char(&text, ':') || !take_digits(&text, 2, &second) ||
        !take_fraction(&text, &ms) || !take_offset(&text, &offset) || text.len != 0)
        return false;
    if (hour > 23 || minute > 59 || second > 60)
        return false;
    at = days * MS_PER_DAY + ((int64_t)hour * 60 + minute - offset) * 60000;
    if (second == 60) {
        /* A leap second ends a UTC day (RFC 3339 appendix D); we have no number for it, so it reads as the last millisecond. */
        if ((at + 60000) % MS_PER_DAY != 0)
            return false;
        at += 59999;
    } else {
        at += (int64_t)second * 1000 + ms;
    }
    if (at < 0 || at > (int64_t)AW_MS_MAX)
        return false;
    *ret_at = (aw_ms)at;
    return true;
}

bool
aw_date_parse(struct aw_slice text, uint32_t *ret_days)
{
    int64_t days;

    if (!take_date(&text, &days) || text.len != 0 || days < 0)
        return false;
    *ret_days = (uint32_t)days;
    return true;
}
