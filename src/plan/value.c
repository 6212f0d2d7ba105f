// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "plan/value.h"

#include "base/checked.h"
#include "base/size.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#define HOST_BYTES_MAX 253u
#define PATH_BYTES_MAX 1024u
#define URL_BYTES_MAX 2048u
#define PORT_MAX 65535u

static const struct {
    const char *unit;
    uint64_t ms;
} durations[] = { /* from the largest: the first that divides is the shortest notation */
                  { "d", 86400000 },
                  { "h", 3600000 },
                  { "m", 60000 },
                  { "s", 1000 },
                  { "ms", 1 }
};

/* Digits only; false on none, or more than 64 bits. *ret_end is behind them. */
static bool number(const char *text, uint64_t *ret, const char **ret_end)
{
    uint64_t n = 0;
    const char *c = text;
    for (; *c >= '0' && *c <= '9'; c++) {
        if (ckd_mul(&n, n, 10) || ckd_add(&n, n, (uint64_t)(*c - '0')))
            return false;
    }
    *ret = n;
    *ret_end = c;
    return c > text;
}

bool gw_duration_parse(const char *text, uint64_t *ret_ms)
{
    uint64_t n, ms;
    const char *unit;
    if (!number(text, &n, &unit))
        return false;
    if (n == 0 && *unit == '\0') {
        *ret_ms = 0;
        return true;
    }
    for (size_t i = 0; i < GW_ARRAY_SIZE(durations); i++) {
        if (strcmp(unit, durations[i].unit) == 0 && !ckd_mul(&ms, n, durations[i].ms)) {
            *ret_ms = ms;
            return true;
        }
    }
    return false;
}

void gw_duration_format(uint64_t ms, char ret[GW_VALUE_TEXT])
{
    if (ms == 0) {
        snprintf(ret, GW_VALUE_TEXT, "0s");
        return;
    }
    size_t i = 0;
    while (ms % durations[i].ms != 0) /* 1 ms divides everything */
        i++;
    snprintf(ret, GW_VALUE_TEXT, "%" PRIu64 "%s", ms / durations[i].ms, durations[i].unit);
}

bool gw_rate_parse(const char *text, uint64_t *ret_bytes_per_s)
{
    char size[GW_VALUE_TEXT];
    size_t len = strlen(text);
    if (len < 3 || len >= sizeof size || strcmp(text + len - 2, "/s") != 0)
        return false;
    memcpy(size, text, len - 2);
    size[len - 2] = '\0';
    return gw_size_parse(size, ret_bytes_per_s);
}

void gw_size_format_exact(uint64_t bytes, char ret[GW_VALUE_TEXT])
{
    static const char *const unit[] = { "", "KiB", "MiB", "GiB", "TiB" };
    size_t u = 0;
    while (bytes != 0 && bytes % 1024 == 0 && u + 1 < GW_ARRAY_SIZE(unit)) {
        bytes /= 1024;
        u++;
    }
    snprintf(ret, GW_VALUE_TEXT, "%" PRIu64 "%s", bytes, unit[u]);
}

void gw_rate_format(uint64_t bytes_per_s, char ret[GW_VALUE_TEXT])
{
    char size[GW_VALUE_TEXT];
    gw_size_format_exact(bytes_per_s, size);
    snprintf(ret, GW_VALUE_TEXT, "%.28s/s", size);
}

bool gw_name_ok(const char *text)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    size_t n = strlen(text);
    return n > 0 && n <= GW_NAME_BYTES_MAX && text[0] != '-' && strspn(text, allowed) == n;
}

/* A host name or an IPv4 address: letters, digits, '.', '-', '_'. */
static bool host_ok(const char *text, size_t n)
{
    if (n == 0 || n > HOST_BYTES_MAX || text[0] == '-' || text[0] == '.')
        return false;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x80 || (!isalnum(c) && c != '.' && c != '-' && c != '_'))
            return false;
    }
    return true;
}

static bool ip6_ok(const char *text, size_t n)
{
    char copy[INET6_ADDRSTRLEN];
    struct in6_addr a;
    if (n >= sizeof copy)
        return false;
    memcpy(copy, text, n);
    copy[n] = '\0';
    return inet_pton(AF_INET6, copy, &a) == 1;
}

bool gw_address_ok(const char *text, bool listen)
{
    const char *colon = strrchr(text, ':'), *end;
    uint64_t port;
    if (colon == NULL || !number(colon + 1, &port, &end) || *end != '\0' || port > PORT_MAX ||
        (port == 0 && !listen))
        return false;
    size_t n = (size_t)(colon - text);
    if (text[0] == '[')
        return n > 2 && text[n - 1] == ']' && ip6_ok(text + 1, n - 2);
    return host_ok(text, n);
}

bool gw_unix_address_ok(const char *text)
{
    static const char prefix[] = "unix:";
    size_t n = sizeof prefix - 1;
    return strncmp(text, prefix, n) == 0 && gw_abs_path_ok(text + n) &&
           strlen(text + n) < sizeof((struct sockaddr_un *)0)->sun_path;
}

bool gw_url_ok(const char *text)
{
    const char *host = NULL;
    if (strncmp(text, "http://", 7) == 0)
        host = text + 7;
    else if (strncmp(text, "https://", 8) == 0)
        host = text + 8;
    if (host == NULL || strlen(text) > URL_BYTES_MAX)
        return false;
    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c <= 0x20 || (unsigned char)*c >= 0x7f || strchr("\"<>\\^`", *c))
            return false;
    }
    size_t n = strcspn(host, "/?#");
    char authority[HOST_BYTES_MAX + 16];
    if (n >= sizeof authority)
        return false;
    memcpy(authority, host, n);
    authority[n] = '\0';
    if (gw_address_ok(authority, false))
        return true;
    return authority[0] == '[' ? n > 2 && authority[n - 1] == ']' && ip6_ok(host + 1, n - 2)
                               : host_ok(host, n);
}

bool gw_abs_path_ok(const char *text)
{
    size_t n = strlen(text);
    if (text[0] != '/' || n > PATH_BYTES_MAX)
        return false;
    for (const char *part = text; *part != '\0';) {
        part++;
        size_t len = strcspn(part, "/");
        if (len == 0 || (len == 1 && part[0] == '.') || (len == 2 && strncmp(part, "..", 2) == 0))
            return false;
        for (size_t i = 0; i < len; i++) {
            if ((unsigned char)part[i] < 0x20 || part[i] == 0x7f)
                return false;
        }
        part += len;
    }
    return true;
}

bool gw_cidr_ok(const char *text)
{
    char address[INET6_ADDRSTRLEN];
    unsigned char bytes[sizeof(struct in6_addr)];
    const char *slash = strchr(text, '/'), *end;
    uint64_t bits;
    if (slash == NULL || (size_t)(slash - text) >= sizeof address ||
        !number(slash + 1, &bits, &end) || *end != '\0')
        return false;
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = '\0';
    if (inet_pton(AF_INET, address, bytes) == 1)
        return bits <= 32;
    return inet_pton(AF_INET6, address, bytes) == 1 && bits <= 128;
}
