/* What can a core do?  Products and copies alone, beside which every kernel can be held. */
#ifndef SPINDLE_PEAK_H
#define SPINDLE_PEAK_H

#include "simd.h"

enum { PEAK_SUMS = 12 }; /* two units of five cycles want ten at once; there are 16 registers */

/* rounds * PEAK_SUMS * LANES multiply-adds, none of which waits for the one before it */
INLINE float peak_madds(float seed, size_t rounds)
{
    vf sums[PEAK_SUMS];
    const vf factor = all(seed), rest = all(1.0f - seed);
    for (int i = 0; i < PEAK_SUMS; i++)
        sums[i] = all((float)i);
    for (size_t n = 0; n < rounds; n++)
        for (int i = 0; i < PEAK_SUMS; i++)
            sums[i] = madd(sums[i], factor, rest);
    float lane[LANES], sum = 0;
    for (int i = 0; i < PEAK_SUMS; i++) {
        store(lane, sums[i]);
        for (int l = 0; l < LANES; l++)
            sum += lane[l];
    }
    return sum;
}

/* size floats, a multiple of 4 * LANES, from here to there */
INLINE void peak_copy(float *to, const float *from, size_t size)
{
    for (size_t i = 0; i < size; i += 4 * LANES)
        for (size_t l = 0; l < 4 * LANES; l += LANES)
            store(to + i + l, load(from + i + l));
}

#endif
