// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Writes real samples of every format, in the form that the fuzz targets take, into
 * DIRECTORY/fuzz_NAME/seed-*: `seeds tests/fuzz/corpus`. Run it again, and commit what it wrote,
 * when a format changes: otherwise the corpus has only inputs that the checksum turns away.
 */
#include "engine/bundle.h"
#include "engine/frame.h"
#include "engine/points.h"
#include "engine/record.h"
#include "engine/undo.h"
#include "fuzz.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>

#define SAMPLE_BYTES_MAX 65536u

static const char *root;

/* prefix, then data. */
static void sample(const char *target, const char *name, const void *prefix, size_t prefix_len,
                   const void *data, size_t len)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", root, target);
    if (mkdir(path, 0777) < 0 && errno != EEXIST) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    snprintf(path, sizeof path, "%s/%s/seed-%s", root, target, name);
    FILE *f = fopen(path, "wb");
    if (f == NULL || fwrite(prefix, 1, prefix_len, f) != prefix_len ||
        (len > 0 && fwrite(data, 1, len, f) != len) || fclose(f) != 0) {
        perror(path);
        exit(EXIT_FAILURE);
    }
}

static void sample_u8(const char *target, const char *name, uint8_t prefix, const void *data,
                      size_t len)
{
    sample(target, name, &prefix, 1, data, len);
}

static struct gw_uuid uuid_of(uint8_t n)
{
    struct gw_uuid u = { { 0 } };
    for (unsigned i = 0; i < sizeof u.b; i++)
        u.b[i] = (uint8_t)(n * 16 + i + 1);
    return u;
}

/* Creation, promotion at the other site, restart there. */
static struct gw_lineage lineage_of(unsigned n)
{
    struct gw_lineage l = { .n = 0 };
    for (unsigned i = 0; i < n; i++) {
        const struct gw_incarnation *now = gw_lineage_current(&l);
        struct gw_incarnation e = {
            .epoch = i == 0       ? 1
                     : i % 3 == 2 ? now->epoch
                                  : now->epoch + 1,
            .uuid = uuid_of((uint8_t)(i + 1)),
            .parent = i == 0 ? (struct gw_uuid){ { 0 } } : now->uuid,
            .fork_seq = i * 100,
            .had_seq = i * 90,
            .wall_ns = 1700000000ull * 1000000000ull + i,
            .site = (uint8_t)(i % 3 == 1),
            .birth = i == 0       ? GW_BIRTH_CREATION
                     : i % 3 == 2 ? GW_BIRTH_RESTART
                                  : GW_BIRTH_PROMOTION,
        };
        gw_lineage_append(&l, &e);
    }
    return l;
}

static void volumes_of(struct gw_side_volume *v, uint32_t *ret_n)
{
    *ret_n = 2;
    v[0] = (struct gw_side_volume){ .uuid = uuid_of(11), .bytes = 256u << 20, .name = "data" };
    v[1] = (struct gw_side_volume){ .uuid = uuid_of(12), .bytes = 1000001, .name = "ledger" };
}

