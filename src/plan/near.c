// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "plan/near.h"

#include "base/checked.h"

#include <limits.h>
#include <string.h>

/* Edits that lead from a to b: insert, delete, replace a letter, swap two neighbours. */
static unsigned distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    unsigned row[3][GW_NEAR_WORD_MAX + 1];
    if (n > GW_NEAR_WORD_MAX || m > GW_NEAR_WORD_MAX)
        return UINT_MAX;
    for (unsigned j = 0; j <= m; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        unsigned *now = row[i % 3], *up = row[(i + 2) % 3], *upper = row[(i + 1) % 3];
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned d = up[j - 1] + (a[i - 1] != b[j - 1]);
            d = GW_MIN(d, up[j] + 1);
            d = GW_MIN(d, now[j - 1] + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d = GW_MIN(d, upper[j - 2] + 1);
            now[j] = d;
        }
    }
    return row[n % 3][m];
}

const char *gw_near_miss(const char *word, const char *const *words)
{
    const char *best = NULL;
    unsigned least = (unsigned)(strnlen(word, GW_NEAR_WORD_MAX) + 1) / 3;
    for (; *words != NULL; words++) {
        unsigned d = distance(word, *words);
        if (strncmp(word, *words, strlen(word)) == 0 && strlen(word) >= 3)
            d = 1; /* an abbreviation */
        if (strlen(*words) >= 4 && strncmp(word, *words, strlen(*words)) == 0)
            d = GW_MIN(d, 1u); /* said at more length */
        /* Nothing is left of a word that changes as often as it has letters. */
        if (d <= least && d < strlen(*words) && (best == NULL || d < least)) {
            best = *words;
            least = d;
        }
    }
    return best;
}
