// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "witness/etcd_message.h"

#include "base/cleanup.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* gRPC's status codes (grpc/doc/statuscodes.md). */
enum {
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_FAILED_PRECONDITION = 9,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_UNAUTHENTICATED = 16,
};

/* ---- what we send ----------------------------------------------------------------------------
 */

static json_t *base64(const char *text)
{
    const gnutls_datum_t in = { .data = (unsigned char *)(uintptr_t)text,
                                .size = (unsigned)strlen(text) };
    gnutls_datum_t out = { 0 };
    if (gnutls_base64_encode2(&in, &out) < 0)
        return NULL;
    json_t *j = json_stringn((const char *)out.data, out.size);
    gnutls_free(out.data);
    return j;
}

json_t *gw_etcd_range_body(const char *key)
{
    return json_pack("{s:o}", "key", base64(key));
}

json_t *gw_etcd_txn_body(const char *key, uint64_t expected, const char *text)
{
    char revision[24];
    snprintf(revision, sizeof revision, "%" PRIu64, expected);
    return json_pack("{s:[{s:o, s:s, s:s, s:s}], s:[{s:{s:o, s:o}}], s:[{s:{s:o}}]}", "compare",
                     "key", base64(key), "target", "MOD", "result", "EQUAL", "mod_revision",
                     revision, "success", "request_put", "key", base64(key), "value", base64(text),
                     "failure", "request_range", "key", base64(key));
}

/* ---- what comes back --------------------------------------------------------------------------
 */

/* A 64-bit number, as a string or as a number; absent is 0. */
static int read_number(const json_t *o, const char *name, uint64_t *ret, struct gw_error *err)
{
    const json_t *j = json_object_get(o, name);
    const char *text = json_string_value(j);
    char *end = NULL;
    *ret = 0;
    if (j == NULL)
        return 0;
    if (json_is_integer(j) && json_integer_value(j) >= 0) {
        *ret = (uint64_t)json_integer_value(j);
        return 0;
    }
    errno = 0;
    if (text != NULL && text[0] >= '0' && text[0] <= '9')
        *ret = strtoull(text, &end, 10);
    if (end == NULL || *end != '\0' || errno != 0)
        return gw_error_set(err, -EPROTO, "the witness's answer: \"%s\" is not a number", name);
    return 0;
}

static int read_header(const json_t *answer, struct gw_etcd_header *ret, struct gw_error *err)
{
    const json_t *header = json_object_get(answer, "header");
    int r = read_number(header, "cluster_id", &ret->cluster_id, err);
    if (r == 0)
        r = read_number(header, "revision", &ret->revision, err);
    if (r == 0 && (ret->cluster_id == 0 || ret->revision == 0))
        r = gw_error_set(err, -EPROTO, "the witness's answer has no header: this is not etcd");
    return r;
}

static int decode(const json_t *j, const char *what, size_t max, char *ret, struct gw_error *err)
{
    const char *text = json_string_value(j);
    gnutls_datum_t out = { 0 };
    *ret = '\0';
    if (j == NULL) /* empty */
        return 0;
    const gnutls_datum_t in = { .data = (unsigned char *)(uintptr_t)text,
                                .size = text != NULL ? (unsigned)strlen(text) : 0 };
    if (text == NULL || (in.size > 0 && gnutls_base64_decode2(&in, &out) < 0))
        return gw_error_set(err, -EPROTO, "the witness's answer: its %s is not base64", what);
    int r = 0;
    if (out.size > max || memchr(out.data, '\0', out.size) != NULL)
        r = gw_error_set(err, -EPROTO, "the witness's answer: its %s is not one of ours", what);
    else if (out.size > 0)
        memcpy(ret, out.data, out.size);
    if (r == 0)
        ret[out.size] = '\0';
    gnutls_free(out.data);
    return r;
}