static void hellos(void)
{
    static struct gw_hello home, dr;
    static uint8_t a[GW_HELLO_BYTES_MAX], b[GW_HELLO_BYTES_MAX], both[2 + GW_HELLO_BYTES_MAX];
    struct gw_side s = { .plan = uuid_of(10),
                         .format = 1,
                         .site_name = "home",
                         .role = GW_ROLE_ACTIVE,
                         .serving = true,
                         .consistent = true,
                         .ring_whole = true,
                         .ring_base = 90,
                         .seq = 100,
                         .seq_reserved = 1000100,
                         .boot_id = uuid_of(8),
                         .recorded = GW_RECORDED_ASYNC,
                         .highest_epoch = 1,
                         .lineage = lineage_of(1) };
    volumes_of(s.volume, &s.n_volumes);
    home = (struct gw_hello){ .version_min = 1, .version_max = 1, .hash_seed = 5, .side = s };
    dr = home;
    struct gw_side *d = &dr.side;
    d->site = 1;
    strcpy(d->site_name, "dr");
    d->role = GW_ROLE_STANDBY;
    d->serving = d->ring_whole = false;
    d->seq = 95;
    struct {
        const char *name;
        unsigned lineage_n;
        bool crashed, blank, other_promoted;
    } cases[] = {
        { "stream", 1, false, false, false }, { "crashed", 1, true, false, false },
        { "blank", 0, false, true, false },   { "failover", 2, false, false, false },
        { "split", 2, false, false, true },   { "long", GW_LINEAGE_MAX, true, false, false },
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gw_side h = home.side, o = *d;
        o.lineage = lineage_of(cases[i].lineage_n);
        o.blank = o.seed_me = cases[i].blank;
        o.consistent = !cases[i].blank;
        if (cases[i].lineage_n > 1) { /* dr was promoted, home comes back */
            o.role = GW_ROLE_ACTIVE;
            o.serving = o.ring_whole = true;
            h.serving = h.ring_whole = false;
            h.crashed_active = true;
        }
        h.crashed_active = h.crashed_active || cases[i].crashed;
        if (cases[i].crashed)
            h.serving = false;
        if (cases[i].other_promoted) {
            h.lineage.e[0] = o.lineage.e[0];
            h.lineage.n = 1;
            struct gw_incarnation e = { .epoch = 3,
                                        .uuid = uuid_of(9),
                                        .parent = h.lineage.e[0].uuid,
                                        .fork_seq = 50,
                                        .birth = GW_BIRTH_PROMOTION };
            gw_lineage_append(&h.lineage, &e);
        }
        struct gw_hello x = home, y = dr;
        x.side = h;
        y.side = o;
        size_t na = gw_hello_encode(&x, a, sizeof a), nb = gw_hello_encode(&y, b, sizeof b);
        FUZZ_CHECK(na > 0 && nb > 0);
        struct gw_writer w = gw_writer(both, sizeof both);
        gw_put_u16(&w, (uint16_t)na);
        gw_put_bytes(&w, a, na);
        uint8_t *all = malloc(w.pos + nb + 1);
        FUZZ_CHECK(all != NULL);
        all[0] = 1;
        memcpy(all + 1, both, w.pos);
        memcpy(all + 1 + w.pos, b, nb);
        sample("fuzz_lineage_hello", cases[i].name, all, 1 + w.pos + nb, NULL, 0);
        free(all);
    }
    static uint8_t l[GW_LINEAGE_BYTES_MAX];
    for (unsigned n = 0; n <= GW_LINEAGE_MAX + 1; n += n < 4 ? 1 : 61) {
        struct gw_lineage line = lineage_of(n);
        struct gw_writer w = gw_writer(l, sizeof l);
        char name[32];
        gw_lineage_encode(&w, &line);
        snprintf(name, sizeof name, "lineage-%u", n);
        sample_u8("fuzz_lineage_hello", name, 0, l, w.pos);
    }
}

