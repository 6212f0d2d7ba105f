// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Everything that is random comes from the seed, in two streams. */
#include "fibers.h"

static uint64_t story, chance;

void sim_chance_init(uint64_t seed)
{
    story = sim_mix(seed + 1);
    chance = sim_mix(seed ^ 0x5851f42d4c957f2dull);
}

uint64_t sim_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static uint64_t step(uint64_t *s)
{
    return sim_mix(*s += 0x9e3779b97f4a7c15ull);
}

uint64_t sim_random(void)
{
    return step(&story);
}

uint64_t sim_chance_random(void)
{
    return step(&chance);
}

uint64_t sim_below(uint64_t n)
{
    return sim_random() % n;
}

uint64_t sim_chance_below(uint64_t n)
{
    return sim_chance_random() % n;
}

bool sim_one_in(uint64_t n)
{
    return n > 0 && sim_below(n) == 0;
}

bool sim_chance_one_in(uint64_t n)
{
    return n > 0 && sim_chance_below(n) == 0;
}

uint64_t sim_between(uint64_t lo, uint64_t hi)
{
    return lo + sim_below(hi - lo + 1);
}
