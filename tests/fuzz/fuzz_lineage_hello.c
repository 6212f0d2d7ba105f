// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * HELLO, the lineages in it, and the verdict on two of them. First byte: 0 one lineage, else two
 * HELLOs: u16 length of the first, the first, the second.
 */
#include "engine/frame.h"
#include "fuzz.h"

static void lineage(const uint8_t *data, size_t len)
{
    static struct gw_lineage l;
    struct gw_reader r = gw_reader(data, len);
    if (!gw_lineage_decode(&r, &l)) {
        FUZZ_CHECK(l.n == 0);
        return;
    }
    FUZZ_CHECK(l.n <= GW_LINEAGE_MAX && r.pos == 8 + (size_t)l.n * GW_INCARNATION_BYTES);
    static uint8_t again[GW_LINEAGE_BYTES_MAX];
    struct gw_writer w = gw_writer(again, sizeof again);
    gw_lineage_encode(&w, &l);
    FUZZ_CHECK(!w.failed && w.pos == r.pos && memcmp(again, data, w.pos) == 0);
    for (uint32_t i = 0; i < l.n; i++)
        FUZZ_CHECK(gw_lineage_find(&l, &l.e[i].uuid) == (int)i);
    int common_b = -1;
    FUZZ_CHECK(gw_lineage_common(&l, &l, &common_b) == (int)l.n - 1);
    uint64_t next = gw_epoch_next(1, gw_lineage_epoch(&l));
    FUZZ_CHECK(next == 0 || (next > gw_lineage_epoch(&l) && next % 2 == 0));
}

static bool hello(const uint8_t *data, size_t len, struct gw_hello *ret)
{
    uint8_t *exact = fuzz_copy(data, len);
    bool ok = gw_hello_decode(exact, len, ret);
    free(exact);
    if (!ok)
        return false;
    static uint8_t first[GW_HELLO_BYTES_MAX], second[GW_HELLO_BYTES_MAX];
    static struct gw_hello again;
    size_t n = gw_hello_encode(ret, first, sizeof first);
    FUZZ_CHECK(n > 0 && n <= len);
    FUZZ_CHECK(gw_hello_decode(first, n, &again));
    FUZZ_CHECK(gw_hello_encode(&again, second, sizeof second) == n);
    FUZZ_CHECK(memcmp(first, second, n) == 0);
    return true;
}

/* The same from both sides, never a target that is also the source, and it can be sent. */
static void verdict(const struct gw_side *a, const struct gw_side *b)
{
    static struct gw_verdict v, w;
    static uint8_t buf[GW_VERDICT_BYTES_MAX];
    gw_verdict_decide(a, b, &v);
    gw_verdict_decide(b, a, &w);
    FUZZ_CHECK(gw_verdict_equal(&v, &w));
    FUZZ_CHECK(a->site == b->site || strcmp(v.sentence, w.sentence) == 0);
    FUZZ_CHECK(v.row >= 0 && v.row <= 14 && v.sentence[0] != '\0');
    FUZZ_CHECK(v.source < 0 || v.source != v.target);
    size_t n = gw_verdict_encode(&v, buf, sizeof buf);
    FUZZ_CHECK(n > 0 && gw_verdict_decode(buf, n, &w) && gw_verdict_equal(&v, &w));
    if (v.source < 0)
        return;
    const struct gw_side *target = a->site == v.target ? a : b;
    FUZZ_CHECK(a->site != b->site && !target->serving); /* row 1 only deposes */
    const struct gw_side *source = target == a ? b : a;
    FUZZ_CHECK(source->consistent && !source->blank);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct gw_hello a, b;
    if (size == 0)
        return 0;
    struct gw_reader r = gw_reader(data + 1, size - 1);
    if (data[0] == 0) {
        uint8_t *exact = fuzz_copy(data + 1, size - 1);
        lineage(exact, size - 1);
        free(exact);
        return 0;
    }
    size_t n = 0;
    const uint8_t *p = fuzz_bytes(&r, fuzz_u16(&r), &n);
    bool both = hello(p, n, &a);
    p = fuzz_bytes(&r, SIZE_MAX, &n);
    if (hello(p, n, &b) && both)
        verdict(&a.side, &b.side);
    return 0;
}