static void frames(void)
{
    static uint8_t buf[GW_FRAME_BYTES_MAX];
    for (unsigned t = GW_FRAME_HELLO; t < GW_FRAME_TYPE_MAX; t++) {
        struct gw_frame f = { .type = (enum gw_frame_type)t, .version = 1 };
        uint8_t head[GW_FRAME_HEADER_BYTES];
        char name[32];
        f.payload_hash = gw_frame_payload_hash(&f, buf);
        gw_frame_encode(&f, head);
        snprintf(name, sizeof name, "header-%u", t);
        sample_u8("fuzz_frame", name, 1, head, sizeof head);
    }
    struct gw_frame z = { .type = GW_FRAME_DATA, .flags = GW_FRAME_ZSTD, .version = 1 };
    uint8_t head[GW_FRAME_HEADER_BYTES];
    z.bytes = 100;
    z.raw_bytes = 4096;
    gw_frame_encode(&z, head);
    sample_u8("fuzz_frame", "header-zstd", 1, head, sizeof head);

    struct gw_verdict v = { .row = 12, .action = GW_VERDICT_RESYNC, .source = 1, .target = 0 };
    v.diverged = true;
    v.fork_seq = 40;
    strcpy(v.sentence, "dr is source, home has a divergent tail");
    sample_u8("fuzz_frame", "verdict", 2, buf, gw_verdict_encode(&v, buf, sizeof buf));
    struct gw_start s = { .mode = GW_SESSION_RESYNC, .uuid = uuid_of(1), .first_seq = 101 };
    s.chain = 7;
    sample_u8("fuzz_frame", "start", 3, buf, gw_start_encode(&s, buf, sizeof buf));
    static uint8_t bits[GW_BITMAP_PAGE_BYTES] = { 0x81, 0, 1 };
    struct gw_map_page m = { .volume = 1, .kind = 1, .page = 2, .bits = bits };
    sample_u8("fuzz_frame", "map", 4, buf, gw_map_encode(&m, buf, sizeof buf));
    struct gw_ready r = { .dirty_blocks = 300, .coarse_extents = 4 };
    sample_u8("fuzz_frame", "ready", 5, buf, gw_ready_encode(&r, buf, sizeof buf));
    struct gw_ack a = { .uuid = uuid_of(1), .received = 9, .durable = 8, .applied = 7 };
    a.chain = 77;
    a.finished = true;
    sample_u8("fuzz_frame", "ack", 6, buf, gw_ack_encode(&a, buf, sizeof buf));
    struct gw_diff d = { .seq = 5, .volume = 1, .verify = true, .offset = 1u << 20 };
    d.length = 3 * GW_BLOCK_BYTES + 17;
    d.differs[0] = 9;
    sample_u8("fuzz_frame", "diff", 7, buf, gw_diff_encode(&d, buf, sizeof buf));
    struct gw_heartbeat h = { .wall_ns = 1, .boot_ns = 2, .head_seq = 3, .pending_bytes = 4 };
    sample_u8("fuzz_frame", "heartbeat", 8, buf, gw_heartbeat_encode(&h, buf, sizeof buf));
    struct gw_goodbye g = { .reason = GW_GOODBYE_NO_SPACE };
    strcpy(g.sentence, "no space at dr");
    sample_u8("fuzz_frame", "goodbye", 9, buf, gw_goodbye_encode(&g, buf, sizeof buf));
    static struct gw_fin fin;
    fin = (struct gw_fin){ .seq = 120, .chain = 99, .lineage = lineage_of(3) };
    sample_u8("fuzz_frame", "fin", 10, buf, gw_fin_encode(&fin, buf, sizeof buf));
    struct gw_token t = { .uuid = uuid_of(1), .epoch = 1, .seq = 120, .chain = 99 };
    sample_u8("fuzz_frame", "token", 11, buf, gw_token_encode(&t, buf, sizeof buf));
}

static size_t put_record(uint8_t *p, enum gw_record_type type, uint64_t seq, uint32_t payload)
{
    struct gw_record rec = { .type = type, .payload_bytes = payload, .seq = seq };
    if (gw_record_has_range(type)) {
        rec.volume = 1;
        rec.offset = 8192;
        rec.length = type >= GW_RECORD_HASH && type <= GW_RECORD_VERIFY
                         ? payload / 16 * GW_BLOCK_BYTES
                     : gw_record_is_zero(type) ? 5u << 20
                                               : payload;
    }
    memset(p, 0, gw_record_bytes(payload));
    for (uint32_t i = 0; i < payload; i++)
        p[GW_RECORD_HEADER_BYTES + i] = (uint8_t)(i + seq);
    if (payload > 0)
        rec.payload_hash = gw_hash64(p + GW_RECORD_HEADER_BYTES, payload, seq);
    gw_record_encode(&rec, 0, p);
    return gw_record_bytes(payload);
}

