// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Two sites, two plans, one data port each, real nbdkit and godwit-replica over TLS: supervised,
 * adopted, killed, restarted, and their roles changed, as godwitd does it.
 */
#include "base/checked.h"
#include "base/clock.h"
#include "certs.h"
#include "control/client.h"
#include "unit/command.h"
#include "unit/dataport.h"
#include "unit/poll.h"
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libnbd.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SOON_MS 60000u
#define PLANS 2
#define IMAGE_BYTES (4u * 1024 * 1024)

static struct gw_error err;
#define OK(x)                                                                                      \
    do {                                                                                           \
        err = (struct gw_error){ 0 };                                                              \
        if ((x) < 0)                                                                               \
            fail_msg("%s: %s", #x, err.msg);                                                       \
    } while (0)

static const char *const plan_name[PLANS] = { "shop", "crm" };
static struct gw_uuid plan_uuid[PLANS];
static struct gw_programs programs;
static char root[48];

struct site {
    const char *name;
    struct gw_units *units;
    struct gw_dataport *port;
    struct gw_polls *polls;
    char address[64]; /* of the port, the same after a restart */
};
static struct site home = { .name = "home" }, dr = { .name = "dr" };

static const char *path_of(const struct site *s, const char *plan, const char *suffix)
{
    static char text[8][PATH_MAX];
    static unsigned next;
    char *p = text[next++ % GW_ARRAY_SIZE(text)];
    snprintf(p, PATH_MAX, "%s/%s/%s%s", root, s->name, plan, suffix);
    return p;
}

/* ---- godwit-ctl --------------------------------------------------------------------------------
 */

static void ctl(const char *out, const char *const *words)
{
    const char *argv[24] = { programs.ctl };
    unsigned n = 1;
    int status = 0;
    for (; *words != NULL; words++)
        argv[n++] = *words;
    pid_t pid = fork();
    if (pid == 0) {
        int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        union {
            const char **given;
            char *const *wanted;
        } args = { .given = argv };
        if (fd < 0 || dup2(fd, 1) < 0)
            _exit(126);
        execv(argv[0], args.wanted);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status != 0)
        fail_msg("godwit-ctl %s: status %d", argv[1], status);
}
#define CTL(out, ...) ctl(out, (const char *[]){ __VA_ARGS__, NULL })

static void create(int i)
{
    char volume[PATH_MAX], like[PATH_MAX], out[64];
    const char *plan = plan_name[i];
    snprintf(out, sizeof out, "%s/out", root);
    snprintf(like, sizeof like, "%s/like", root);
    snprintf(volume, sizeof volume, "data=%s,4MiB", path_of(&home, plan, ".img"));
    CTL(out, "create", path_of(&home, plan, ""), "--active", "--plan", plan, "--site", "home",
        "--peer", "dr", "--volume", volume);
    CTL(like, "describe", path_of(&home, plan, ""));
    snprintf(volume, sizeof volume, "data=%s", path_of(&dr, plan, ".img"));
    CTL(out, "create", path_of(&dr, plan, ""), "--standby", "--like", like, "--site", "dr",
        "--volume", volume);
    json_t *o = json_load_file(like, 0, NULL);
    const json_t *id = json_object_get(o, "plan");
    const char *text = json_is_string(id) ? json_string_value(json_object_get(o, "plan_uuid"))
                                          : json_string_value(json_object_get(id, "uuid"));
    if (text == NULL || !gw_uuid_parse(text, &plan_uuid[i])) {
        char *dump = json_dumps(o, 0);
        fail_msg("no uuid in %s", dump);
    }
    json_decref(o);
}

/* ---- sites -------------------------------------------------------------------------------------
 */

static int route(void *arg, const struct gw_uuid *plan, char ret_path[GW_PASSED_PATH_MAX])
{
    for (int i = 0; i < PLANS; i++) {
        if (gw_uuid_equal(plan, &plan_uuid[i])) {
            snprintf(ret_path, GW_PASSED_PATH_MAX, "%s", path_of(arg, plan_name[i], ".data"));
            return 0;
        }
    }
    return -ENOENT;
}

static void open_port(struct site *s)
{
    const struct gw_dataport_config c = {
        .listen = s->address[0] != '\0' ? s->address : "127.0.0.1:0", .arg = s, .route = route
    };
    OK(gw_dataport_start(&c, &s->port, &err));
    snprintf(s->address, sizeof s->address, "%s", gw_dataport_address(s->port));
}

static void open_units(struct site *s)
{
    char dir[PATH_MAX];
    snprintf(dir, sizeof dir, "%s/%s", root, s->name);
    const struct gw_units_config c = {
        .dir = dir, .by = GW_UNITS_BY_OURSELVES, .backoff_ms_min = 50, .backoff_ms_max = 500
    };
    OK(gw_units_new(&c, &s->units, &err));
}

static int start(struct site *s, const struct site *peer, const char *plan, enum gw_unit_kind kind)
{
    char ca[64], cert[64], key[64];
    struct gw_unit_command command = { NULL };
    snprintf(ca, sizeof ca, "%s/ca.pem", root);
    snprintf(cert, sizeof cert, "%s/%s.pem", root, s->name);
    snprintf(key, sizeof key, "%s/%s.key", root, s->name);
    const struct gw_command_spec c = { .kind = kind,
                                       .dir = path_of(s, plan, ""),
                                       .control = path_of(s, plan, ".sock"),
                                       .nbd = path_of(s, plan, ".nbd"),
                                       .data = path_of(s, plan, ".data"),
                                       .peer = peer->address,
                                       .tls = { ca, cert, key, peer->name },
                                       .link_timeout_ms = 5000 };
    err = (struct gw_error){ 0 };
    OK(gw_command_build(&programs, &c, &command, &err));
    const struct gw_unit_spec unit = { .plan = plan,
                                       .kind = kind,
                                       .command = &command,
                                       .control = c.control,
                                       .nbd = kind == GW_UNIT_SOURCE ? c.nbd : NULL };
    int r = gw_units_start(s->units, &unit, &err);
    gw_command_done(&command);
    return r;
}

static void start_ready(struct site *s, const struct site *peer, const char *plan,
                        enum gw_unit_kind kind)
{
    OK(start(s, peer, plan, kind));
    OK(gw_units_wait_ready(s->units, plan, SOON_MS, &err));
}

static pid_t pid_of(struct site *s, const char *plan)
{
    struct gw_unit_status st;
    assert_int_equal(gw_units_get(s->units, plan, &st), 0);
    return st.pid;
}

/* ---- what they say ------------------------------------------------------------------------------
 */

static const char *text(const json_t *o, const char *key)
{
    const char *t = json_string_value(json_object_get(o, key));
    return t != NULL ? t : "";
}

static int64_t number(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

static json_t *call(struct site *s, const char *plan, json_t *request)
{
    json_t *answer = NULL;
    err = (struct gw_error){ 0 };
    int r = gw_control_call(path_of(s, plan, ".sock"), request, SOON_MS, NULL, NULL, &answer, &err);
    json_decref(request);
    if (r < 0)
        fail_msg("%s", err.msg);
    return answer;
}

static json_t *status(struct site *s, const char *plan)
{
    return call(s, plan, json_pack("{s:s}", "cmd", "status"));
}

/* Until all that was written is at the other site. */
static void await_drained(struct site *s, const char *plan)
{
    const uint64_t until = gw_boot_ns() + SOON_MS * GW_NS_PER_MS;
    for (;;) {
        json_t *o = status(s, plan);
        bool follows = strcmp(text(o, "replication"), "async") == 0 &&
                       number(o, "durable_seq") == number(o, "seq") &&
                       number(o, "dirty_blocks") == 0 && number(o, "coarse_extents") == 0;
        char *dump = json_dumps(o, 0);
        json_decref(o);
        if (!follows && gw_boot_ns() > until)
            fail_msg("%s is not followed: %s", plan, dump);
        free(dump);
        if (follows)
            return;
        poll(NULL, 0, 5);
    }
}

static void write_some(struct site *s, const char *plan, char what, uint64_t offset)
{
    static char block[65536];
    struct nbd_handle *h = nbd_create();
    assert_non_null(h);
    memset(block, what, sizeof block);
    if (nbd_connect_unix(h, path_of(s, plan, ".nbd")) < 0 ||
        nbd_pwrite(h, block, sizeof block, offset, 0) < 0 || nbd_flush(h, 0) < 0 ||
        nbd_shutdown(h, 0) < 0)
        fail_msg("%s", nbd_get_error());
    nbd_close(h);
}

static void assert_equal_images(const char *plan)
{
    static char a[IMAGE_BYTES], b[IMAGE_BYTES];
    char *const to[] = { a, b };
    const struct site *const from[] = { &home, &dr };
    for (int i = 0; i < 2; i++) {
        int fd = open(path_of(from[i], plan, ".img"), O_RDONLY);
        assert_true(fd >= 0);
        assert_int_equal(read(fd, to[i], IMAGE_BYTES), IMAGE_BYTES);
        close(fd);
    }
    assert_memory_equal(a, b, IMAGE_BYTES);
}

/* ---- the story ---------------------------------------------------------------------------------
 */

static void protected(void **state)
{
    (void)state;
    for (int i = 0; i < PLANS; i++) {
        start_ready(&dr, &home, plan_name[i], GW_UNIT_REPLICA);
        start_ready(&home, &dr, plan_name[i], GW_UNIT_SOURCE);
        assert_int_equal(start(&home, &dr, plan_name[i], GW_UNIT_REPLICA), -EBUSY);
    }
    for (int i = 0; i < PLANS; i++) {
        write_some(&home, plan_name[i], (char)('a' + i), 65536u * (unsigned)i);
        await_drained(&home, plan_name[i]);
        OK(gw_polls_add(home.polls, plan_name[i], path_of(&home, plan_name[i], ".sock"), &err));
    }
    struct gw_poll_answer a;
    OK(gw_polls_get(home.polls, "crm", 0, &a, &err));
    assert_true(a.known);
    assert_string_equal(text(a.status, "service"), "serving");
    gw_poll_answer_done(&a);
    struct gw_dataport_stats st;
    gw_dataport_stats(dr.port, &st);
    assert_true(st.passed >= PLANS);
}

/* The site's daemon goes and comes again: no stream notices. */
static void port_restarts(void **state)
{
    (void)state;
    gw_dataport_stop(dr.port);
    dr.port = NULL;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < PLANS; i++) {
            write_some(&home, plan_name[i], (char)('p' + round), 1024 * 1024);
            await_drained(&home, plan_name[i]);
        }
        if (round == 0)
            open_port(&dr);
    }
    /* Not one of them had to call again. */
    struct gw_dataport_stats st;
    gw_dataport_stats(dr.port, &st);
    assert_int_equal(st.accepted, 0);
}

