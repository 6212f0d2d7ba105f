// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Checked arithmetic: true means it overflowed and *ret is not to be used (C23's ckd_*). */
#pragma once

#define ckd_add(ret, a, b) __builtin_add_overflow((a), (b), (ret))
#define ckd_sub(ret, a, b) __builtin_sub_overflow((a), (b), (ret))
#define ckd_mul(ret, a, b) __builtin_mul_overflow((a), (b), (ret))

#define GW_MIN(a, b)                                                                               \
    ({                                                                                             \
        __typeof__(a) gw_min_a_ = (a);                                                             \
        __typeof__(b) gw_min_b_ = (b);                                                             \
        gw_min_a_ < gw_min_b_ ? gw_min_a_ : gw_min_b_;                                             \
    })
#define GW_MAX(a, b)                                                                               \
    ({                                                                                             \
        __typeof__(a) gw_max_a_ = (a);                                                             \
        __typeof__(b) gw_max_b_ = (b);                                                             \
        gw_max_a_ > gw_max_b_ ? gw_max_a_ : gw_max_b_;                                             \
    })
#define GW_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
