// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * nbdkit-godwit-plugin: a plan's volumes as NBD exports, replicated. Thin callbacks over the
 * engine's source (engine/source.h); everything that matters is there.
 */
#include "base/checked.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/size.h"
#include "engine/address.h"
#include "engine/passed.h"
#include "engine/source.h"
#include "plugin/source_control.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL
#define DRAIN_MS 5000u
#define LINGER_MS 2000u

static char *dir, *control_path, *peer, *listen_address;
static struct gw_tls_files tls_files;
static bool plain;
static struct gw_source_config config;
static struct gw_tls *tls;
static struct gw_plan *plan;
static struct gw_source *source;
static struct gw_control *control;
static bool stopped, watching, outlive;

static void godwit_load(void)
{
    gw_source_config_init(&config);
}

/* ---- configuration ------------------------------------------------------------------------- */

/* The value, if there was the memory for it, in place of an earlier one. */
static int replace(char **to, char *value)
{
    if (value == NULL)
        return -1;
    free(*to);
    *to = value;
    return 0;
}

static int set_bool(bool *to, const char *value)
{
    int r = nbdkit_parse_bool(value);
    *to = r == 1;
    return r < 0 ? -1 : 0;
}

static int set_ms(const char *key, const char *value, unsigned *to)
{
    return nbdkit_parse_unsigned(key, value, to);
}

static int set_size(const char *key, const char *value, uint64_t *to)
{
    if (gw_size_parse(value, to))
        return 0;
    nbdkit_error("%s: \"%s\" is not a size; write it as 64MiB", key, value);
    return -1;
}

static int set_file(const char **to, const char *value)
{
    *to = nbdkit_absolute_path(value); /* lives as long as the process */
    return *to != NULL ? 0 : -1;
}

static int set_link_loss(const char *value)
{
    if (strcmp(value, "continue") == 0)
        config.on_link_loss = GW_LINK_LOSS_CONTINUE;
    else if (strcmp(value, "suspend") == 0)
        config.on_link_loss = GW_LINK_LOSS_SUSPEND;
    else {
        nbdkit_error("on-link-loss: \"%s\" is neither continue nor suspend", value);
        return -1;
    }
    return 0;
}

static int config_tls(const char *key, const char *value)
{
    if (strcmp(key, "tls-ca") == 0)
        return set_file(&tls_files.ca, value);
    if (strcmp(key, "tls-cert") == 0)
        return set_file(&tls_files.cert, value);
    if (strcmp(key, "tls-key") == 0)
        return set_file(&tls_files.key, value);
    if (strcmp(key, "tls-peer") == 0) {
        tls_files.peer = strdup(value);
        return tls_files.peer != NULL ? 0 : -1;
    }
    nbdkit_error("unknown parameter '%s'; see nbdkit godwit --help", key);
    return -1;
}

/* "unix:PATH": the server changes its directory before the path is used. */
static int set_listen(const char *value)
{
    const char *path = gw_passed_path(value);
    if (path == NULL)
        return replace(&listen_address, strdup(value));
    char *absolute = nbdkit_absolute_path(path), *address = NULL;
    if (absolute == NULL || asprintf(&address, GW_PASSED_PREFIX "%s", absolute) < 0)
        address = NULL;
    free(absolute);
    return replace(&listen_address, address);
}

