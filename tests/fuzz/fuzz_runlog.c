// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * A run's log as another site might send it: whatever its entries say, the fold takes or refuses
 * them, the decider decides something, and the rules that no log may break hold (core/decide.h).
 */
#include "fuzz.h"

#include "core/decide.h"

#include <string.h>

/* What must hold of every view. */
static void check(const struct gw_operation *op, const struct gw_run_view *v)
{
    FUZZ_CHECK(v->state < GW_RUN_STATE_MAX);
    FUZZ_CHECK(!(v->back && v->ponr_passed));
    for (uint32_t i = 0; i < op->n_steps; i++)
        FUZZ_CHECK(op->steps[i].class != GW_CLASS_ONCE || v->step[i].attempts <= 1);
}

static void decide(const struct gw_operation *op, const struct gw_run_view *v, uint8_t bits)
{
    struct gw_action a;
    struct gw_run_facts f = { .me = (enum gw_run_side)(bits & 1),
                              .peer = (enum gw_peer_contact)((bits >> 1) % GW_PEER_MAX),
                              .late = bits & 8,
                              .choice = (enum gw_choice)((bits >> 4) % GW_CHOICE_MAX) };
    gw_decide(op, v, &f, &a);
    FUZZ_CHECK(a.act < GW_ACT_MAX && a.why);
    FUZZ_CHECK(a.step == GW_NO_STEP || a.step < op->n_steps);
    FUZZ_CHECK(a.act != GW_ACT_UNDO || !v->ponr_passed);
    (void)gw_run_choices(op, v, &f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_reader r = gw_reader(data, size);
    const struct gw_operation *op =
        gw_operation_get((enum gw_operation_id)(gw_get_u8(&r) % GW_OPERATION_ID_MAX));
    struct gw_run_view v = { 0 };
    while (op && gw_reader_left(&r) >= 6) {
        struct gw_run_view was = v;
        const char *why = NULL;
        uint8_t step = gw_get_u8(&r);
        struct gw_entry_core e = { .step = step == 0xff ? GW_NO_STEP : step };
        e.kind = (enum gw_entry_kind)gw_get_u8(&r);
        e.attempt = gw_get_u8(&r);
        e.epoch = gw_get_u8(&r);
        uint8_t more = gw_get_u8(&r);
        e.side = (enum gw_run_side)(more & 3);
        e.flags = more >> 2;
        if (gw_run_view_add(&v, op, &e, &why) < 0)
            FUZZ_CHECK(why && memcmp(&was, &v, sizeof v) == 0);
        check(op, &v);
        decide(op, &v, gw_get_u8(&r));
    }
    return 0;
}
