// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "plan/cron.h"

#include "base/checked.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define MINUTE_S 60
#define HOUR_S 3600
#define DAY_S 86400
/* Two days that matter lie at most a leap cycle apart; a month is skipped in one step. */
#define STEPS_MAX (GW_CRON_YEARS_MAX * 366 * 26)
#define SHIFT_S_MAX (3 * HOUR_S) /* no change of clocks is larger */

struct field {
    const char *what;
    unsigned min, max;
    const char *const *names; /* of min, min + 1, ... */
};

static const char *const months[] = { "jan", "feb", "mar", "apr", "may", "jun", "jul",
                                      "aug", "sep", "oct", "nov", "dec", NULL };
static const char *const weekdays[] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL };

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELDS };
static const struct field fields[FIELDS] = {
    [MINUTE] = { "minute", 0, 59, NULL },          [HOUR] = { "hour", 0, 23, NULL },
    [DAY] = { "day of month", 1, 31, NULL },       [MONTH] = { "month", 1, 12, months },
    [WEEKDAY] = { "day of week", 0, 7, weekdays },
};

static const struct {
    const char *word, *means;
} macros[] = { { "@hourly", "0 * * * *" },   { "@daily", "0 0 * * *" },
               { "@midnight", "0 0 * * *" }, { "@weekly", "0 0 * * 0" },
               { "@monthly", "0 0 1 * *" },  { "@yearly", "0 0 1 1 *" },
               { "@annually", "0 0 1 1 *" } };

/* ---- parsing ------------------------------------------------------------------------------ */

/* A number or a name at *text. */
static int value(const struct field *f, const char **text, unsigned *ret, struct gw_error *err)
{
    for (unsigned i = 0; f->names != NULL && f->names[i] != NULL; i++) {
        if (strncasecmp(*text, f->names[i], 3) == 0 && !isalnum((unsigned char)(*text)[3])) {
            *text += 3;
            *ret = f->min + i;
            return 0;
        }
    }
    char *end = NULL;
    unsigned long n = isdigit((unsigned char)**text) ? strtoul(*text, &end, 10) : 0;
    if (end == NULL)
        return gw_error_set(err, -EINVAL, "the %s has no number where one is expected", f->what);
    if (n < f->min || n > f->max)
        return gw_error_set(err, -EINVAL, "the %s goes from %u to %u, not %lu", f->what, f->min,
                            f->max, n);
    *text = end;
    *ret = (unsigned)n;
    return 0;
}

/* One part between commas: "*", "5", "8-18", "*" or a range with "/step". */
static int part(const struct field *f, const char **text, uint64_t *bits, struct gw_error *err)
{
    unsigned from = f->min, to = f->max;
    bool single = false;
    int r;
    if (**text == '*') {
        (*text)++;
    } else {
        if ((r = value(f, text, &from, err)) < 0)
            return r;
        to = from;
        single = **text != '-';
        if (!single) {
            (*text)++;
            if ((r = value(f, text, &to, err)) < 0)
                return r;
            if (to < from)
                return gw_error_set(err, -EINVAL, "the %s range %u-%u runs backwards", f->what,
                                    from, to);
        }
    }
    unsigned long step = 1;
    if (**text == '/') {
        char *end = NULL;
        (*text)++;
        step = isdigit((unsigned char)**text) ? strtoul(*text, &end, 10) : 0;
        if (step == 0 || step > f->max)
            return gw_error_set(err, -EINVAL, "the %s has a step that is not between 1 and %u",
                                f->what, f->max);
        *text = end;
        if (single)
            to = f->max; /* "5/15": from 5 on */
    }
    for (unsigned long i = from; i <= to; i += step)
        *bits |= 1ull << i;
    return 0;
}

static int parse_field(const struct field *f, const char *text, uint64_t *ret, struct gw_error *err)
{
    uint64_t bits = 0;
    for (;;) {
        int r = part(f, &text, &bits, err);
        if (r < 0)
            return r;
        if (*text == '\0')
            break;
        if (*text != ',')
            return gw_error_set(err, -EINVAL,
                                "the %s has '%c' where ',' '-' '/' or a blank "
                                "is expected",
                                f->what, (unsigned char)*text < 0x7f ? *text : '?');
        text++;
    }
    *ret = bits;
    return 0;
}

/* One blank between fields, none around. False: longer than the struct holds. */
static bool normalise(const char *text, char ret[GW_CRON_TEXT])
{
    size_t n = 0;
    for (const char *c = text; *c != '\0'; c++) {
        if (isspace((unsigned char)*c)) {
            if (n > 0 && ret[n - 1] != ' ')
                ret[n++] = ' ';
        } else {
            ret[n++] = *c;
        }
        if (n >= GW_CRON_TEXT)
            return false;
    }
    n -= n > 0 && ret[n - 1] == ' ';
    ret[n] = '\0';
    return true;
}