static int godwit_config(const char *key, const char *value)
{
    if (strcmp(key, "dir") == 0)
        return replace(&dir, nbdkit_absolute_path(value));
    if (strcmp(key, "control") == 0)
        return replace(&control_path, nbdkit_absolute_path(value));
    if (strcmp(key, "peer") == 0)
        return replace(&peer, strdup(value));
    if (strcmp(key, "listen") == 0)
        return set_listen(value);
    if (strcmp(key, "plain") == 0)
        return set_bool(&plain, value);
    if (strcmp(key, "sync") == 0)
        return set_bool(&config.sync, value);
    if (strcmp(key, "on-link-loss") == 0)
        return set_link_loss(value);
    if (strcmp(key, "isolated-start") == 0)
        return set_bool(&config.isolated_start, value);
    if (strcmp(key, "granted") == 0)
        return set_bool(&config.granted, value);
    if (strcmp(key, "outlive") == 0)
        return set_bool(&outlive, value);
    if (strcmp(key, "ring") == 0)
        return set_size(key, value, &config.ring_bytes);
    if (strcmp(key, "bandwidth") == 0)
        return set_size(key, value, &config.bandwidth_bytes);
    if (strcmp(key, "zstd") == 0)
        return nbdkit_parse_int(key, value, &config.zstd_level);
    if (strcmp(key, "throttle-ms") == 0)
        return set_ms(key, value, &config.throttle_ms);
    if (strcmp(key, "unsync-ms") == 0)
        return set_ms(key, value, &config.unsync_ms);
    if (strcmp(key, "wait-ms") == 0)
        return set_ms(key, value, &config.wait_ms_max);
    if (strcmp(key, "link-timeout-ms") == 0)
        return set_ms(key, value, &config.link_timeout_ms);
    return config_tls(key, value);
}

static int godwit_config_complete(void)
{
    if (dir == NULL) {
        nbdkit_error(
            "the parameter dir=PLAN_DIRECTORY is missing; make one with godwit-ctl create");
        return -1;
    }
    bool any = tls_files.ca || tls_files.cert || tls_files.key || tls_files.peer;
    bool all = tls_files.ca && tls_files.cert && tls_files.key;
    if ((peer != NULL || listen_address != NULL) && plain == any) {
        nbdkit_error("the link to the peer needs tls-ca=, tls-cert= and tls-key=, or plain=yes "
                     "on loopback");
        return -1;
    }
    if (any && !all) {
        nbdkit_error("TLS needs all of tls-ca=, tls-cert= and tls-key=");
        return -1;
    }
    if (config.zstd_level < 0 || config.zstd_level > 19) {
        nbdkit_error("zstd=%d is not a level between 0 (none) and 19", config.zstd_level);
        return -1;
    }
    return 0;
}

#define godwit_config_help                                                                         \
    "dir=DIRECTORY          (required) the plan directory (godwit-ctl create).\n"                  \
    "control=SOCKET         Serve the control socket here.\n"                                      \
    "peer=HOST:PORT         Replicate to the replica that listens there.\n"                        \
    "listen=HOST:PORT|unix:PATH  Where the peer may call, to learn that this side serves.\n"       \
    "tls-ca=, tls-cert=, tls-key=FILE, tls-peer=NAME\n"                                            \
    "plain=yes              No TLS; loopback only.\n"                                              \
    "sync=yes               Acknowledge a write when the replica has received it.\n"               \
    "on-link-loss=continue|suspend   Sync mode without a link.\n"                                  \
    "isolated-start=yes     Serve without having spoken to the peer.\n"                            \
    "granted=yes            Serve only until the deadline given by 'grant'.\n"                     \
    "outlive=yes            Live on when the process that started the server ends.\n"              \
    "ring=64MiB  bandwidth=BYTES/s  zstd=LEVEL\n"                                                  \
    "throttle-ms=  unsync-ms=  wait-ms=  link-timeout-ms="

/* ---- life ---------------------------------------------------------------------------------- */

/* True once nbdkit is shutting down, or the client of this thread is gone: wakes what waits. */
static bool interrupted(void)
{
    return nbdkit_nanosleep(0, 0) < 0;
}

static int godwit_get_ready(void)
{
    struct gw_error err;
    config.peer = peer;
    config.listen = listen_address;
    config.interrupted = interrupted;
    if (tls_files.ca != NULL) {
        if (gw_tls_load(&tls_files, &tls, &err) < 0)
            goto fail;
        config.tls = tls;
    }
    if (gw_plan_open(gw_io_posix(), dir, 0, &plan, &err) < 0)
        goto fail;
    char prefix[128];
    snprintf(prefix, sizeof prefix, "%.50s/%.50s/%llu", plan->meta.plan_name,
             plan->meta.site_name[plan->meta.site],
             (unsigned long long)gw_lineage_epoch(&plan->meta.lineage));
    gw_log_prefix(prefix);
    if (gw_source_new(plan, &config, &source, &err) < 0)
        goto fail;
    return 0;
fail:
    nbdkit_error("%s", err.msg);
    return -1;
}

