// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The guard of a source: it answers whoever calls this side as if it were a replica.
 *
 * Two sources never stream to each other, but they must be able to meet: after a cut link heals,
 * the old active and the promoted side both serve and both call. The guard says hello, judges, and
 * obeys: the older reign is deposed at once (row 1), equal ones freeze (row 2), a side that waits
 * learns that it was replaced. Then the connection is closed with a sentence.
 */
#include "base/cleanup.h"
#include "base/log.h"
#include "engine/frame_io.h"
#include "engine/greeter.h"
#include "engine/source_internal.h"

#include <errno.h>
#include <stdlib.h>

/* Our statement, said. */
static int say_hello(struct gw_source *s, struct gw_conn *conn, struct gw_hello *mine,
                     struct gw_error *err)
{
    CLEANUP_FREE uint8_t *buf = malloc(GW_HELLO_BYTES_MAX);
    if (buf == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    pthread_mutex_lock(s->mu);
    mine->version_min = GW_PROTOCOL_MIN;
    mine->version_max = GW_PROTOCOL_MAX;
    mine->changes = s->plan->meta.generation;
    gw_source_own_side(s, &mine->side);
    pthread_mutex_unlock(s->mu);
    size_t n = gw_hello_encode(mine, buf, GW_HELLO_BYTES_MAX);
    return gw_frame_send(conn, GW_FRAME_HELLO, buf, n, err);
}

static int judge(struct gw_source *s, struct gw_conn *conn, const struct gw_hello *mine,
                 const struct gw_hello *theirs, struct gw_error *err)
{
    struct gw_verdict v;
    gw_verdict_decide(&mine->side, &theirs->side, &v);
    uint8_t buf[GW_VERDICT_BYTES_MAX];
    size_t n = gw_verdict_encode(&v, buf, sizeof buf);
    int r = gw_frame_send(conn, GW_FRAME_VERDICT, buf, n, err);
    if (r < 0)
        return r;
    r = gw_source_obey(s, &v, err);
    if (r < 0)
        return r;
    return gw_error_set(err, -EPERM,
                        "%s serves as a source and calls by itself; start "
                        "godwit-replica on the other side",
                        mine->side.site_name);
}

/* Nothing here waits for the caller: what is said fits into the kernel's buffer. */
static void on_greeted(void *arg, struct gw_conn *conn, const struct gw_hello *theirs,
                       uint64_t number)
{
    struct gw_source *s = arg;
    struct gw_error err = { .code = 0 }, ignored;
    CLEANUP_FREE struct gw_hello *mine = calloc(1, sizeof *mine);
    (void)number; /* each is answered, and gone */
    int r = mine == NULL ? gw_error_set(&err, -ENOMEM, "out of memory")
                         : say_hello(s, conn, mine, &err);
    if (r == 0)
        r = judge(s, conn, mine, theirs, &err);
    gw_log(GW_LOG_INFO, "%s called: %s", gw_conn_peer(conn), err.msg);
    gw_frame_send_goodbye(conn, GW_GOODBYE_REFUSED, err.msg, &ignored);
    gw_conn_close(conn);
}

void *gw_source_guard_main(void *arg)
{
    struct gw_source *s = arg;
    gw_greeter_run(&(struct gw_greeter){ .listener = s->guard,
                                         .plan = s->plan->meta.plan,
                                         .stop_fd = s->stop_fd,
                                         .arg = s,
                                         .greeted = on_greeted });
    return NULL;
}