static int parse_fields(char *text, struct gw_cron *c, struct gw_error *err)
{
    char *field[FIELDS], *rest = text;
    uint64_t bits[FIELDS];
    unsigned n = 0;
    for (char *word; (word = strsep(&rest, " ")) != NULL; n++) {
        if (n < FIELDS)
            field[n] = word;
    }
    if (n != FIELDS)
        return gw_error_set(err, -EINVAL,
                            "five fields are needed (minute hour day month "
                            "weekday), not %u",
                            text[0] == '\0' ? 0 : n);
    for (unsigned i = 0; i < FIELDS; i++) {
        int r = parse_field(&fields[i], field[i], &bits[i], err);
        if (r < 0)
            return r;
    }
    c->minutes = bits[MINUTE];
    c->hours = (uint32_t)bits[HOUR];
    c->days = (uint32_t)bits[DAY];
    c->months = (uint32_t)bits[MONTH];
    c->weekdays = (uint32_t)((bits[WEEKDAY] | bits[WEEKDAY] >> 7) & 0x7f); /* 7 is Sunday too */
    c->any_hour = field[HOUR][0] == '*';
    c->any_day = field[DAY][0] == '*';
    c->any_weekday = field[WEEKDAY][0] == '*';
    return 0;
}

/* Days decide alone only if no weekday may take their place: "0 0 31 2 *" never happens. */
static bool ever(const struct gw_cron *c)
{
    static const unsigned char days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    if (!c->any_weekday)
        return true;
    for (unsigned m = 0; m < 12; m++) {
        uint32_t there = (uint32_t)((2ull << days[m]) - 2);
        if ((c->months & (2u << m)) != 0 && (c->days & there) != 0)
            return true;
    }
    return false;
}

int gw_cron_parse(const char *text, struct gw_cron *ret, struct gw_error *err)
{
    struct gw_cron c = { 0 };
    char copy[GW_CRON_TEXT];
    if (!normalise(text, c.text))
        return gw_error_set(err, -EINVAL, "a cron expression of more than %d bytes",
                            GW_CRON_TEXT - 1);
    memcpy(copy, c.text, sizeof copy);
    for (size_t i = 0; copy[0] == '@' && i < GW_ARRAY_SIZE(macros); i++) {
        if (strcasecmp(copy, macros[i].word) == 0)
            snprintf(copy, sizeof copy, "%s", macros[i].means);
    }
    if (copy[0] == '@')
        return gw_error_set(err, -EINVAL,
                            "of the words with '@' only @hourly, @daily, @weekly, "
                            "@monthly and @yearly are known");
    int r = parse_fields(copy, &c, err);
    if (r < 0)
        return r;
    if (!ever(&c))
        return gw_error_set(err, -EINVAL, "no month that is named has such a day");
    *ret = c;
    return 0;
}

/* ---- time --------------------------------------------------------------------------------- */

static struct tm broken_down(int64_t at_s, enum gw_cron_zone zone)
{
    struct tm tm = { 0 };
    time_t t = (time_t)at_s;
    if (zone == GW_CRON_UTC)
        gmtime_r(&t, &tm);
    else
        localtime_r(&t, &tm);
    return tm;
}

/* The instant of a local time; of one that there is not, the instant when the gap is over. */
static int64_t instant(struct tm tm, enum gw_cron_zone zone)
{
    tm.tm_isdst = -1;
    return (int64_t)(zone == GW_CRON_UTC ? timegm(&tm) : mktime(&tm));
}

static bool day_matches(const struct gw_cron *c, const struct tm *tm)
{
    bool day = (c->days & 1u << tm->tm_mday) != 0, weekday = (c->weekdays & 1u << tm->tm_wday) != 0;
    return c->any_day || c->any_weekday ? day && weekday : day || weekday;
}

static bool tm_matches(const struct gw_cron *c, const struct tm *tm)
{
    return (c->minutes & 1ull << tm->tm_min) != 0 && (c->hours & 1u << tm->tm_hour) != 0 &&
           (c->months & 2u << tm->tm_mon) != 0 && day_matches(c, tm);
}

bool gw_cron_matches(const struct gw_cron *c, int64_t at_s, enum gw_cron_zone zone)
{
    if (c->text[0] == '\0')
        return false;
    struct tm tm = broken_down(at_s, zone);
    return tm_matches(c, &tm);
}

