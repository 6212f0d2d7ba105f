// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "http/keys.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "http/json.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHO_MAX 96
#define ETAG_MAX 128

/* Of whom the keys are: two users may think of the same one. */
static void who_of(const struct gw_http_call *call, char ret[WHO_MAX])
{
    const struct gw_http_peer *peer = gw_http_call_peer(call);
    if (peer->local)
        snprintf(ret, WHO_MAX, "uid:%u", (unsigned)peer->uid);
    else
        snprintf(ret, WHO_MAX, "site:%s", peer->name);
}

static void hash_text(gnutls_hash_hd_t h, const char *text)
{
    gnutls_hash(h, text, strlen(text) + 1); /* with its NUL: a separator */
}

static int hash_request(const struct gw_http_call *call, const char *who, char ret[65],
                        struct gw_error *err)
{
    gnutls_hash_hd_t h;
    uint8_t digest[32];
    size_t len;
    if (gnutls_hash_init(&h, GNUTLS_DIG_SHA256) < 0)
        return gw_error_set(err, -ENOMEM, "out of memory for a hash");
    /* By the decoded document: the order of members and blanks are no difference. */
    CLEANUP_FREE char *text =
        gw_http_call_json(call) != NULL
            ? json_dumps(gw_http_call_json(call), JSON_COMPACT | JSON_SORT_KEYS)
            : NULL;
    const char *body = gw_http_call_body(call, &len);
    hash_text(h, who);
    hash_text(h, gw_http_call_method(call));
    hash_text(h, gw_http_call_path(call));
    hash_text(h, gw_http_call_query_text(call));
    if (text != NULL)
        hash_text(h, text);
    else
        gnutls_hash(h, body, strlen(body));
    gnutls_hash_deinit(h, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(ret + 2 * i, 3, "%02x", digest[i]);
    return 0;
}

static int key_of(const struct gw_http_call *call, const char **ret, struct gw_error *err)
{
    const char *key = gw_http_call_header(call, "Idempotency-Key");
    *ret = NULL;
    if (key == NULL)
        return 0;
    size_t len = strlen(key);
    if (len == 0 || len > GW_HTTP_KEY_BYTES_MAX)
        return gw_error_set(err, -EINVAL, "Idempotency-Key: 1 to %u characters are possible",
                            GW_HTTP_KEY_BYTES_MAX);
    for (size_t i = 0; i < len; i++) {
        if (key[i] <= 0x20 || key[i] >= 0x7f)
            return gw_error_set(err, -EINVAL,
                                "Idempotency-Key: blanks, control characters and "
                                "other than ASCII are not possible");
    }
    *ret = key;
    return 0;
}

static int replay(struct gw_http_call *call, struct gw_http_key_record *record)
{
    CLEANUP_HTTP_JSON json_t *body = NULL;
    gw_http_reply_header(call, "Idempotent-Replay", "true");
    if (record->location != NULL)
        gw_http_reply_header(call, "Location", record->location);
    if (record->body == NULL)
        return gw_http_reply_empty(call, record->status);
    if (gw_http_json_parse(record->body, strlen(record->body), 0, &body, NULL) < 0)
        body = NULL; /* the store gave back something else: the reply becomes a 500 */
    return gw_http_reply_json(call, record->status, json_incref(body));
}

static int answer(struct gw_http_call *call, const char *key, const char *request,
                  struct gw_http_key_record *record)
{
    struct gw_error why = { 0 };
    if (strcmp(record->request, request) != 0) {
        gw_error_set(&why, -EEXIST,
                     "the Idempotency-Key \"%.64s\" was used for another request; take a new one",
                     key);
        gw_http_reply_problem(call, 422, "key-reused", &why);
    } else if (record->state == GW_HTTP_KEY_RUNNING) {
        gw_error_set(&why, -EBUSY,
                     "the first request with the Idempotency-Key \"%.64s\" is not answered yet",
                     key);
        gw_http_reply_header(call, "Retry-After", "2");
        gw_http_reply_problem(call, 409, "key-running", &why);
    } else {
        replay(call, record);
    }
    return 1;
}

int gw_http_key_begin(struct gw_http_call *call, const struct gw_http_key_store *store,
                      struct gw_error *err)
{
    const char *key;
    char who[WHO_MAX], request[65];
    struct gw_http_key_record record = { 0 };
    int r = key_of(call, &key, err);
    if (r < 0 || key == NULL)
        return r;
    who_of(call, who);
    r = hash_request(call, who, request, err);
    if (r == 0)
        r = store->begin(store->ctx, who, key, request, &record, err);
    if (r == 0 && record.state != GW_HTTP_KEY_NEW)
        r = answer(call, key, request, &record);
    free(record.body);
    free(record.location);
    return r;
}

int gw_http_key_end(struct gw_http_call *call, const struct gw_http_key_store *store,
                    struct gw_error *err)
{
    const char *key;
    char who[WHO_MAX];
    struct gw_error why = { 0 };
    if (key_of(call, &key, &why) < 0 || key == NULL)
        return 0;
    who_of(call, who);
    int status = gw_http_reply_status(call), r;
    if (status >= 400 && status < 500) {
        r = store->forget(store->ctx, who, key, &why);
    } else {
        CLEANUP_FREE char *body = gw_http_reply_dump(call);
        r = store->end(store->ctx, who, key, status, body,
                       gw_http_reply_header_get(call, "Location"), &why);
    }
    if (r < 0)
        gw_log(GW_LOG_WARNING, "the answer to the idempotency key \"%.64s\" is not stored: %s", key,
               why.msg);
    return 0;
}

/* ---- ETag ------------------------------------------------------------------------------------ */

int gw_http_reply_etag(struct gw_http_call *call, const char *etag)
{
    char quoted[ETAG_MAX];
    snprintf(quoted, sizeof quoted, "\"%s\"", etag);
    return gw_http_reply_header(call, "ETag", quoted);
}

/* Is etag one of the list ("a", W/"b", *)? -1: it is not a list of those. strong: W/ never is. */
static int list_has(const char *list, const char *etag, bool strong)
{
    bool found = false;
    for (const char *p = list + strspn(list, " ");;) {
        bool weak = strncmp(p, "W/", 2) == 0;
        p += weak ? 2 : 0;
        if (*p == '*' && !weak) {
            found = found || etag != NULL;
            p++;
        } else {
            const char *end = *p == '"' ? strchr(p + 1, '"') : NULL;
            if (end == NULL)
                return -1;
            size_t len = (size_t)(end - p - 1);
            found = found || (etag != NULL && !(weak && strong) && strlen(etag) == len &&
                              memcmp(p + 1, etag, len) == 0);
            p = end + 1;
        }
        p += strspn(p, " ");
        if (*p == '\0')
            return found;
        if (*p != ',')
            return -1;
        p++;
        p += strspn(p, " ");
    }
}

int gw_http_if_match(struct gw_http_call *call, const char *etag, bool *ret_present,
                     struct gw_error *err)
{
    const char *list = gw_http_call_header(call, "If-Match");
    *ret_present = list != NULL;
    int has = list != NULL ? list_has(list, etag, true) : 1;
    if (has < 0)
        return gw_error_set(err, -EINVAL,
                            "If-Match: %.64s is not an entity tag: it is a text in quotes", list);
    if (has > 0)
        return 0;
    if (etag == NULL)
        return gw_error_set(err, -ESTALE, "If-Match: %.64s, but there is none (any more)", list);
    gw_http_reply_etag(call, etag);
    return gw_error_set(
        err, -ESTALE,
        "it was changed by somebody else: If-Match says %.64s, it is now \"%.64s\"; "
        "read it again",
        list, etag);
}

bool gw_http_not_modified(struct gw_http_call *call, const char *etag)
{
    const char *list = gw_http_call_header(call, "If-None-Match");
    if (list == NULL || list_has(list, etag, false) <= 0)
        return false;
    gw_http_reply_empty(call, 304);
    gw_http_reply_etag(call, etag);
    return true;
}
