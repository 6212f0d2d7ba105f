// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char log_prefix[128];
static _Atomic int level_max = -1;
static void (*_Atomic log_sink)(enum gw_log_level level, const char *line);

void gw_log_prefix(const char *prefix)
{
    snprintf(log_prefix, sizeof log_prefix, "%s", prefix);
}

void gw_log_level_max(enum gw_log_level level)
{
    atomic_store(&level_max, (int)level);
}

void gw_log_sink(void (*sink)(enum gw_log_level level, const char *line))
{
    atomic_store(&log_sink, sink);
}

static int current_level(void)
{
    int level = atomic_load(&level_max);
    if (level >= 0)
        return level;
    const char *env = getenv("GODWIT_LOG");
    level = env != NULL && strcmp(env, "debug") == 0 ? GW_LOG_DEBUG : GW_LOG_INFO;
    atomic_store(&level_max, level);
    return level;
}

void gw_log(enum gw_log_level level, const char *fmt, ...)
{
    if ((int)level > current_level())
        return;
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);

    void (*sink)(enum gw_log_level, const char *) = atomic_load(&log_sink);
    if (sink != NULL) {
        sink(level, text);
        return;
    }
    char line[1280];
    char mark[8] = "";
    if (!isatty(STDERR_FILENO))
        snprintf(mark, sizeof mark, "<%d>", (int)level);
    int n = snprintf(line, sizeof line, "%s%s%s%s\n", mark, log_prefix,
                     log_prefix[0] != '\0' ? ": " : "", text);
    if (n > (int)sizeof line - 1)
        n = (int)sizeof line - 1;
    ssize_t written = write(STDERR_FILENO, line, (size_t)n);
    (void)written; /* a log that cannot be written cannot be reported either */
}
