// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "term/progress.h"

#include "base/checked.h"
#include "base/clock.h"
#include "base/size.h"
#include "term/out.h"

#include <stdio.h>
#include <unistd.h>

#define BAR_WIDTH 30
#define BAR_NS (100 * GW_NS_PER_MS)
#define LINE_NS (5 * GW_NS_PER_S)

/* Is it time to say something? */
static bool due(struct gw_term_progress *p, uint64_t done_bytes, bool terminal)
{
    uint64_t now = gw_boot_ns();
    if (p->begin_ns == 0) {
        p->begin_ns = now;
        p->begin_bytes = done_bytes;
        if (!terminal) {
            p->last_ns = now; /* what is quick needs no lines */
            return false;
        }
    } else if (now - p->last_ns < (terminal ? BAR_NS : LINE_NS)) {
        return false;
    }
    p->last_ns = now;
    return !p->quiet;
}

static void show(struct gw_term_progress *p, uint64_t done, uint64_t total, double rate,
                 double left, bool terminal)
{
    char a[GW_SIZE_TEXT], b[GW_SIZE_TEXT], r[GW_SIZE_TEXT], eta[GW_TERM_DURATION_TEXT] = "?";
    double share = total > 0 ? GW_MIN((double)done / (double)total, 1.0) : 0;
    gw_size_format(done, a);
    gw_size_format(total, b);
    gw_size_format(rate > 0 ? (uint64_t)rate : 0, r);
    if (left >= 0)
        gw_term_duration_format(left, eta);
    if (terminal) {
        static const char hashes[] = "##############################";
        int full = (int)(share * BAR_WIDTH);
        fprintf(stderr, "\r%s [%.*s%*s] %3.0f %%  %s of %s  %s/s  %s left \033[K", p->what, full,
                hashes, BAR_WIDTH - full, "", share * 100, a, b, r, eta);
        p->drawn = true;
    } else {
        fprintf(stderr, "%s: %.0f %%, %s of %s, %s/s, %s left\n", p->what, share * 100, a, b, r,
                eta);
    }
}

void gw_term_progress(struct gw_term_progress *p, uint64_t done_bytes, uint64_t total_bytes)
{
    bool terminal = isatty(STDERR_FILENO) == 1;
    if (!due(p, done_bytes, terminal))
        return;
    double passed = (double)(p->last_ns - p->begin_ns) / (double)GW_NS_PER_S, left = -1;
    double rate = passed > 0 && done_bytes > p->begin_bytes
                      ? (double)(done_bytes - p->begin_bytes) / passed
                      : 0;
    if (rate > 0)
        left = total_bytes > done_bytes ? (double)(total_bytes - done_bytes) / rate : 0;
    show(p, done_bytes, total_bytes, rate, left, terminal);
}

void gw_term_progress_as_told(struct gw_term_progress *p, uint64_t done_bytes, uint64_t total_bytes,
                              double rate, double left_seconds)
{
    bool terminal = isatty(STDERR_FILENO) == 1;
    if (due(p, done_bytes, terminal))
        show(p, done_bytes, total_bytes, rate, left_seconds, terminal);
}

void gw_term_progress_end(struct gw_term_progress *p)
{
    if (p->drawn)
        fprintf(stderr, "\r\033[K");
    p->drawn = false;
}
