// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What the tests of the link share: two sites in private directories, on free ports. */
#pragma once

#include "base/clock.h"
#include "http/json.h"
#include "link/identity.h"
#include "link/pair.h"
#include "link/peer.h"
#include "link/probe.h"
#include "link/serve.h"
#include "link/trust.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define CALL_MS 10000u

#define assert_ok(r, err)                                                                          \
    do {                                                                                           \
        if ((r) != 0)                                                                              \
            fail_msg("%s: %d: %s", #r, (err)->code, (err)->msg);                                   \
    } while (0)
#define assert_contains(text, part)                                                                \
    do {                                                                                           \
        if (strstr((text), (part)) == NULL)                                                        \
            fail_msg("\"%s\" is not in \"%s\"", (part), (text));                                   \
    } while (0)

struct site {
    char dir[64], peers[80];
    struct gw_identity *id;
    struct gw_trust *trust;
    struct gw_pair_book *book;
    struct gw_link *link;
    char address[64];
};

static inline void make_dir(char dir[64])
{
    snprintf(dir, 64, "/tmp/godwit-link-XXXXXX");
    assert_non_null(mkdtemp(dir));
}

static inline void drop_dir(const char *dir)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r -- '%s'", dir);
    assert_int_equal(system(command), 0);
}

static inline void site_open(struct site *s, const char *name)
{
    struct gw_error err = { 0 };
    *s = (struct site){ 0 };
    make_dir(s->dir);
    snprintf(s->peers, sizeof s->peers, "%s/peers", s->dir);
    assert_ok(gw_identity_open(s->dir, name, true, &s->id, &err), &err);
    assert_ok(gw_trust_open(s->peers, &s->trust, &err), &err);
}

static inline struct gw_pair_config pair_config(const struct site *s)
{
    return (struct gw_pair_config){
        .identity = s->id, .trust = s->trust, .link = s->address, .data = "data.example:7000"
    };
}

static inline void site_serve(struct site *s, const struct gw_link_method *methods, size_t n,
                              void *ctx)
{
    struct gw_error err = { 0 };
    const struct gw_link_config config = { .address = "127.0.0.1:0",
                                           .identity = s->id,
                                           .trust = s->trust,
                                           .book = s->book,
                                           .methods = methods,
                                           .n_methods = n,
                                           .ctx = ctx,
                                           .version = "1.2.3" };
    assert_ok(gw_link_open(&config, &s->link, &err), &err);
    snprintf(s->address, sizeof s->address, "%s", gw_link_address(s->link));
}

static inline void site_close(struct site *s)
{
    gw_link_close(s->link);
    gw_pair_book_free(s->book);
    gw_trust_free(s->trust);
    gw_identity_free(s->id);
    drop_dir(s->dir);
}

static inline void site_trust(struct site *s, const struct site *other)
{
    struct gw_error err = { 0 };
    assert_ok(
        gw_trust_pin(s->trust, gw_identity_site(other->id), gw_identity_pem(other->id), true, &err),
        &err);
}

static inline struct gw_peer *peer_of(const struct site *from, const struct site *to,
                                      const char *name)
{
    struct gw_peer *p;
    struct gw_error err = { 0 };
    const struct gw_peer_config config = { .identity = from->id,
                                           .site = name,
                                           .address = to->address,
                                           .pin = gw_identity_info(to->id)->fingerprint };
    assert_ok(gw_peer_new(&config, &p, &err), &err);
    return p;
}
