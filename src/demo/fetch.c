// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "demo/fetch.h"

#include "base/checked.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct fetch {
    CURL *curl;
    struct curl_slist *headers;
    char *text;
    size_t n, cap;
};

static size_t take(char *data, size_t size, size_t n, void *arg)
{
    struct fetch *f = arg;
    size_t fits = GW_MIN(size * n, f->cap - 1 - f->n);
    memcpy(f->text + f->n, data, fits);
    f->n += fits;
    return size * n;
}

int fetch_new(unsigned timeout_ms, struct fetch **ret, struct gw_error *err)
{
    struct fetch *f = calloc(1, sizeof *f);
    if (f == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    f->curl = curl_easy_init();
    /* Asking for leave to send a body that is not there would cost a second. */
    f->headers = curl_slist_append(NULL, "Expect:");
    if (f->curl == NULL || f->headers == NULL) {
        fetch_free(f);
        return gw_error_set(err, -ENOMEM, "out of memory");
    }
    curl_easy_setopt(f->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(f->curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(f->curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(f->curl, CURLOPT_HTTPHEADER, f->headers);
    curl_easy_setopt(f->curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(f->curl, CURLOPT_WRITEDATA, f);
    *ret = f;
    return 0;
}

void fetch_free(struct fetch *f)
{
    if (f == NULL)
        return;
    curl_easy_cleanup(f->curl);
    curl_slist_free_all(f->headers);
    free(f);
}

unsigned fetch_url(struct fetch *f, bool post, const char *url, char *text, size_t cap)
{
    long code = 0;
    f->text = text;
    f->cap = cap;
    f->n = 0;
    curl_easy_setopt(f->curl, CURLOPT_URL, url);
    if (post) {
        curl_easy_setopt(f->curl, CURLOPT_POSTFIELDS, "");
        curl_easy_setopt(f->curl, CURLOPT_POSTFIELDSIZE, 0L);
    } else {
        curl_easy_setopt(f->curl, CURLOPT_HTTPGET, 1L);
    }
    bool ok = curl_easy_perform(f->curl) == CURLE_OK;
    text[f->n] = '\0';
    if (ok)
        curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &code);
    return code > 0 ? (unsigned)code : 0;
}
