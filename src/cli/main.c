// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* godwit: the program a person types. */
#include "base/log.h"
#include "cli/cli.h"

#include <stdio.h>

static void log_line(enum gw_log_level level, const char *line)
{
    (void)level;
    fprintf(stderr, "godwit: %s\n", line);
}

int main(int argc, char **argv)
{
    gw_log_sink(log_line);
    if (getenv("GODWIT_LOG") == NULL)
        gw_log_level_max(GW_LOG_WARNING);
    struct cli cli = { 0 };
    int code = gw_term_main(&cli_program, argc, argv, &cli);
    cli_done(&cli);
    return code;
}
