// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int gw_error_set(struct gw_error *err, int code, const char *fmt, ...)
{
    if (err == NULL)
        return code;
    va_list ap;
    va_start(ap, fmt);
    char msg[GW_ERROR_MSG_MAX];
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    memcpy(err->msg, msg, sizeof msg);
    err->code = code;
    return code;
}

int gw_error_errno(struct gw_error *err, int code, const char *fmt, ...)
{
    if (err == NULL)
        return code;
    va_list ap;
    va_start(ap, fmt);
    char msg[GW_ERROR_MSG_MAX];
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    /* Not strerror(): that translates, and takes the C library's locale lock on the way, which a
     * server that unloads us at its end may find taken. */
    const char *why = strerrordesc_np(-code);
    if (why == NULL)
        why = "unknown error";
    snprintf(err->msg, sizeof err->msg, "%.380s: %s", msg, why);
    err->code = code;
    return code;
}

int gw_error_wrap(struct gw_error *err, const char *fmt, ...)
{
    if (err == NULL)
        return -EIO;
    va_list ap;
    va_start(ap, fmt);
    char prefix[GW_ERROR_MSG_MAX];
    int n = vsnprintf(prefix, sizeof prefix, fmt, ap);
    va_end(ap);
    if (n < 0)
        return err->code;
    char old[GW_ERROR_MSG_MAX];
    memcpy(old, err->msg, sizeof old);
    snprintf(err->msg, sizeof err->msg, "%.200s: %.300s", prefix, old);
    return err->code;
}
