// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* godwit: the program a person types. */
#include "base/log.h"
#include "cli/cli.h"
#include "demo/tier.h"

#include <stdio.h>
#include <string.h>

static void log_line(enum gw_log_level level, const char *line)
{
    (void)level;
    fprintf(stderr, "godwit: %s\n", line);
}

int main(int argc, char **argv)
{
    /* A tier of the demo's application: for its plan to call, not for people, so not in the table.
     */
    if (argc > 3 && strcmp(argv[1], "demo") == 0 && strcmp(argv[2], "--role") == 0)
        return tier_main(argc - 3, argv + 3);
    gw_log_sink(log_line);
    if (getenv("GODWIT_LOG") == NULL)
        gw_log_level_max(GW_LOG_WARNING);
    struct cli cli = { 0 };
    int code = gw_term_main(&cli_program, argc, argv, &cli);
    cli_done(&cli);
    return code;
}