/* {"kvs": [{"key", "mod_revision", "value"}]}, or without kvs. */
static int read_kvs(const json_t *range, const char *key, struct gw_register_value *ret,
                    struct gw_error *err)
{
    char name[GW_REGISTER_KEY_BYTES_MAX + 1];
    const json_t *kvs = json_object_get(range, "kvs");
    const json_t *kv = json_array_get(kvs, 0);
    *ret = (struct gw_register_value){ .revision = 0 };
    if (kvs == NULL)
        return 0;
    if (json_array_size(kvs) != 1 || !json_is_object(kv))
        return gw_error_set(err, -EPROTO, "the witness's answer has not one key");
    int r = decode(json_object_get(kv, "key"), "key", GW_REGISTER_KEY_BYTES_MAX, name, err);
    if (r == 0 && strcmp(name, key) != 0)
        r = gw_error_set(err, -EPROTO, "the witness's answer is of another key");
    if (r == 0)
        r = read_number(kv, "mod_revision", &ret->revision, err);
    if (r == 0 && ret->revision == 0)
        r = gw_error_set(err, -EPROTO, "the witness's answer has a key without a revision");
    if (r == 0)
        r = decode(json_object_get(kv, "value"), "value", GW_REGISTER_TEXT_BYTES_MAX, ret->text,
                   err);
    return r;
}

int gw_etcd_read_range(const json_t *answer, const char *key, struct gw_etcd_header *ret_header,
                       struct gw_register_value *ret, struct gw_error *err)
{
    *ret = (struct gw_register_value){ .revision = 0 };
    int r = read_header(answer, ret_header, err);
    return r < 0 ? r : read_kvs(answer, key, ret, err);
}

int gw_etcd_read_txn(const json_t *answer, const char *key, struct gw_etcd_header *ret_header,
                     bool *ret_won, struct gw_register_value *ret, struct gw_error *err)
{
    const json_t *responses = json_object_get(answer, "responses");
    const json_t *one = json_array_get(responses, 0);
    *ret = (struct gw_register_value){ .revision = 0 };
    *ret_won = json_is_true(json_object_get(answer, "succeeded"));
    int r = read_header(answer, ret_header, err);
    if (r < 0)
        return r;
    const json_t *done = json_object_get(one, *ret_won ? "response_put" : "response_range");
    if (json_array_size(responses) != 1 || !json_is_object(done))
        return gw_error_set(err, -EPROTO, "the witness's answer does not say what was done");
    if (!*ret_won)
        return read_kvs(done, key, ret, err);
    ret->revision = ret_header->revision; /* the transaction's is the key's */
    return 0;
}

static void copy_text(const json_t *o, const char *name, char *ret, size_t size)
{
    const char *text = json_string_value(json_object_get(o, name));
    snprintf(ret, size, "%s", text != NULL ? text : "");
}

int gw_etcd_read_status(const json_t *answer, struct gw_register_health *ret, struct gw_error *err)
{
    struct gw_etcd_header header;
    copy_text(answer, "version", ret->version, sizeof ret->version);
    copy_text(json_object_get(answer, "header"), "member_id", ret->member, sizeof ret->member);
    copy_text(answer, "leader", ret->leader, sizeof ret->leader);
    return read_header(answer, &header, err);
}

void gw_etcd_read_error(const json_t *answer, int status, bool *ret_not_done, int *ret_code,
                        char *ret_text, size_t size)
{
    static const struct {
        int grpc, code;
    } sure[] = {
        { GRPC_INVALID_ARGUMENT, -EINVAL },    { GRPC_PERMISSION_DENIED, -EACCES },
        { GRPC_FAILED_PRECONDITION, -EINVAL }, { GRPC_UNIMPLEMENTED, -EOPNOTSUPP },
        { GRPC_UNAUTHENTICATED, -EACCES },
    };
    const char *text = json_string_value(json_object_get(answer, "error"));
    json_int_t code = json_integer_value(json_object_get(answer, "code"));
    *ret_not_done = false;
    *ret_code = code == GRPC_RESOURCE_EXHAUSTED ? -ENOSPC : -EAGAIN;
    if (text != NULL)
        snprintf(ret_text, size, "%s", text);
    else
        snprintf(ret_text, size, "it answered %d", status);
    for (size_t i = 0; i < sizeof sure / sizeof sure[0]; i++) {
        if (sure[i].grpc == code) {
            *ret_not_done = true;
            *ret_code = sure[i].code;
        }
    }
}