/* Both the server's own end and a stop over the control socket come here; once. */
static void stop_source(void)
{
    static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&once);
    if (source != NULL && !stopped)
        gw_source_stop(source, DRAIN_MS);
    stopped = true;
    pthread_mutex_unlock(&once);
}

/*
 * nbdkit ends when its last client has hung up, and a client may never do that. So a signal to end
 * reaches us as well as the server: the source is stopped cleanly at once, the server may linger
 * for a moment, then the process is gone. Where the server ends by itself it unloads this plugin,
 * and the thread and the handlers must be gone before (unwatch_signals).
 */
static int signal_event = -1; /* eventfd: a signal came, or the plugin is being unloaded */
static atomic_bool unloading;
static pthread_t signal_thread;
static struct sigaction server_action[2]; /* nbdkit's own, of SIGTERM and SIGINT */

static void on_signal(int sig)
{
    uint64_t one = 1;
    ssize_t n = write(signal_event, &one, sizeof one);
    (void)n;
    const struct sigaction *own = &server_action[sig == SIGINT];
    if (own->sa_handler != SIG_DFL && own->sa_handler != SIG_IGN)
        own->sa_handler(sig);
}

static void *signal_main(void *arg)
{
    uint64_t n;
    while (read(signal_event, &n, sizeof n) < 0 && errno == EINTR) {
    }
    if (atomic_load(&unloading))
        return arg;
    stop_source();
    uint64_t until = gw_boot_ns() + LINGER_MS * GW_NS_PER_MS;
    for (uint64_t now = gw_boot_ns(); now < until; now = gw_boot_ns()) {
        struct pollfd p = { .fd = signal_event, .events = POLLIN };
        poll(&p, 1, (int)((until - now) / GW_NS_PER_MS) + 1);
        if (atomic_load(&unloading))
            return arg;
        if (p.revents != 0 && read(signal_event, &n, sizeof n) < 0)
            continue; /* a second signal changes nothing */
    }
    _exit(0);
}

static int watch_signals(void)
{
    signal_event = eventfd(0, EFD_CLOEXEC);
    if (signal_event < 0 || pthread_create(&signal_thread, NULL, signal_main, NULL) != 0)
        return -1;
    struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
    sigaction(SIGTERM, &sa, &server_action[0]);
    sigaction(SIGINT, &sa, &server_action[1]);
    watching = true;
    return 0;
}

static void unwatch_signals(void)
{
    if (!watching)
        return;
    sigaction(SIGTERM, &server_action[0], NULL);
    sigaction(SIGINT, &server_action[1], NULL);
    atomic_store(&unloading, true);
    uint64_t one = 1;
    ssize_t n = write(signal_event, &one, sizeof one);
    (void)n;
    pthread_join(signal_thread, NULL);
    close(signal_event);
    watching = false;
}

static void stop_process(void)
{
    kill(getpid(), SIGTERM);
}

/* Threads exist only from here on. */
static int godwit_after_fork(void)
{
    struct gw_error err;
    if (peer != NULL && gw_address_check(peer, tls != NULL, &err) < 0) {
        nbdkit_error("peer=%s", err.msg);
        return -1;
    }
    /* Versions of nbdkit have themselves ended with the thread that started them, also with -f
     * alone. Before anybody can see that we are up: who started us may end then. */
    if (outlive)
        prctl(PR_SET_PDEATHSIG, 0);
    /* The source last: to begin to serve is durable, and a start that fails changes nothing. */
    if ((control_path != NULL && source_control_start(control_path, plan, source, &tls_files,
                                                      stop_process, &control, &err) < 0) ||
        gw_source_start(source, &err) < 0) {
        gw_control_stop(control);
        control = NULL;
        nbdkit_error("%s", err.msg);
        return -1;
    }
    if (watch_signals() < 0) {
        nbdkit_error("cannot watch for signals: out of threads or descriptors");
        return -1;
    }
    return 0;
}