static void replica_killed(void **state)
{
    (void)state;
    const pid_t shop = pid_of(&dr, "shop"), crm = pid_of(&dr, "crm");
    kill(shop, SIGKILL);
    write_some(&home, "shop", 'k', 2 * 1024 * 1024);
    const uint64_t until = gw_boot_ns() + SOON_MS * GW_NS_PER_MS;
    pid_t now;
    while (((now = pid_of(&dr, "shop")) == shop || now == 0) && gw_boot_ns() < until)
        poll(NULL, 0, 5);
    OK(gw_units_wait_ready(dr.units, "shop", SOON_MS, &err));
    await_drained(&home, "shop");
    assert_int_equal(pid_of(&dr, "crm"), crm);
}

/* The source is started by a supervisor that is then killed; another takes it over. */
static void supervisor_killed(void **state)
{
    (void)state;
    OK(gw_units_stop(home.units, "shop", 0, &err));
    gw_units_free(home.units);
    home.units = NULL;
    int ends[2];
    pid_t pid = -1, unit = -1;
    assert_int_equal(pipe(ends), 0);
    pid_t parent = fork();
    if (parent == 0) {
        open_units(&home);
        if (start(&home, &dr, "shop", GW_UNIT_SOURCE) == 0 &&
            gw_units_wait_ready(home.units, "shop", SOON_MS, &err) == 0)
            unit = pid_of(&home, "shop");
        if (write(ends[1], &unit, sizeof unit) == sizeof unit)
            pause();
        _exit(1);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &unit, sizeof unit), sizeof unit);
    close(ends[0]);
    assert_true(unit > 0);
    await_drained(&home, "shop");
    kill(parent, SIGKILL);
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    write_some(&home, "shop", 'o', 3 * 1024 * 1024); /* an orphan serves on */
    open_units(&home);
    enum gw_unit_kind kind = GW_UNIT_REPLICA;
    assert_int_equal(gw_units_find(home.units, "shop", &kind, &pid, &err), 1);
    assert_int_equal(kind, GW_UNIT_SOURCE);
    for (int i = 0; i < PLANS; i++)
        start_ready(&home, &dr, plan_name[i], GW_UNIT_SOURCE);
    assert_int_equal(pid_of(&home, "shop"), unit);
    assert_int_equal(pid, unit);
    await_drained(&home, "shop");
}

