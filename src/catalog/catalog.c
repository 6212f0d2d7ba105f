// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "catalog/catalog.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "catalog/audit_internal.h"
#include "catalog/catalog_internal.h"
#include "catalog/files.h"
#include "catalog/limits.h"
#include "catalog/schema.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- errors that concern the whole ----------------------------------------------------------- */

/* Called with writer_lock held, for every error of the writing connection. */
static void on_writer_error(void *owner, int code, const char *sentence)
{
    struct gw_catalog *c = owner;
    if (code == -EIO && c->failure.code == 0) {
        gw_error_set(&c->failure, code, "%s", sentence);
        gw_log(GW_LOG_ERROR,
               "the catalog of %s writes nothing any more until it is opened anew: %s", c->dir,
               sentence);
    }
    bool undone = sqlite3_get_autocommit(c->writer.handle) != 0;
    if (c->depth > 0 && !c->doomed &&
        (undone || code == -ENOSPC || code == -EIO || code == -EUCLEAN)) {
        c->doomed = true;
        gw_error_set(&c->doom, code, "%s", sentence);
    }
}

int gw_catalog_failed(struct gw_catalog *c, struct gw_error *err)
{
    LOCK_SCOPE(&c->writer_lock);
    if (c->failure.code == 0)
        return 0;
    return gw_error_set(err, c->failure.code, "%s", c->failure.msg);
}

const char *gw_catalog_dir(const struct gw_catalog *c)
{
    return c->dir;
}

/* ---- transactions ---------------------------------------------------------------------------- */

static int begin_locked(struct gw_catalog *c, struct gw_error *err)
{
    if (c->failure.code != 0)
        return gw_error_set(err, c->failure.code,
                            "the catalog failed before (%s); restart the daemon", c->failure.msg);
    if (c->doomed)
        return gw_error_set(err, c->doom.code, "%s", c->doom.msg);
    assert(c->depth < GW_CATALOG_NEST_MAX);
    if (c->depth == 0) {
        c->head_behind = false;
        return gw_db_exec(&c->writer, "BEGIN IMMEDIATE", err);
    }
    return gw_db_exec(&c->writer, "SAVEPOINT inner", err);
}

int gw_catalog_begin(struct gw_catalog *c, struct gw_catalog_tx *tx, struct gw_error *err)
{
    assert(tx->catalog == NULL);
    pthread_mutex_lock(&c->writer_lock);
    int r = begin_locked(c, err);
    if (r < 0) {
        pthread_mutex_unlock(&c->writer_lock);
        return r;
    }
    c->depth++;
    atomic_store_explicit(&c->owner, (unsigned long)pthread_self(), memory_order_relaxed);
    tx->catalog = c;
    return 0;
}

/* Out of the transaction that `tx` stands for, whatever became of it. */
static void leave(struct gw_catalog_tx *tx)
{
    struct gw_catalog *c = tx->catalog;
    tx->catalog = NULL;
    if (--c->depth == 0) {
        c->doomed = false;
        atomic_store_explicit(&c->owner, 0, memory_order_relaxed);
    }
    pthread_mutex_unlock(&c->writer_lock);
}

void gw_catalog_rollback(struct gw_catalog_tx *tx)
{
    struct gw_catalog *c = tx->catalog;
    if (c == NULL)
        return;
    if (sqlite3_get_autocommit(c->writer.handle) == 0) {
        if (c->depth == 1)
            gw_db_exec(&c->writer, "ROLLBACK", NULL);
        else if (!c->doomed)
            gw_db_exec(&c->writer, "ROLLBACK TO inner; RELEASE inner", NULL);
    }
    leave(tx);
}

int gw_catalog_commit(struct gw_catalog_tx *tx, struct gw_error *err)
{
    struct gw_catalog *c = tx->catalog;
    assert(c != NULL && c->depth > 0);
    int r = 0;
    if (c->doomed)
        r = gw_error_set(err, c->doom.code, "%s", c->doom.msg);
    else
        r = gw_db_exec(&c->writer, c->depth == 1 ? "COMMIT" : "RELEASE inner", err);
    if (r < 0) {
        gw_catalog_rollback(tx);
        return r;
    }
    if (c->depth == 1 && c->head_behind)
        gw_audit_head_follow(c);
    leave(tx);
    return 0;
}

/* ---- opening --------------------------------------------------------------------------------- */

static struct gw_catalog *catalog_new(const char *dir)
{
    struct gw_catalog *c = calloc(1, sizeof *c);
    char *copy = strdup(dir);
    if (c == NULL || copy == NULL) {
        free(c);
        free(copy);
        return NULL;
    }
    c->dir = copy;
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&c->writer_lock, &attr);
    pthread_mutexattr_destroy(&attr);
    pthread_mutex_init(&c->reader_lock, NULL);
    return c;
}

void gw_catalog_close(struct gw_catalog *c)
{
    if (c == NULL)
        return;
    assert(c->depth == 0);
    gw_db_close(&c->reader);
    gw_db_close(&c->writer);
    pthread_mutex_destroy(&c->reader_lock);
    pthread_mutex_destroy(&c->writer_lock);
    free(c->dir);
    free(c);
}

static int connect_both(struct gw_catalog *c, const char *path, struct gw_error *err)
{
    int r = gw_db_open(&c->writer, path, 0, err);
    if (r >= 0)
        r = gw_db_check(&c->writer, err);
    if (r >= 0)
        r = gw_schema_migrate(&c->writer, err);
    if (r >= 0)
        r = gw_db_open(&c->reader, path, 0, err);
    c->writer.on_error = on_writer_error;
    c->writer.owner = c->reader.owner = c;
    return r;
}

int gw_catalog_open(const char *dir, struct gw_catalog **ret, struct gw_error *err)
{
    char path[GW_PATH_BYTES];
    int r = gw_path_join(path, dir, GW_CATALOG_FILE, err);
    if (r < 0)
        return r;
    struct stat st;
    if (stat(path, &st) < 0 && errno == ENOENT)
        return gw_error_set(err, -ENOENT,
                            "there is no catalog %s: a new site makes one; a site that "
                            "lost it is restored from a backup or rebuilt from its peer",
                            path);
    struct gw_catalog *c = catalog_new(dir);
    if (c == NULL)
        return gw_error_set(err, -ENOMEM, "no memory for the catalog of %s", dir);
    r = connect_both(c, path, err);
    if (r >= 0)
        r = gw_audit_head_start(c, err);
    if (r < 0) {
        gw_error_wrap(err, "cannot open the catalog of %s", dir);
        gw_catalog_close(c);
        return r;
    }
    *ret = c;
    return 0;
}
