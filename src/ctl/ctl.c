// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "ctl/ctl.h"

#include <errno.h>

int ctl_exit_of(const struct gw_term *c, int code)
{
    if (c->asked && gw_control_outcome_unknown(code))
        return GW_EXIT_UNKNOWN;
    switch (-code) {
    case EPERM:           /* the state does not allow it */
    case EUCLEAN:         /* the image is not consistent, or there is none */
    case EBUSY:           /* served by another process */
    case EALREADY:        /* done or under way */
    case ENOTCONN:        /* needs a streaming peer */
    case EEXIST:          /* would overwrite what is there */
    case EPROTONOSUPPORT: /* written by a newer godwit */
        return GW_EXIT_REFUSED;
    default: /* errno values are not an enum of ours */
        return GW_EXIT_FAILED;
    }
}

json_t *ctl_error_json(const struct gw_term *c)
{
    return gw_control_error_json(c->err.code, c->err.msg);
}

static const char *common(const struct gw_term *c, const char *name, unsigned flag)
{
    return (c->args.command->flags & flag) != 0 ? gw_term_arg(&c->args, name) : NULL;
}

const char *ctl_socket(const struct gw_term *c)
{
    return common(c, "socket", CTL_SOCKET);
}

const char *ctl_dir(const struct gw_term *c)
{
    return common(c, "dir", CTL_DIR);
}

int ctl_timeout(struct gw_term *c, unsigned default_ms, unsigned *ret_ms)
{
    uint64_t ms = default_ms;
    if ((c->args.command->flags & CTL_TIMEOUT) != 0 &&
        gw_term_arg_ms(&c->args, "timeout", &ms, &c->err) < 0)
        return GW_EXIT_USAGE;
    *ret_ms = (unsigned)ms;
    return 0;
}

int ctl_call(struct gw_term *c, json_t *request, unsigned timeout_ms, json_t **ret)
{
    CLEANUP_JSON json_t *owned = request;
    if (owned == NULL)
        return gw_term_no_memory(c);
    gw_term_on_interrupt(GW_EXIT_UNKNOWN,
                         "interrupted before the answer came; the outcome is UNKNOWN, look at "
                         "the status before deciding anything");
    c->asked = true;
    int r = gw_control_call(ctl_socket(c), owned, timeout_ms, NULL, NULL, ret, &c->err);
    gw_term_on_interrupt(GW_EXIT_CANCELLED, "interrupted");
    if (r == -ENOSYS)
        return gw_error_wrap(&c->err,
                             "this process does not do that (a source and a replica have different "
                             "commands)");
    return r;
}

int ctl_ask(struct gw_term *c, json_t *request, json_t **ret)
{
    unsigned ms;
    int r = ctl_timeout(c, CTL_TIMEOUT_MS_DEFAULT, &ms);
    if (r == 0)
        return ctl_call(c, request, ms, ret);
    json_decref(request);
    return r;
}

int ctl_status(struct gw_term *c, json_t **ret)
{
    int r = ctl_call(c, json_pack("{s:s}", "cmd", "status"), CTL_TIMEOUT_MS_DEFAULT, ret);
    c->asked = false; /* a question leaves nothing open */
    return r;
}

int ctl_plan_open(struct gw_term *c, unsigned flags, struct gw_plan **ret)
{
    return gw_plan_open(gw_io_posix(), ctl_dir(c), flags, ret, &c->err);
}

int ctl_person(struct gw_term *c, const char **ret)
{
    *ret = gw_term_arg(&c->args, "by");
    return gw_term_readable(c, "--by", *ret, GW_PERSON_MAX - 1);
}
