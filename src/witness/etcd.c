// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "witness/etcd.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "http/client.h"
#include "http/json.h"
#include "witness/etcd_message.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 2u           /* over all members */
#define PAUSE_MS 50u        /* between rounds: a member that is starting, a leader being elected */
#define ATTEMPT_MS_MIN 100u /* less is no chance for anybody */
#define ANSWER_BYTES_MAX (64u * 1024u)
#define KEY_BYTES_MAX GW_REGISTER_KEY_BYTES_MAX

struct etcd {
    struct gw_register base;
    char *prefix;
    size_t n;
    struct gw_http_client *member[GW_ETCD_ENDPOINTS_MAX];
    atomic_bool cancelled;

    pthread_mutex_t lock; /* innermost; guards what follows */
    size_t preferred;     /* the member that answered last */
    struct gw_register_identity known;
    bool forgot; /* it is not the store that it was */
};

static struct etcd *etcd_of(struct gw_register *reg)
{
    return (struct etcd *)reg; /* base is the first member */
}

/* ---- one call to one member -------------------------------------------------------------------
 */

struct attempt {
    struct etcd *e;
    uint64_t deadline_ns;
    unsigned number; /* from 0 */
    size_t first;    /* the member that is asked first */
    bool in_doubt;   /* an earlier attempt may still be carried out */
    bool over;       /* no further attempt: it would be told the same */
};

static size_t member_of(const struct attempt *a)
{
    return (a->first + a->number) % a->e->n;
}

/* Of what is left, what this attempt may take; 0: nothing is left. */
static unsigned share_ms(const struct attempt *a)
{
    uint64_t now = gw_boot_ns();
    if (now >= a->deadline_ns)
        return 0;
    uint64_t left_ms = (a->deadline_ns - now) / GW_NS_PER_MS;
    uint64_t share = left_ms / (a->e->n - a->number % a->e->n);
    if (share < ATTEMPT_MS_MIN)
        share = left_ms < ATTEMPT_MS_MIN ? left_ms : ATTEMPT_MS_MIN;
    return (unsigned)share;
}

static void pause_ms(unsigned ms)
{
    const struct timespec t = { .tv_nsec = (long)(ms * GW_NS_PER_MS) };
    clock_nanosleep(CLOCK_BOOTTIME, 0, &t, NULL);
}

static void attempts_begin(struct attempt *a, struct etcd *e, unsigned timeout_ms)
{
    LOCK_SCOPE(&e->lock);
    *a = (struct attempt){ .e = e,
                           .deadline_ns = gw_boot_ns() + timeout_ms * GW_NS_PER_MS,
                           .first = e->preferred };
}

/* Is there to be another one? It is prepared. */
static bool attempts_next(struct attempt *a)
{
    if (a->over || atomic_load(&a->e->cancelled) || ++a->number >= ROUNDS * a->e->n)
        return false;
    if (a->number % a->e->n == 0)
        pause_ms(PAUSE_MS);
    return share_ms(a) > 0;
}

static void prefer(struct attempt *a)
{
    LOCK_SCOPE(&a->e->lock);
    a->e->preferred = member_of(a);
}

static int forgot_error(struct gw_error *err)
{
    return gw_error_set(err, -ESTALE,
                        "the witness is not the one that it was: another store answers, or it was "
                        "restored from a backup; what it granted since then it has forgotten");
}

/* What was known before the call was made: what other calls have learnt meanwhile may be newer. */
static int known_before(struct etcd *e, struct gw_register_identity *ret, struct gw_error *err)
{
    LOCK_SCOPE(&e->lock);
    *ret = e->known;
    return e->forgot ? forgot_error(err) : 0;
}

/* A linearizable answer is never older than what was known before it was asked for. */
static int check_identity(struct etcd *e, const struct gw_register_identity *before,
                          const struct gw_etcd_header *now, struct gw_error *err)
{
    LOCK_SCOPE(&e->lock);
    if ((before->store != 0 && now->cluster_id != before->store) || now->revision < before->changes)
        e->forgot = true;
    if (e->forgot)
        return forgot_error(err);
    e->known.store = now->cluster_id;
    if (now->revision > e->known.changes)
        e->known.changes = now->revision;
    return 0;
}

/*
 * One POST. 0: *ret_answer, new. Negative: *ret_sure says whether it is certain that nothing was
 * done.
 */
