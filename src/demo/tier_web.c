// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "demo/tier_web.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAEMONS 2
#define IDLE_S 30u

struct tier_web {
    tier_answer_fn *answer;
    void *arg;
    struct MHD_Daemon *daemon[DAEMONS];
};

static enum MHD_Result handle(void *cls, struct MHD_Connection *conn, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **state)
{
    static int begun; /* its address says that the head was seen */
    const struct tier_web *w = cls;
    (void)version;
    (void)upload;
    if (*state == NULL) {
        *state = &begun;
        return MHD_YES;
    }
    if (*upload_size > 0) { /* nothing here takes a body */
        *upload_size = 0;
        return MHD_YES;
    }
    char text[TIER_ANSWER_BYTES] = "";
    const struct tier_request q = { .post = strcmp(method, "POST") == 0,
                                    .path = url,
                                    .conn = conn };
    unsigned code = w->answer(w->arg, &q, text);
    struct MHD_Response *r =
        MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_COPY);
    if (r == NULL)
        return MHD_NO;
    enum MHD_Result queued = MHD_queue_response(conn, code, r);
    MHD_destroy_response(r);
    return queued;
}

uint64_t tier_web_number(const struct tier_request *q, const char *name)
{
    const char *text = MHD_lookup_connection_value(q->conn, MHD_GET_ARGUMENT_KIND, name);
    return text != NULL ? strtoull(text, NULL, 10) : 0;
}

int tier_web_start(const struct tier *t, unsigned port, tier_answer_fn *answer, void *arg,
                   struct tier_web **ret, struct gw_error *err)
{
    const char *const address[DAEMONS] = { t->address, TIER_LOCAL };
    struct tier_web *w = calloc(1, sizeof *w);
    if (w == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    w->answer = answer;
    w->arg = arg;
    for (int i = 0; i < DAEMONS; i++) {
        int fd = tier_listen(address[i], port, err);
        if (fd >= 0)
            w->daemon[i] = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD |
                                                MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL,
                                            0, NULL, NULL, handle, w, MHD_OPTION_LISTEN_SOCKET, fd,
                                            MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S, MHD_OPTION_END);
        if (w->daemon[i] != NULL)
            continue;
        int r = fd < 0 ? fd : gw_error_set(err, -EIO, "cannot start the web server");
        if (fd >= 0)
            close(fd);
        tier_web_stop(w);
        return r;
    }
    *ret = w;
    return 0;
}

void tier_web_stop(struct tier_web *w)
{
    if (w == NULL)
        return;
    for (int i = 0; i < DAEMONS; i++) {
        if (w->daemon[i] != NULL)
            MHD_stop_daemon(w->daemon[i]);
    }
    free(w);
}
