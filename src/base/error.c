// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PREFIX_MAX 200

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
    char text[GW_ERROR_MSG_MAX];
    int n = vsnprintf(text, PREFIX_MAX, fmt, ap);
    va_end(ap);
    if (n < 0)
        return err->code;
    /* What is cut off, if anything has to be, is the end of the sentence. */
    size_t at = strlen(text), left = sizeof text - at - 3;
    memcpy(text + at, ": ", 2);
    size_t len = strnlen(err->msg, left);
    memcpy(text + at + 2, err->msg, len);
    text[at + 2 + len] = '\0';
    memcpy(err->msg, text, sizeof text);
    return err->code;
}