static int ask(struct attempt *a, const char *path, const json_t *body, json_t **ret_answer,
               bool *ret_sure, struct gw_error *err)
{
    struct gw_http_response answer;
    struct gw_error why = { 0 };
    const struct gw_http_request request = { .method = "POST",
                                             .path = path,
                                             .json = body,
                                             .timeout_ms = share_ms(a),
                                             .response_bytes_max = ANSWER_BYTES_MAX };
    *ret_sure = true;
    if (request.timeout_ms == 0)
        return gw_error_set(err, -ETIMEDOUT, "the witness did not answer in time");
    int r = gw_http_client_call(a->e->member[member_of(a)], &request, &answer, &why);
    *ret_sure = answer.outcome == GW_HTTP_NOT_SENT;
    if (r == 0 && !json_is_object(answer.json)) {
        r = gw_error_set(err, -EPROTO, "the witness's answer is not JSON: this is not etcd");
    } else if (r == 0) {
        *ret_answer = json_incref(answer.json);
    } else if (answer.outcome == GW_HTTP_REFUSED) {
        char text[256];
        gw_etcd_read_error(answer.json, answer.status, ret_sure, &r, text, sizeof text);
        a->over = *ret_sure;
        gw_error_set(err, r, "the witness: %s", text);
    } else {
        gw_error_set(err, r, "%s", why.msg);
    }
    gw_http_response_done(&answer);
    return r;
}

/* ---- the register -----------------------------------------------------------------------------
 */

static int full_key(const struct etcd *e, const char *key, char *ret, struct gw_error *err)
{
    if (snprintf(ret, KEY_BYTES_MAX + 1, "%s/%s", e->prefix, key) > (int)KEY_BYTES_MAX)
        return gw_error_set(err, -EINVAL, "the witness's key \"%s/%s\" has more than %u characters",
                            e->prefix, key, KEY_BYTES_MAX);
    return 0;
}

static int read_once(struct attempt *a, const char *key, struct gw_register_value *ret,
                     struct gw_error *err)
{
    struct gw_register_identity before;
    struct gw_etcd_header header;
    bool sure;
    CLEANUP_HTTP_JSON json_t *body = gw_etcd_range_body(key);
    CLEANUP_HTTP_JSON json_t *answer = NULL;
    int r = known_before(a->e, &before, err);
    if (r == 0)
        r = ask(a, GW_ETCD_RANGE_PATH, body, &answer, &sure, err);
    if (r == 0)
        r = gw_etcd_read_range(answer, key, &header, ret, err);
    if (r == 0)
        r = check_identity(a->e, &before, &header, err);
    return r;
}

static int etcd_read(struct gw_register *reg, const char *name, unsigned timeout_ms,
                     struct gw_register_value *ret, struct gw_error *err)
{
    struct attempt a;
    char key[KEY_BYTES_MAX + 1];
    int r = full_key(etcd_of(reg), name, key, err);
    if (r < 0)
        return r;
    attempts_begin(&a, etcd_of(reg), timeout_ms);
    do {
        r = read_once(&a, key, ret, err);
    } while (r < 0 && r != -ESTALE && attempts_next(&a));
    if (r == 0)
        prefer(&a);
    return r;
}

/* 0: the outcome is WON or LOST. */
static int swap_once(struct attempt *a, const char *key, uint64_t expected, const char *text,
                     struct gw_register_swap *ret, struct gw_error *err)
{
    struct gw_register_identity before;
    struct gw_etcd_header header;
    bool sure = true, won = false;
    CLEANUP_HTTP_JSON json_t *body = gw_etcd_txn_body(key, expected, text);
    CLEANUP_HTTP_JSON json_t *answer = NULL;
    int r = known_before(a->e, &before, err);
    if (r == 0)
        r = ask(a, GW_ETCD_TXN_PATH, body, &answer, &sure, err);
    if (r == 0) {
        sure = false; /* until the answer is understood */
        r = gw_etcd_read_txn(answer, key, &header, &won, &ret->now, err);
    }
    if (r == 0)
        r = check_identity(a->e, &before, &header, err);
    if (r < 0) {
        a->in_doubt |= !sure;
        return r;
    }
    /* Lost against itself: an earlier delivery of this text landed. */
    if (won || strcmp(ret->now.text, text) == 0) {
        snprintf(ret->now.text, sizeof ret->now.text, "%s", text);
        ret->outcome = GW_REGISTER_WON;
    } else {
        ret->outcome = GW_REGISTER_LOST;
    }
    return 0;
}

static int etcd_cas(struct gw_register *reg, const char *name, uint64_t expected, const char *text,
                    unsigned timeout_ms, struct gw_register_swap *ret, struct gw_error *err)
{
    struct attempt a;
    char key[KEY_BYTES_MAX + 1];
    int r = full_key(etcd_of(reg), name, key, err);
    if (r < 0)
        return r;
    attempts_begin(&a, etcd_of(reg), timeout_ms);
    do {
        r = swap_once(&a, key, expected, text, ret, err);
    } while (r < 0 && r != -ESTALE && attempts_next(&a));
    if (r == 0)
        prefer(&a);
    else
        ret->outcome = a.in_doubt ? GW_REGISTER_UNKNOWN : GW_REGISTER_NOT_DONE;
    return r;
}