static void godwit_cleanup(void)
{
    gw_control_stop(control);
    control = NULL;
    stop_source();
}

static void godwit_unload(void)
{
    unwatch_signals();
    gw_source_free(source);
    gw_plan_close(plan);
    gw_tls_free(tls);
    free(dir);
    free(control_path);
    free(peer);
    free(listen_address);
}

/* ---- exports ------------------------------------------------------------------------------- */

struct handle { /* a client's use of a volume: its size stays what it was told */
    unsigned volume;
    uint64_t bytes;
    char name[GW_VOLUME_NAME_MAX];
};

static const char *describe(const char *volume)
{
    return nbdkit_printf_intern("volume %s of plan %s", volume, plan->meta.plan_name);
}

static int godwit_list_exports(int readonly, int is_tls, struct nbdkit_exports *exports)
{
    (void)readonly;
    (void)is_tls;
    char name[GW_VOLUME_NAME_MAX];
    for (unsigned i = 0; gw_source_volume_name(source, i, name); i++) {
        const char *text = describe(name);
        if (text == NULL || nbdkit_add_export(exports, name, text) < 0)
            return -1;
    }
    return 0;
}

static const char *godwit_default_export(int readonly, int is_tls)
{
    (void)readonly;
    (void)is_tls;
    char name[GW_VOLUME_NAME_MAX];
    return gw_source_volume_name(source, 0, name) ? nbdkit_strdup_intern(name) : NULL;
}

static unsigned volume_of(const void *handle)
{
    return ((const struct handle *)handle)->volume;
}

static void *godwit_open(int readonly)
{
    (void)readonly;
    const char *name = nbdkit_export_name();
    if (name == NULL)
        return NULL;
    struct handle *h = calloc(1, sizeof *h);
    struct gw_error err;
    if (h == NULL) {
        nbdkit_error("out of memory");
        return NULL;
    }
    if (gw_source_volume_open(source, name, &h->volume, &h->bytes, &err) < 0) {
        nbdkit_error("%s", err.msg);
        nbdkit_set_error(ENOENT);
        free(h);
        return NULL;
    }
    snprintf(h->name, sizeof h->name, "%s", name);
    return h;
}

static void godwit_close(void *handle)
{
    gw_source_volume_close(source, volume_of(handle));
    free(handle);
}

static const char *godwit_export_description(void *handle)
{
    return describe(((const struct handle *)handle)->name);
}

static int64_t godwit_get_size(void *handle)
{
    return (int64_t)((const struct handle *)handle)->bytes;
}

static int godwit_block_size(void *handle, uint32_t *minimum, uint32_t *preferred,
                             uint32_t *maximum)
{
    (void)handle;
    *minimum = 1;
    *preferred = GW_BLOCK_BYTES;
    *maximum = 0xffffffff;
    return 0;
}

static int always(void *handle)
{
    (void)handle;
    return 1;
}

static int never(void *handle)
{
    (void)handle;
    return 0;
}

static int godwit_can_fua(void *handle)
{
    (void)handle;
    return NBDKIT_FUA_NATIVE;
}

static int godwit_can_cache(void *handle)
{
    (void)handle;
    return NBDKIT_CACHE_EMULATE;
}

/* ---- I/O ----------------------------------------------------------------------------------- */

static int answer(int r, const char *what, uint32_t count, uint64_t offset)
{
    if (r >= 0)
        return 0;
    if (r != -EOPNOTSUPP)
        nbdkit_error(
            "%s of %u bytes at %llu: %s", what, count, (unsigned long long)offset,
            strerrordesc_np(-r)); /* strerror() keeps a buffer per thread, freed after us */
    nbdkit_set_error(-r);
    return -1;
}