/* Statements that no encoder makes: what is behind the checksum must not be believed. */
static void lies(void)
{
    static uint8_t buf[SAMPLE_BYTES_MAX];
    struct gw_writer w;
    size_t n = put_record(buf, GW_RECORD_WRITE, 7, 8192);
    w = gw_writer(buf + 24, 8);
    gw_put_u64(&w, GW_EXTENT_BYTES - 100); /* crosses an extent */
    sample_u8("fuzz_record", "lie-extent", 3, buf, n);
    w = gw_writer(buf + 24, 8);
    gw_put_u64(&w, UINT64_MAX - 100); /* overflows */
    sample_u8("fuzz_record", "lie-overflow", 3, buf, n);

    struct gw_diff d = { .length = GW_BLOCK_BYTES };
    n = gw_diff_encode(&d, buf, sizeof buf);
    w = gw_writer(buf + 12, 4);
    gw_put_u32(&w, 0); /* no range at all */
    sample_u8("fuzz_frame", "lie-diff-empty", 7, buf, n);
    w = gw_writer(buf + 12, 4);
    gw_put_u32(&w, GW_EXTENT_BYTES + 1);
    sample_u8("fuzz_frame", "lie-diff-long", 7, buf, n);
}

static void records(void)
{
    static uint8_t buf[SAMPLE_BYTES_MAX];
    size_t len = 0;
    for (unsigned t = GW_RECORD_WRITE; t < GW_RECORD_TYPE_MAX; t++) {
        uint32_t payload = gw_record_is_zero((enum gw_record_type)t) ? 0 : 80 + (t == 1 ? 3 : 0);
        char name[32];
        snprintf(name, sizeof name, "type-%u", t);
        size_t n = put_record(buf + len, (enum gw_record_type)t, 100 + t, payload);
        sample_u8("fuzz_record", name, 3, buf + len, n);
        len += n;
    }
    sample_u8("fuzz_record", "batch", 3, buf, len);
    sample_u8("fuzz_record", "unsealed", 2, buf, len);
}

static void metas(void)
{
    static struct gw_meta m;
    static uint8_t slot[GW_META_SLOT_BYTES];
    struct gw_error err;
    for (unsigned i = 0; i < 4; i++) {
        m = (struct gw_meta){ .generation = i + 1,
                              .plan_name = "shop",
                              .site_name = { "home", "dr" },
                              .plan = uuid_of(10),
                              .site = (uint8_t)(i % 2),
                              .role = i % 2 == 0 ? GW_ROLE_ACTIVE : GW_ROLE_STANDBY,
                              .consistent = i != 3,
                              .clean = i == 2,
                              .blank = i == 3,
                              .seed_me = i == 3,
                              .lineage = lineage_of(i == 3 ? 0 : i + 1),
                              .seq = 100 * i,
                              .chain = i };
        volumes_of(m.volume, &m.n_volumes);
        m.pending = i == 1 ? GW_PENDING_RESYNC : GW_PENDING_NONE;
        strcpy(m.pending_id, i == 1 ? "e1-123" : "");
        m.recorded = (enum gw_recorded)i;
        strcpy(m.signed_by, i == 2 ? "eva" : "");
        FUZZ_CHECK(gw_meta_encode(&m, slot, &err) == 0);
        struct gw_reader r = gw_reader(slot + 12, 4);
        uint16_t used = (uint16_t)gw_get_u32(&r);
        uint8_t prefix[3];
        struct gw_writer w = gw_writer(prefix, sizeof prefix);
        gw_put_u8(&w, 3);
        gw_put_u16(&w, used);
        uint8_t *two = malloc((size_t)used * 2);
        FUZZ_CHECK(two != NULL);
        memcpy(two, slot, used);
        m.generation++;
        FUZZ_CHECK(gw_meta_encode(&m, slot, &err) == 0);
        memcpy(two + used, slot, used);
        char name[32];
        if (i == 3) { /* no lineage: the number of volumes is at a known place */
            uint8_t lie[3 + 600] = { 0 };
            memcpy(lie, prefix, sizeof prefix);
            memcpy(lie + 3, two, used < 600 ? used : 600);
            lie[1] = (uint8_t)(600 & 0xff), lie[2] = 600 >> 8;
            struct gw_writer n = gw_writer(lie + 3 + 24 + 64 * 3 + 16 + 8 + 8, 4);
            FUZZ_CHECK(lie[3 + 24 + 64 * 3 + 16 + 8 + 8] == 2); /* it is there */
            gw_put_u32(&n, GW_VOLUMES_MAX + 6);
            sample("fuzz_meta", "lie-volumes", lie, sizeof lie, NULL, 0);
        }
        snprintf(name, sizeof name, "two-%u", i);
        sample("fuzz_meta", name, prefix, sizeof prefix, two, (size_t)used * 2);
        snprintf(name, sizeof name, "one-%u", i);
        sample("fuzz_meta", name, prefix, sizeof prefix, two, used);
        prefix[0] = 2; /* the first is damaged */
        snprintf(name, sizeof name, "bad-%u", i);
        sample("fuzz_meta", name, prefix, sizeof prefix, two, (size_t)used * 2);
        free(two);
    }
}