static int etcd_health(struct gw_register *reg, unsigned timeout_ms, struct gw_register_health *ret,
                       struct gw_error *err)
{
    struct etcd *e = etcd_of(reg);
    struct attempt a;
    attempts_begin(&a, e, timeout_ms);
    ret->members = (unsigned)e->n;
    int last = -ETIMEDOUT;
    for (; a.number < e->n; a.number++) {
        struct gw_error why = { 0 };
        bool sure;
        CLEANUP_HTTP_JSON json_t *body = json_object();
        CLEANUP_HTTP_JSON json_t *answer = NULL;
        int r = ask(&a, GW_ETCD_STATUS_PATH, body, &answer, &sure, &why);
        if (r == 0)
            r = gw_etcd_read_status(answer, ret, &why);
        if (r == 0) {
            ret->answering++;
        } else {
            last = r;
            snprintf(ret->why, sizeof ret->why, "%.255s", why.msg);
        }
    }
    return ret->answering > 0 ? 0 : gw_error_set(err, last, "%s", ret->why);
}

static void etcd_identity(struct gw_register *reg, struct gw_register_identity *ret)
{
    struct etcd *e = etcd_of(reg);
    LOCK_SCOPE(&e->lock);
    *ret = e->known;
}

static void etcd_cancel(struct gw_register *reg)
{
    struct etcd *e = etcd_of(reg);
    atomic_store(&e->cancelled, true);
    for (size_t i = 0; i < e->n; i++)
        gw_http_client_cancel(e->member[i]);
}

/* ---- life -------------------------------------------------------------------------------------
 */

static void etcd_free(struct gw_register *reg)
{
    struct etcd *e = etcd_of(reg);
    for (size_t i = 0; i < GW_ETCD_ENDPOINTS_MAX; i++)
        gw_http_client_free(e->member[i]);
    pthread_mutex_destroy(&e->lock);
    free(e->prefix);
    free(e);
}

static bool is_this_machine(const char *url)
{
    static const char *const here[] = { "http://127.0.0.1:", "http://localhost:", "http://[::1]:" };
    for (size_t i = 0; i < GW_ARRAY_SIZE(here); i++) {
        if (strncmp(url, here[i], strlen(here[i])) == 0)
            return true;
    }
    return false;
}

static int open_member(struct etcd *e, const struct gw_etcd_config *config, const char *url,
                       struct gw_error *err)
{
    const bool plain = strncmp(url, "http://", 7) == 0;
    if (!plain && strncmp(url, "https://", 8) != 0)
        return gw_error_set(err, -EINVAL,
                            "witness: \"%.200s\" is not an address: https://HOST:PORT is", url);
    if (plain && !is_this_machine(url))
        return gw_error_set(err, -EINVAL,
                            "witness: \"%.200s\" is without TLS: anybody on the way could say who "
                            "is active; use https://, with ca, cert and key",
                            url);
    const struct gw_http_client_config client = { .address = url,
                                                  .cert_file = plain ? NULL : config->cert_file,
                                                  .key_file = plain ? NULL : config->key_file,
                                                  .ca_file = plain ? NULL : config->ca_file,
                                                  .peer = "the witness" };
    int r = gw_http_client_new(&client, &e->member[e->n], err);
    if (r == 0)
        e->n++;
    return r;
}

int gw_etcd_open(const struct gw_etcd_config *config, struct gw_register **ret,
                 struct gw_error *err)
{
    static const struct gw_register_ops ops = { .read = etcd_read,
                                                .cas = etcd_cas,
                                                .health = etcd_health,
                                                .identity = etcd_identity,
                                                .cancel = etcd_cancel,
                                                .free = etcd_free };
    if (config->n_endpoints == 0 || config->n_endpoints > GW_ETCD_ENDPOINTS_MAX)
        return gw_error_set(err, -EINVAL, "witness: 1 to %u members are possible, not %zu",
                            GW_ETCD_ENDPOINTS_MAX, config->n_endpoints);
    struct etcd *e = calloc(1, sizeof *e);
    if (e == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    e->base.ops = &ops;
    e->known = config->known;
    pthread_mutex_init(&e->lock, NULL);
    e->prefix = strdup(config->prefix);
    int r = e->prefix != NULL ? 0 : gw_error_set(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < config->n_endpoints && r == 0; i++)
        r = open_member(e, config, config->endpoints[i], err);
    if (r < 0) {
        etcd_free(&e->base);
        return r;
    }
    *ret = &e->base;
    return 0;
}
