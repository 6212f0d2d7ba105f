// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The commands of godwit: one row of the table in main.c and one cmd_*.c each. */
#pragma once

struct cli_command {
    const char *name;
    const char *summary; /* one line, no full stop */
    /* argv[0] is the command's name. The exit code. */
    int (*run)(int argc, char **argv);
};

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

int cli_demo(int argc, char **argv);