static void manifests(void)
{
    static struct gw_undo_manifest u;
    static struct gw_point p;
    static uint8_t buf[GW_POINT_MANIFEST_BYTES_MAX];
    for (unsigned i = 0; i < 3; i++) {
        char name[32];
        u = (struct gw_undo_manifest){
            .lineage = lineage_of(i + 1), .seq = 9, .source = uuid_of(2), .diverged = i == 1
        };
        strcpy(u.signed_by, i == 1 ? "eva" : "");
        volumes_of(u.volume, &u.n_volumes);
        snprintf(name, sizeof name, "undo-%u", i);
        size_t n = gw_undo_manifest_encode(&u, buf, sizeof buf);
        FUZZ_CHECK(n > 0);
        sample_u8("fuzz_manifest", name, 1, buf, n);
        p = (struct gw_point){ .kind = i == 1 ? GW_POINT_CLONE : GW_POINT_COPY,
                               .lineage = lineage_of(i + 1),
                               .seq = 9 };
        snprintf(p.id, sizeof p.id, "point.%u", i);
        strcpy(p.tag, i == 2 ? "before the upgrade" : "");
        volumes_of(p.volume, &p.n_volumes);
        snprintf(name, sizeof name, "point-%u", i);
        n = gw_point_encode(&p, buf, sizeof buf);
        FUZZ_CHECK(n > 0);
        sample_u8("fuzz_manifest", name, 3, buf, n);
    }
    sample_u8("fuzz_manifest", "unsealed", 2, buf, 200);
}

static void texts(void)
{
    static const char *const sizes[] = { "20GiB",     "64MiB",
                                         "4096",      "512k",
                                         "1T",        "0",
                                         "7 MB",      "18446744073709551615",
                                         "16777216T", "0123abcd-0123-4abc-89ab-0123456789ab" };
    static const char *const lines[] = {
        "{\"cmd\":\"status\"}",
        "{\"cmd\":\"point\",\"id\":\"a\",\"tag\":\"before-upgrade\",\"timeout_ms\":30000}",
        "{\"cmd\":\"resync\",\"all\":true}",
        "{\"cmd\":7}",
        "[{\"a\":[[[[[[]]]]]]}]",
    };
    static const char *const answers[] = {
        "{\"ok\":true,\"role\":\"active\",\"epoch\":3}",
        "{\"ok\":false,\"error\":{\"code\":\"EINVAL\",\"message\":\"argument \\\"tag\\\"\"}}",
        "{\"progress\":{\"done_bytes\":1048576,\"total_bytes\":41943040}}",
        "{\"ok\":true,\"x\":[1,2.5,null,\"\\u00e9\\u20ac\",{\"y\":false}]}",
    };
    char name[32];
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        snprintf(name, sizeof name, "%u", i);
        sample("fuzz_size", name, sizes[i], strlen(sizes[i]), NULL, 0);
    }
    for (unsigned i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        snprintf(name, sizeof name, "request-%u", i);
        sample_u8("fuzz_control", name, 0, lines[i], strlen(lines[i]));
    }
    for (unsigned i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        snprintf(name, sizeof name, "answer-%u", i);
        sample_u8("fuzz_control", name, 1, answers[i], strlen(answers[i]));
    }
}