/* A planned change of sides: every process becomes another. */
static void roles_change(void **state)
{
    (void)state;
    json_decref(call(&home, "shop", json_pack("{s:s}", "cmd", "handover")));
    OK(gw_units_stop(home.units, "shop", 0, &err));
    gw_units_let_end(dr.units, "shop");
    json_decref(call(&dr, "shop", json_pack("{s:s}", "cmd", "promote")));
    OK(gw_units_wait_end(dr.units, "shop", SOON_MS, &err));
    start_ready(&home, &dr, "shop", GW_UNIT_REPLICA);
    start_ready(&dr, &home, "shop", GW_UNIT_SOURCE);
    write_some(&dr, "shop", 'z', 0);
    await_drained(&dr, "shop");
    write_some(&home, "crm", 'y', 0); /* the other way at the same time */
    await_drained(&home, "crm");
}

static void all_stop(void **state)
{
    (void)state;
    OK(gw_units_stop(dr.units, "shop", 0, &err));
    OK(gw_units_stop(home.units, "crm", 0, &err));
    OK(gw_units_stop(home.units, "shop", 0, &err));
    OK(gw_units_stop(dr.units, "crm", 0, &err));
    for (int i = 0; i < PLANS; i++) {
        assert_equal_images(plan_name[i]);
        OK(gw_units_forget(home.units, plan_name[i], &err));
        OK(gw_units_forget(dr.units, plan_name[i], &err));
    }
}

