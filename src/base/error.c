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
    char reason[128];
    /* GNU strerror_r: the text may or may not be in the buffer. */
    const char *why = strerror_r(-code, reason, sizeof reason);
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
