// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * JSON from outside, decoded under limits, and its members read with sentences for people.
 *
 * Pure: no socket, file or clock. Threads: no state.
 *
 * A name in front of a sentence is the path of the value ("groups[0].name"): the readers are given
 * the name that the person knows it by.
 */
#pragma once

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Decode text (any JSON value; UTF-8, no NUL, no member twice, at most GW_HTTP_DEPTH_MAX deep and
 * values_max values; 0: any number). Given back with json_decref. -EBADMSG with line, column and
 * cause: "not JSON: line 3, column 7: ...".
 */
int gw_http_json_parse(const char *text, size_t len, unsigned values_max, json_t **ret,
                       struct gw_error *err);

/*
 * Members of an object. An absent (or null) one is -EINVAL if it is required; otherwise 0 and *ret
 * is left as it was: set it to the default before. Texts and containers are borrowed from object.
 */
int gw_http_json_text(const json_t *object, const char *name, bool required, const char **ret,
                      struct gw_error *err);
int gw_http_json_u64(const json_t *object, const char *name, bool required, uint64_t *ret,
                     struct gw_error *err);
int gw_http_json_i64(const json_t *object, const char *name, bool required, int64_t *ret,
                     struct gw_error *err);
int gw_http_json_bool(const json_t *object, const char *name, bool required, bool *ret,
                      struct gw_error *err);
int gw_http_json_object(const json_t *object, const char *name, bool required, json_t **ret,
                        struct gw_error *err);
int gw_http_json_array(const json_t *object, const char *name, bool required, json_t **ret,
                       struct gw_error *err);

/* -EINVAL unless every member of object is a word of `names` (blank-separated; NULL: none); the
 * sentence lists what is allowed and a near miss. */
int gw_http_json_members(const json_t *object, const char *names, struct gw_error *err);

/* A JSON text of any C string: bytes of one that is not UTF-8 (a file name) become '?'. NULL: no
 * memory. */
json_t *gw_http_json_string(const char *text);

/* Is `word` one of the blank-separated words? */
bool gw_http_has_word(const char *words, const char *word);
/* The word of `words` (blank-separated) that is nearest to `word`, if one is near; else false. */
bool gw_http_near_miss(const char *word, const char *words, char *ret, size_t ret_size);

static inline void gw_http_cleanup_json(json_t **j)
{
    json_decref(*j);
}
/* Not CLEANUP_JSON: who speaks to control sockets too has that one already. */
#define CLEANUP_HTTP_JSON __attribute__((cleanup(gw_http_cleanup_json)))