/* Programs of fuzz_journal.c, fuzz_undo.c and fuzz_maps.c. */
static void programs(void)
{
#define PROGRAM(target, name, ...)                                                                 \
    do {                                                                                           \
        static const uint8_t program[] = { __VA_ARGS__ };                                          \
        sample(target, name, program, sizeof program, NULL, 0);                                    \
    } while (0)
    PROGRAM("fuzz_journal", "empty", 1, 0);
    PROGRAM("fuzz_journal", "whole", 1, 0, 0, 1, 100, 0, 0, 0, 2, 0, 2, 1, 0, 0, 9, 0, 1);
    PROGRAM("fuzz_journal", "from-second", 1, 1, 0, 0, 100, 0, 0, 0, 0, 0, 2, 1);
    PROGRAM("fuzz_journal", "torn", 1, 0, 0, 0, 100, 0, 0, 0, 3, 0, 2, 0, 5, 9, 0, 1);
    PROGRAM("fuzz_journal", "middle", 1, 0, 0, 0, 100, 0, 0, 0, 0, 50, 0, 1, 5, 255, 0, 1);
    PROGRAM("fuzz_journal", "segments", 1, 0, 0, 0, 100, 0, 0, 3, 0, 0, 100, 0, 1, 3, 0, 0, 7, 0,
            1);
    PROGRAM("fuzz_journal", "header", 1, 0, 0, 0, 100, 0, 0, 6, 20, 0, 1);
    PROGRAM("fuzz_journal", "garbage", 1, 255, 0, 16, 2, 8, 1, 2, 3, 4, 5, 6, 7, 8, 4, 2);
    PROGRAM("fuzz_journal", "sealed", 0, 0, 0, 0, 9, 0, 0, 1, 48, 0, 64, 1, 1, 1, 'G', 'W', 'R',
            '1');
    PROGRAM("fuzz_journal", "empty-second", 3, 0, 0, 0, 100, 0, 1);
    PROGRAM("fuzz_undo", "empty", 1);
    PROGRAM("fuzz_undo", "whole", 0, 0, 1, 7, 0, 1, 255, 8, 1, 0, 0, 2, 0, 1);
    PROGRAM("fuzz_undo", "torn", 0, 0, 1, 7, 1, 0, 0, 2, 9, 4, 100, 0);
    PROGRAM("fuzz_undo", "damage", 0, 0, 1, 7, 0, 0, 2, 9, 1, 3, 100, 0, 1, 0, 0, 3, 3);
    PROGRAM("fuzz_undo", "twice", 0, 0, 1, 7, 1, 0, 0, 1, 9, 1);
    PROGRAM("fuzz_undo", "stale", 0, 0, 1, 7, 5, 0, 2, 9, 1);
    PROGRAM("fuzz_undo", "garbage", 2, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 0, 0, 1, 7, 1);
    PROGRAM("fuzz_maps", "map", 0);
    PROGRAM("fuzz_maps", "map-header", 0, 0, 0, 9, 0, 1, 255);
    PROGRAM("fuzz_maps", "map-headers", 0, 0, 0, 9, 0, 1, 255, 0, 1, 9, 0, 1, 255);
    PROGRAM("fuzz_maps", "map-newer", 0, 1, 0, 8, 0, 1, 3, 1, 1, 8, 0, 1, 3);
    PROGRAM("fuzz_maps", "map-page", 0, 0, 2, 64, 0, 2, 1, 1, 0, 5, 64, 0, 1, 255);
    PROGRAM("fuzz_maps", "map-cut", 0, 255, 3, 0, 0, 0);
    PROGRAM("fuzz_maps", "log", 1);
    PROGRAM("fuzz_maps", "log-torn", 1, 0, 5, 0, 0, 1, 255);
    PROGRAM("fuzz_maps", "log-middle", 1, 0, 1, 100, 0, 1, 255);
    PROGRAM("fuzz_maps", "log-newer", 1, 1, 1, 80, 0, 1, 3);
    PROGRAM("fuzz_maps", "log-sealed", 1, 1, 3, 90, 0, 2, 3, 4);
#undef PROGRAM
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: seeds DIRECTORY\n");
        return 2;
    }
    root = argv[1];
    hellos();
    frames();
    records();
    lies();
    metas();
    manifests();
    texts();
    programs();
    return EXIT_SUCCESS;
}