static int godwit_pread(void *handle, void *buf, uint32_t count, uint64_t offset, uint32_t flags)
{
    (void)flags;
    return answer(gw_source_read(source, volume_of(handle), buf, count, offset), "read", count,
                  offset);
}

static unsigned write_flags(uint32_t flags)
{
    return (flags & NBDKIT_FLAG_FUA ? GW_WRITE_FUA : 0u) |
           (flags & NBDKIT_FLAG_MAY_TRIM ? GW_WRITE_MAY_TRIM : 0u) |
           (flags & NBDKIT_FLAG_FAST_ZERO ? GW_WRITE_FAST : 0u);
}

static int godwit_pwrite(void *handle, const void *buf, uint32_t count, uint64_t offset,
                         uint32_t flags)
{
    int r = gw_source_write(source, volume_of(handle), buf, count, offset, write_flags(flags));
    return answer(r, "write", count, offset);
}

static int godwit_zero(void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
    int r = gw_source_zero(source, volume_of(handle), count, offset, write_flags(flags));
    return answer(r, "zero", count, offset);
}

/* A trimmed range reads as zeros at both sites, always: else a verify would find differences. */
static int godwit_trim(void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
    unsigned f = (write_flags(flags) & GW_WRITE_FUA) | GW_WRITE_MAY_TRIM;
    return answer(gw_source_zero(source, volume_of(handle), count, offset, f), "trim", count,
                  offset);
}

static int godwit_flush(void *handle, uint32_t flags)
{
    (void)flags;
    return answer(gw_source_flush(source, volume_of(handle)), "flush", 0, 0);
}

static int godwit_extents(void *handle, uint32_t count, uint64_t offset, uint32_t flags,
                          struct nbdkit_extents *extents)
{
    (void)flags;
    struct gw_file *f = plan->vol[volume_of(handle)];
    uint64_t at = offset, end = offset + count;
    while (at < end) {
        uint64_t start, stop;
        int r = gw_io_next_data(f, at, end, &start, &stop);
        if (r < 0)
            return answer(r, "block status", count, offset);
        if (start > at &&
            nbdkit_add_extent(extents, at, start - at, NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO) < 0)
            return -1;
        if (stop > start && nbdkit_add_extent(extents, start, stop - start, 0) < 0)
            return -1;
        at = stop;
    }
    return 0;
}

static struct nbdkit_plugin plugin = {
    .name = "godwit",
    .version = "0.1.0",
    .longname = "godwit replicating volumes",
    .description = "serves the volumes of a godwit plan and replicates every write",
    .load = godwit_load,
    .unload = godwit_unload,
    .config = godwit_config,
    .config_complete = godwit_config_complete,
    .config_help = godwit_config_help,
    .magic_config_key = "dir",
    .get_ready = godwit_get_ready,
    .after_fork = godwit_after_fork,
    .cleanup = godwit_cleanup,
    .list_exports = godwit_list_exports,
    .default_export = godwit_default_export,
    .export_description = godwit_export_description,
    .open = godwit_open,
    .close = godwit_close,
    .get_size = godwit_get_size,
    .block_size = godwit_block_size,
    .can_write = always,
    .can_flush = always,
    .can_trim = always,
    .can_zero = always,
    .can_fast_zero = always,
    .can_extents = always,
    .can_fua = godwit_can_fua,
    .can_multi_conn = always,
    .can_cache = godwit_can_cache,
    .is_rotational = never,
    .pread = godwit_pread,
    .pwrite = godwit_pwrite,
    .zero = godwit_zero,
    .trim = godwit_trim,
    .flush = godwit_flush,
    .extents = godwit_extents,
    .errno_is_preserved = 0,
};

struct nbdkit_plugin *plugin_init(void); /* the macro defines it without a prototype */
NBDKIT_REGISTER_PLUGIN(plugin)