/* Did the clocks go forward right before `at`, over a minute that the expression names? */
static bool gap_matches(const struct gw_cron *c, int64_t at_s, enum gw_cron_zone zone)
{
    struct tm now = broken_down(at_s, zone), before = broken_down(at_s - MINUTE_S, zone);
    int64_t skipped_s = now.tm_gmtoff - before.tm_gmtoff;
    for (int64_t s = MINUTE_S; s <= skipped_s && s <= SHIFT_S_MAX; s += MINUTE_S) {
        int64_t wall_s = at_s + before.tm_gmtoff - MINUTE_S + s;
        struct tm tm = broken_down(wall_s, GW_CRON_UTC); /* what the clock on the wall left out */
        if (tm_matches(c, &tm))
            return true;
    }
    return false;
}

/* Has the clock on the wall shown this time before? */
static bool is_second_time(int64_t at_s, enum gw_cron_zone zone)
{
    struct tm now = broken_down(at_s, zone), before = broken_down(at_s - SHIFT_S_MAX, zone);
    int64_t back_s = before.tm_gmtoff - now.tm_gmtoff;
    if (back_s <= 0)
        return false;
    struct tm twin = broken_down(at_s - back_s, zone);
    return twin.tm_hour == now.tm_hour && twin.tm_min == now.tm_min && twin.tm_mday == now.tm_mday;
}

static bool starts_at(const struct gw_cron *c, int64_t at_s, const struct tm *tm,
                      enum gw_cron_zone zone)
{
    if (c->any_hour || zone == GW_CRON_UTC)
        return tm_matches(c, tm);
    return gap_matches(c, at_s, zone) || (tm_matches(c, tm) && !is_second_time(at_s, zone));
}

/* The next instant worth a look: whole months, days and hours that cannot match are left out. */
static int64_t skip(const struct gw_cron *c, int64_t at_s, struct tm tm, enum gw_cron_zone zone)
{
    int64_t to_s = at_s + MINUTE_S;
    tm.tm_sec = 0;
    if ((c->months & 2u << tm.tm_mon) == 0) {
        tm.tm_mon++;
        tm.tm_mday = 1;
        tm.tm_hour = tm.tm_min = 0;
        to_s = instant(tm, zone);
    } else if (!day_matches(c, &tm)) {
        tm.tm_mday++;
        tm.tm_hour = tm.tm_min = 0;
        to_s = instant(tm, zone);
    } else if ((c->hours & 1u << tm.tm_hour) == 0) {
        to_s = at_s + HOUR_S - (int64_t)tm.tm_min * MINUTE_S;
    }
    return GW_MAX(to_s, at_s + MINUTE_S);
}

bool gw_cron_next(const struct gw_cron *c, int64_t from_s, enum gw_cron_zone zone, int64_t *ret_s)
{
    int64_t limit_s = (int64_t)GW_CRON_YEARS_MAX * 366 * DAY_S, at_s, end_s;
    if (c->text[0] == '\0' || ckd_add(&at_s, from_s, (int64_t)MINUTE_S - 1) ||
        ckd_add(&end_s, from_s, limit_s))
        return false;
    int64_t over = at_s % MINUTE_S; /* offsets of whole minutes: as all zones have today */
    at_s -= over < 0 ? over + MINUTE_S : over;
    for (unsigned i = 0; i < STEPS_MAX && at_s <= end_s; i++) {
        struct tm tm = broken_down(at_s, zone);
        if (starts_at(c, at_s, &tm, zone)) {
            *ret_s = at_s;
            return true;
        }
        at_s = skip(c, at_s, tm, zone);
    }
    return false;
}

int gw_cron_window(const struct gw_cron *c, uint64_t length_s, int64_t at_s, enum gw_cron_zone zone,
                   bool *ret_open, int64_t *ret_start_s, int64_t *ret_end_s)
{
    int64_t start_s, end_s, next_s, length = (int64_t)GW_MIN(length_s, (uint64_t)7 * DAY_S);
    if (length <= 0 || !gw_cron_next(c, at_s - length + 1, zone, &start_s))
        return -ENOENT;
    end_s = start_s + length;
    /* Windows that begin before the last one is over make it longer; without end if need be. */
    for (int64_t i = 0; i < 7 * DAY_S / MINUTE_S; i++) {
        if (!gw_cron_next(c, end_s - length + 1, zone, &next_s) || next_s > end_s)
            break;
        end_s = next_s + length;
    }
    *ret_open = start_s <= at_s;
    *ret_start_s = start_s;
    *ret_end_s = end_s;
    return 0;
}
