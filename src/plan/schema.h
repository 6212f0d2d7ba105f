// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Tables that say what a file may contain. From one table come the decoder (plan/decode.h), the
 * canonical text (plan/encode.h), the reference for people (plan/reference.h) and the differences
 * between two versions (plan/planfile_diff.h): a key is added in one row.
 *
 * A schema describes one C struct; a field one key and where its value goes. The C type that
 * belongs to each gw_field_type is named beside it. Defaults are written as a person would write
 * them and decoded by the same code.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum gw_field_type {
    GW_FIELD_TEXT,            /* const char *; NULL: not given */
    GW_FIELD_NAME,            /* const char *; gw_name_ok */
    GW_FIELD_SITE,            /* const char *; one of the plan's two sites */
    GW_FIELD_PATH,            /* const char *; absolute */
    GW_FIELD_ADDRESS,         /* const char *; host:port */
    GW_FIELD_LISTEN,          /* const char *; host:port, port 0 is any */
    GW_FIELD_UNIX,            /* const char *; unix:/path */
    GW_FIELD_URL,             /* const char * */
    GW_FIELD_CIDR,            /* const char * */
    GW_FIELD_SIZE,            /* uint64_t bytes; 0: not given */
    GW_FIELD_RATE,            /* uint64_t bytes a second; 0: not given */
    GW_FIELD_DURATION,        /* uint64_t ms */
    GW_FIELD_NUMBER,          /* uint32_t */
    GW_FIELD_FLAG,            /* bool */
    GW_FIELD_WORD,            /* an enum of ours: the index into `words` */
    GW_FIELD_CRON,            /* struct gw_cron */
    GW_FIELD_MANUAL_OR_AFTER, /* uint64_t ms; 0: `manual`; else {after: 1h} */
    GW_FIELD_TEXTS,    /* struct gw_texts: a list of texts; one text alone is a list of one */
    GW_FIELD_ARGV,     /* struct gw_texts: a program and its arguments, no shell */
    GW_FIELD_COMMANDS, /* struct gw_commands: one argv, or a list of {exec: argv, timeout: 5m} */
    GW_FIELD_URLS,     /* struct gw_texts */
    GW_FIELD_PAIRS,    /* struct gw_pairs: free keys with texts */
    GW_FIELD_AT_PATHS, /* struct gw_at_path: a path at each of the plan's sites */
    GW_FIELD_AT_TEXTS, /* struct gw_at_texts: texts for each of the plan's sites */
    GW_FIELD_OBJECT,   /* the struct of `sub`, in place; left out: all its defaults */
    GW_FIELD_OPTION,   /* struct of `sub` *; NULL: left out */
    GW_FIELD_LIST,     /* struct of `sub` *, and a size_t at offset_n; one alone is a list of one
                          if `alone` */
};

struct gw_texts {
    size_t n;
    const char **item; /* item[n] is NULL: an argv */
};

struct gw_command {
    struct gw_texts exec;
    uint64_t timeout_ms;
};

struct gw_commands {
    size_t n;
    struct gw_command *item;
};

struct gw_pairs {
    size_t n;
    struct gw_pair {
        const char *key, *value;
    } * item; /* sorted by key */
};

struct gw_at_path {
    const char *home, *dr;
};

struct gw_at_texts {
    struct gw_texts home, dr;
};

struct gw_schema;

struct gw_field {
    const char *key;
    enum gw_field_type type;
    size_t offset;
    size_t offset_n;          /* GW_FIELD_LIST */
    bool required;            /* the key, or at least one item */
    bool alone;               /* GW_FIELD_LIST: an item without its list is a list of one */
    bool later;               /* decoded and kept; nothing acts on it yet */
    bool sites;               /* GW_FIELD_AT_TEXTS: the names of the sites also stand beside it */
    const char *fallback;     /* the value when the key is left out; NULL: none */
    uint64_t min, max;        /* of the value; of a list, a text: of its length. 0: no limit */
    uint64_t multiple;        /* of a size */
    const char *const *words; /* GW_FIELD_WORD, NULL-terminated */
    uint32_t words_later;     /* bit i: nothing acts on words[i] yet */
    const struct gw_schema *sub;
    const char *help; /* one line, for the reference */
};

struct gw_schema {
    const char *what;          /* "a volume" */
    size_t bytes;              /* of the struct */
    const char *const *one_of; /* exactly one of these keys, NULL-terminated; NULL: no such rule */
    const struct gw_field *field;
    size_t n;
};

#define GW_COMMAND_TIMEOUT_DEFAULT "300s"
#define GW_ARGV_MAX 256u
#define GW_LIST_MAX 256u
