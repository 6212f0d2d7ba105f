// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * godwit-ctl, the break-glass tool: everything that can be done to one plan at one site, over the
 * control socket of a data-plane process or on a plan directory, without anything else running.
 */
#include "base/log.h"
#include "ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>

static void log_line(enum gw_log_level level, const char *line)
{
    (void)level;
    fprintf(stderr, "godwit-ctl: %s\n", line);
}

int main(int argc, char **argv)
{
    gw_log_sink(log_line);
    if (getenv("GODWIT_LOG") == NULL)
        gw_log_level_max(GW_LOG_WARNING);
    return gw_term_main(&ctl_program, argc, argv, NULL);
}
