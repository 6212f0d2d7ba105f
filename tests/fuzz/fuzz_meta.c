// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * DIR/meta: its slots and what opening the file makes of two of them. First byte: bit 0 slot 0 is
 * sealed, bit 1 slot 1 is sealed; then u16 length of slot 0's bytes, those, the bytes of slot 1.
 */
#include "engine/meta.h"
#include "fuzz.h"
#include "memdisk.h"

#include <errno.h>

static uint8_t slots[2 * GW_META_SLOT_BYTES];

/* What was decoded can be stored, and reads back as the same state. */
static int codec(const uint8_t *slot, struct gw_meta *ret)
{
    static struct gw_meta again;
    static uint8_t first[GW_META_SLOT_BYTES], second[GW_META_SLOT_BYTES];
    struct gw_error err = { 0 };
    int r = gw_meta_decode(slot, ret, &err);
    if (r < 0) {
        FUZZ_CHECK_ERROR(r, &err);
        FUZZ_CHECK(r == -EBADMSG || r == -EPROTONOSUPPORT);
        return r;
    }
    FUZZ_CHECK(gw_meta_encode(ret, first, &err) == 0);
    FUZZ_CHECK(gw_meta_decode(first, &again, &err) == 0);
    FUZZ_CHECK(gw_meta_encode(&again, second, &err) == 0);
    FUZZ_CHECK(memcmp(first, second, sizeof first) == 0);
    return 0;
}

static void store_and_open_again(struct gw_io *io, struct gw_metafile *f, struct gw_meta *m)
{
    struct gw_error err = { 0 };
    uint64_t generation = m->generation;
    m->seq ^= 1;
    uint64_t seq = m->seq;
    int r = gw_metafile_store(f, m, &err);
    FUZZ_CHECK(r == 0 && (m->generation == generation + 1 || m->generation == 0));
    gw_metafile_close(f);
    if (m->generation == 0)
        return; /* the largest number there is; nobody counts that far */
    bool lost = true;
    static struct gw_meta now;
    FUZZ_CHECK(gw_metafile_open(io, "/p", true, &f, &now, &lost, &err) == 0);
    FUZZ_CHECK(now.generation == generation + 1 && now.seq == seq && !lost);
    gw_metafile_close(f);
}

static void file(const int result[2], const struct gw_meta *const state[2])
{
    struct memdisk *d = memdisk_new();
    struct gw_io *io = memdisk_io(d);
    struct gw_file *raw = NULL;
    FUZZ_CHECK(gw_io_mkdir(io, "/p") == 0 && gw_io_open(io, "/p/meta", GW_OPEN_CREATE, &raw) == 0);
    FUZZ_CHECK(gw_io_pwrite(raw, slots, sizeof slots, 0) == 0 && gw_io_datasync(raw) == 0);
    gw_file_close(raw);

    static struct gw_meta m;
    struct gw_metafile *f = NULL;
    struct gw_error err = { 0 };
    bool lost = false;
    int r = gw_metafile_open(io, "/p", false, &f, &m, &lost, &err);
    if (result[0] == -EPROTONOSUPPORT || result[1] == -EPROTONOSUPPORT)
        FUZZ_CHECK(r == -EPROTONOSUPPORT);
    else if (result[0] < 0 && result[1] < 0)
        FUZZ_CHECK(r == -EBADMSG);
    else {
        uint64_t newest = 0;
        for (unsigned i = 0; i < 2; i++)
            newest =
                result[i] == 0 && state[i]->generation > newest ? state[i]->generation : newest;
        FUZZ_CHECK(r == 0 && m.generation == newest);
        FUZZ_CHECK(lost == (result[0] < 0 || result[1] < 0));
    }
    if (r < 0) {
        FUZZ_CHECK_ERROR(r, &err);
        FUZZ_CHECK(strstr(err.msg, "/p/meta") != NULL); /* says which file */
    } else {
        store_and_open_again(io, f, &m);
    }
    memdisk_free(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct gw_meta first, second;
    struct gw_reader r = gw_reader(data, size);
    uint8_t sealed = fuzz_u8(&r);
    size_t wanted = fuzz_u16(&r);
    memset(slots, 0, sizeof slots);
    for (unsigned i = 0; i < 2; i++) {
        uint8_t *slot = slots + (size_t)i * GW_META_SLOT_BYTES;
        size_t n = 0;
        const uint8_t *p =
            fuzz_bytes(&r, wanted < GW_META_SLOT_BYTES ? wanted : GW_META_SLOT_BYTES, &n);
        memcpy(slot, p, n);
        if (sealed & (1u << i))
            fuzz_seal(slot, GW_META_SLOT_BYTES, 0);
        wanted = GW_META_SLOT_BYTES;
    }
    int result[2] = { codec(slots, &first), codec(slots + GW_META_SLOT_BYTES, &second) };
    file(result, (const struct gw_meta *const[2]){ &first, &second });
    return 0;
}