/* ---- around it ---------------------------------------------------------------------------------
 */

static int set_up(void **state)
{
    (void)state;
    struct site *const sites[] = { &home, &dr };
    snprintf(root, sizeof root, "/tmp/gw-real-XXXXXX"); /* sockets want a short path */
    assert_non_null(mkdtemp(root));
    OK(gw_programs_find(NULL, &programs, &err));
    struct test_ca *ca = test_ca_new("CA");
    test_ca_write(ca, root, "ca");
    for (int i = 0; i < 2; i++) {
        char dir[64];
        snprintf(dir, sizeof dir, "%s/%s", root, sites[i]->name);
        assert_int_equal(mkdir(dir, 0700), 0);
        test_cert_write(ca, root, sites[i]->name, sites[i]->name, 0);
    }
    test_ca_free(ca);
    for (int i = 0; i < PLANS; i++)
        create(i);
    for (int i = 0; i < 2; i++) {
        open_port(sites[i]);
        open_units(sites[i]);
        OK(gw_polls_new(&(struct gw_polls_config){ .every_ms = 50 }, &sites[i]->polls, &err));
    }
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static int tear_down(void **state)
{
    (void)state;
    struct site *const sites[] = { &home, &dr };
    for (int i = 0; i < 2; i++) {
        for (int j = 0; sites[i]->units != NULL && j < PLANS; j++)
            gw_units_stop(sites[i]->units, plan_name[j], 0, NULL); /* after a failure */
        gw_polls_free(sites[i]->polls);
        gw_units_free(sites[i]->units);
        gw_dataport_stop(sites[i]->port);
    }
    while (waitpid(-1, NULL, WNOHANG) > 0) {
    }
    if (getenv("KEEP") != NULL)
        return 0;
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(protected),      cmocka_unit_test(port_restarts),
        cmocka_unit_test(replica_killed), cmocka_unit_test(supervisor_killed),
        cmocka_unit_test(roles_change),   cmocka_unit_test(all_stop),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
