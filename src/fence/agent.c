// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "fence/agent.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_SUFFIX "_file"

const char *gw_fence_action_name(enum gw_fence_action action)
{
    switch (action) {
    case GW_FENCE_ACTION_OFF:
        return "off";
    case GW_FENCE_ACTION_STATUS:
        return "status";
    case GW_FENCE_ACTION_MONITOR:
        return "monitor";
    }
    return "status";
}

int gw_fence_describe(const char *agent, struct gw_fence_metadata *ret, struct gw_error *err)
{
    const char *const argv[] = { agent, "-o", "metadata", NULL };
    const struct gw_child_spec spec = {
        .name = agent, .argv = argv, .timeout_ms = GW_FENCE_METADATA_MS, .stop_fd = -1, .mute = true
    };
    struct gw_child_result result;
    char text[GW_WORK_TEXT_MAX];
    int r = gw_child_run(&spec, &result, err);
    if (r < 0)
        return r;
    gw_child_result_text(&result, text, sizeof text);
    if (result.end == GW_CHILD_NOT_STARTED && result.failed_errno == ENOENT)
        r = gw_error_set(err, -ENOENT, "there is no fence agent \"%s\": install fence-agents",
                         agent);
    else if (!gw_child_ok(&result) || result.output.text == NULL)
        r = gw_error_set(err, -EIO, "%s does not describe itself: %s", agent, text);
    else
        r = gw_fence_metadata_read(result.output.text, strlen(result.output.text), ret, err);
    gw_child_result_done(&result);
    return r < 0 && r != -ENOENT && r != -EIO ? gw_error_wrap(err, "%s", agent) : r;
}

/* ---- parameters -------------------------------------------------------------------------------
 */

/* The agent's parameter whose value is in the file that this one names: "password" of
 * "password_file"; "": this one is the agent's own. */
static void secret_of(const struct gw_fence_metadata *m, const char *key,
                      char ret[GW_FENCE_NAME_MAX])
{
    size_t len = strlen(key), suffix = strlen(FILE_SUFFIX);
    ret[0] = '\0';
    if (gw_fence_metadata_find(m, key) != NULL || len <= suffix || len >= GW_FENCE_NAME_MAX ||
        strcmp(key + len - suffix, FILE_SUFFIX) != 0)
        return;
    memcpy(ret, key, len - suffix);
    ret[len - suffix] = '\0';
}

static bool is_given(const struct gw_fence_device *d, const struct gw_fence_metadata *m,
                     const char *name)
{
    char secret[GW_FENCE_NAME_MAX];
    for (size_t i = 0; i < d->n_params; i++) {
        secret_of(m, d->params[i].key, secret);
        if (strcmp(d->params[i].key, name) == 0 || strcmp(secret, name) == 0)
            return true;
    }
    return false;
}

int gw_fence_check_params(const struct gw_fence_device *d, const struct gw_fence_metadata *m,
                          struct gw_error *err)
{
    char secret[GW_FENCE_NAME_MAX];
    for (size_t i = 0; i < d->n_params; i++) {
        const char *key = d->params[i].key;
        secret_of(m, key, secret);
        if (strcmp(key, "action") == 0)
            return gw_error_set(err, -EINVAL, "%s: the action is not a parameter of a device",
                                d->agent);
        if (gw_fence_metadata_find(m, secret[0] != '\0' ? secret : key) == NULL)
            return gw_error_set(err, -EINVAL,
                                "%s has no parameter \"%s\" (and would not say so when it is "
                                "needed): \"%s -o metadata\" lists them",
                                d->agent, key, d->agent);
    }
    for (size_t i = 0; i < m->n_parameters; i++) {
        const struct gw_fence_parameter *p = &m->parameter[i];
        if (p->required && !p->has_default && !p->deprecated && strcmp(p->name, "action") != 0 &&
            !is_given(d, m, p->name) && !is_given(d, m, p->old_name))
            return gw_error_set(err, -EINVAL, "%s needs the parameter \"%s\"", d->agent, p->name);
    }
    if (!m->off || !m->status)
        return gw_error_set(err, -EINVAL, "%s cannot %s: it is no use here", d->agent,
                            m->off ? "tell the device's status" : "switch off");
    return 0;
}

static int read_secret(const char *path, char ret[GW_FENCE_SECRET_BYTES_MAX], struct gw_error *err)
{
    struct stat st;
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0)
        return gw_error_errno(err, -errno, "the secret in \"%s\" cannot be read", path);
    if (!S_ISREG(st.st_mode) || (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return gw_error_set(err, -EACCES,
                            "the secret in \"%s\" is open to others: make it a plain file that "
                            "only its owner can read (chmod 600)",
                            path);
    ssize_t n = read(fd, ret, GW_FENCE_SECRET_BYTES_MAX - 1);
    if (n < 0)
        return gw_error_errno(err, -errno, "the secret in \"%s\" cannot be read", path);
    ret[n] = '\0';
    size_t len = strcspn(ret, "\r\n");
    if (len == 0 || (len == (size_t)n && n == GW_FENCE_SECRET_BYTES_MAX - 1) ||
        strlen(ret) != (size_t)n)
        return gw_error_set(err, -EINVAL, "the first line of \"%s\" is no secret", path);
    ret[len] = '\0';
    return 0;
}

static int add_param(FILE *f, const struct gw_fence_device *d, const struct gw_fence_metadata *m,
                     size_t i, struct gw_error *err)
{
    const struct gw_fence_param *p = &d->params[i];
    char secret[GW_FENCE_NAME_MAX], value[GW_FENCE_SECRET_BYTES_MAX];
    secret_of(m, p->key, secret);
    if (strpbrk(p->value, "\r\n") != NULL)
        return gw_error_set(err, -EINVAL, "%s: \"%s\" has a line break", d->agent, p->key);
    if (secret[0] == '\0') {
        fprintf(f, "%s=%s\n", p->key, p->value);
        return 0;
    }
    int r = read_secret(p->value, value, err);
    if (r == 0)
        fprintf(f, "%s=%s\n", secret, value);
    explicit_bzero(value, sizeof value);
    return r < 0 ? gw_error_wrap(err, "%s", d->agent) : 0;
}

int gw_fence_input(const struct gw_fence_device *d, const struct gw_fence_metadata *m,
                   enum gw_fence_action action, char **ret, struct gw_error *err)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    if (f == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    int r = 0;
    for (size_t i = 0; i < d->n_params && r == 0; i++)
        r = add_param(f, d, m, i, err);
    fprintf(f, "action=%s\n", gw_fence_action_name(action));
    if (fclose(f) != 0 && r == 0)
        r = gw_error_set(err, -ENOMEM, "out of memory");
    if (r < 0) {
        gw_fence_input_free(text);
        return r;
    }
    *ret = text;
    return 0;
}

void gw_fence_input_free(char *input)
{
    if (input != NULL)
        explicit_bzero(input, strlen(input));
    free(input);
}

int gw_fence_call(const struct gw_fence_device *d, const char *input, unsigned timeout_ms,
                  const struct gw_fence_how *how, struct gw_child_result *ret, struct gw_error *err)
{
    const char *const argv[] = { d->agent, NULL };
    const struct gw_child_spec spec = { .name = d->name,
                                        .argv = argv,
                                        .timeout_ms = timeout_ms,
                                        .grace_ms = 1,
                                        .stop_fd = how->stop_fd,
                                        .started = how->started,
                                        .ctx = how->ctx,
                                        .input = input };
    return gw_child_run(&spec, ret, err);
}
