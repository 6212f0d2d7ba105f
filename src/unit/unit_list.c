// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The units that are known, and what each is defined as. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/cond.h"
#include "unit/unit_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_AGAIN_MS 200u

/* In one piece: the array, which ends with NULL, and the texts behind it. */
static char **texts_copy(char *const *from)
{
    size_t n = 0, bytes = 0;

    for (; from != NULL && from[n] != NULL; n++)
        bytes += strlen(from[n]) + 1;
    char **to = malloc((n + 1) * sizeof *to + bytes);
    if (to == NULL)
        return NULL;
    char *at = (char *)(to + n + 1);
    for (size_t i = 0; i < n; i++) {
        const size_t len = strlen(from[i]) + 1;
        to[i] = memcpy(at, from[i], len);
        at += len;
    }
    to[n] = NULL;
    return to;
}

static void unit_free(struct unit *n)
{
    if (n == NULL)
        return;
    free(n->argv);
    free(n->env);
    free(n->control);
    free(n->nbd);
    if (n->pidfd >= 0)
        close(n->pidfd);
    free(n);
}

struct unit *gw_unit_add(struct gw_units *u, const char *plan, enum gw_unit_kind kind)
{
    struct unit *n = calloc(1, sizeof *n);

    if (n == NULL)
        return NULL;
    snprintf(n->plan, sizeof n->plan, "%s", plan);
    n->kind = kind;
    n->pidfd = -1;
    n->since_ns = gw_boot_ns();
    n->next = u->first;
    u->first = n;
    u->n++;
    return n;
}

bool gw_unit_define(struct unit *n, const struct gw_unit_spec *spec)
{
    char **argv = texts_copy(spec->command->argv), **env = texts_copy(spec->command->env);
    char *control = strdup(spec->control), *nbd = spec->nbd != NULL ? strdup(spec->nbd) : NULL;

    if (argv == NULL || env == NULL || control == NULL || (spec->nbd != NULL && nbd == NULL)) {
        free(argv);
        free(env);
        free(control);
        free(nbd);
        return false;
    }
    free(n->argv);
    free(n->env);
    free(n->control);
    free(n->nbd);
    n->kind = spec->kind;
    n->argv = argv;
    n->env = env;
    n->control = control;
    n->nbd = nbd;
    n->command_hash = gw_unit_command_hash(spec->kind, argv, env);
    return true;
}

void gw_unit_remove(struct gw_units *u, struct unit *n)
{
    struct unit **at = &u->first;

    while (*at != n)
        at = &(*at)->next;
    *at = n->next;
    u->n--;
    unit_free(n);
}

struct unit *gw_units_lookup(struct gw_units *u, const char *plan)
{
    struct unit *n = u->first;

    while (n != NULL && strcmp(n->plan, plan) != 0)
        n = n->next;
    return n;
}

struct unit *gw_units_take(struct gw_units *u, const char *plan)
{
    struct unit *n;

    while ((n = gw_units_lookup(u, plan)) != NULL && n->busy)
        gw_cond_wait_ms(&u->cv, &u->mu, LOOK_AGAIN_MS);
    return n;
}

int gw_units_list(struct gw_units *u, char ***ret, unsigned *ret_n, struct gw_error *err)
{
    char *name[GW_UNITS_MAX + 1];

    LOCK_SCOPE(&u->mu);
    unsigned k = 0;
    for (struct unit *n = u->first; n != NULL; n = n->next)
        name[k++] = n->plan;
    name[k] = NULL;
    char **names = texts_copy(name);
    if (names == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    *ret = names;
    *ret_n = u->n;
    return 0;
}
