// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "demo/ledger_record.h"

#include "base/bytes.h"
#include "base/hash.h"

#include <assert.h>
#include <stdio.h>

#define MAGIC 0x52454744454c5747ull /* "GWLEDGER" */
#define TEXT_BYTES 448u
#define SUM_AT (LEDGER_RECORD_BYTES - 8)

_Static_assert(8 + 8 + 8 + LEDGER_SITE_MAX + TEXT_BYTES == SUM_AT, "the record has no gap");

void ledger_record_encode(struct ledger_record *r, uint8_t buf[LEDGER_RECORD_BYTES])
{
    char text[TEXT_BYTES];
    struct gw_writer w = gw_writer(buf, LEDGER_RECORD_BYTES);
    /* Readable in a hex dump, and different in every record all over. */
    int n =
        snprintf(text, sizeof text, "booking %llu at %s: ", (unsigned long long)r->number, r->site);
    for (uint64_t x = r->number; n + 20 < (int)sizeof text; x = x * 6364136223846793005ull + 1)
        n += snprintf(text + n, sizeof text - (size_t)n, "%llu ", (unsigned long long)(x >> 34));
    gw_put_u64(&w, MAGIC);
    gw_put_u64(&w, r->number);
    gw_put_u64(&w, r->wall_ns);
    gw_put_text(&w, r->site, LEDGER_SITE_MAX);
    gw_put_text(&w, text, TEXT_BYTES);
    r->sum = gw_hash64(buf, SUM_AT, MAGIC);
    gw_put_u64(&w, r->sum);
    assert(!w.failed && w.pos == LEDGER_RECORD_BYTES);
}

bool ledger_record_decode(const uint8_t buf[LEDGER_RECORD_BYTES], struct ledger_record *ret)
{
    struct ledger_record r = { 0 };
    char text[TEXT_BYTES];
    struct gw_reader reader = gw_reader(buf, LEDGER_RECORD_BYTES);
    uint64_t magic = gw_get_u64(&reader);
    r.number = gw_get_u64(&reader);
    r.wall_ns = gw_get_u64(&reader);
    gw_get_text(&reader, r.site, sizeof r.site);
    gw_get_text(&reader, text, sizeof text);
    r.sum = gw_get_u64(&reader);
    if (reader.failed || magic != MAGIC || r.sum != gw_hash64(buf, SUM_AT, MAGIC))
        return false;
    *ret = r;
    return true;
}
