// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* godwit: the program a person types. */
#include "base/checked.h"
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

static const struct cli_command commands[] = {
    { "demo", "two sites on this machine: fail over, and come home", cli_demo },
};

static void print_help(FILE *to)
{
    fprintf(to, "usage: godwit COMMAND [OPTION]...\n\n"
                "Replication, failover and failback of volumes between two sites.\n\n");
    for (size_t i = 0; i < GW_ARRAY_SIZE(commands); i++)
        fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fprintf(to, "\n  --help, -h     this text; godwit COMMAND --help explains a command\n"
                "  --version, -V  the version\n");
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        print_help(stdout);
        return CLI_OK;
    }
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        puts("godwit " GODWIT_VERSION);
        return CLI_OK;
    }
    for (size_t i = 0; i < GW_ARRAY_SIZE(commands); i++) {
        if (strcmp(word, commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    }
    if (word[0] == '\0')
        print_help(stderr);
    else
        fprintf(stderr, "godwit: there is no command '%s'; godwit --help names them\n", word);
    return CLI_USAGE;
}
