/* What happens to the rows of a tensor of bytes?
 *
 * As in float32.h, but that a pixel takes `pitch` bytes, and that what stands for 0 is a byte of
 * each channel's own: a `blank` row holds nothing else.
 */
#ifndef SPINDLE_INT8_H
#define SPINDLE_INT8_H

#include "bytes.h"
#include "float32.h"

enum made { /* how: */
    made_bytes = 1,  /* bytes, not floats */
    made_beside = 2, /* zeros that are not 0 */
    made_exact = 0,  /* by dot */
    made_narrow = 4, /* by narrow_dot */
    made_apart = 8   /* by part_dot */
};

INLINE const uint8_t *row8(const uint8_t *tensor, int y, int height, int ring, int size,
                           const uint8_t *blank)
{
    return y < 0 || y >= height ? blank : tensor + (ptrdiff_t)(y % ring) * size;
}

INLINE void margins8(uint8_t *y, int left, int width, int right, int pitch, int channels,
                     const uint8_t *blank)
{
    for (int p = -left; p < right; p++)
        __builtin_memcpy(y + (p < 0 ? p : p + width) * pitch, blank, (size_t)channels);
}

/* `count` vectors of whole numbers as bytes. */
INLINE void put_all(uint8_t *y, const vi *x, int count)
{
    int n = 0;
    for (; n + GROUP <= count; n += GROUP)
        put_group(y + n * LANES, x[n], x[n + 1], x[n + 2], x[n + 3]);
    for (; n + 2 <= count; n += 2)
        put_pair(y + n * LANES, x[n], x[n + 1]);
    for (; n < count; n++)
        put(y + n * LANES, x[n]);
}

INLINE void add_row8(const uint8_t *a, const uint8_t *b, uint8_t *y, int width, int channels,
                     int pitch_a, int pitch_b, int pitch, const float *w)
{
    for (int c = 0; c < channels; c += LANES) {
        const vi zero_a = whole(w + c), zero_b = whole(w + pitch + c), zero = whole(w + 2 * pitch + c);
        const vf scale_a = load(w + 3 * pitch + c), scale_b = load(w + 4 * pitch + c);
        for (int p = 0; p < width; p++) {
            const vf one = mul(floats(minus(widened(a + p * pitch_a + c), zero_a)), scale_a);
            const vf two = mul(floats(minus(widened(b + p * pitch_b + c), zero_b)), scale_b);
            put(y + p * pitch + c, plus(rounded(add(one, two)), zero));
        }
    }
}

/* Adds a row to the sums of its channels. */
INLINE void sum_row8(const uint8_t *x, int32_t *sums, int width, int pitch, int first, int last,
                     int begins)
{
    for (int c = first; c < last; c += LANES) {
        vi sum = begins ? nothing() : whole(sums + c);
        for (int p = 0; p < width; p++)
            sum = plus(sum, widened(x + p * pitch + c));
        keep(sums + c, sum);
    }
}

/* The average that sums come to: as bytes, or as floats.  Of `pitch` channels each: what all the
 * pixels' zeros come to, their scale, their zeros. */
INLINE void mean8(const int32_t *sums, void *y, int first, int last, int pitch, const float *w,
                  enum made made)
{
    for (int c = first; c < last; c += LANES) {
        const vf found = mul(floats(minus(whole(sums + c), whole(w + c))), load(w + pitch + c));
        if (made & made_bytes)
            put((uint8_t *)y + c, plus(rounded(found), whole(w + 2 * pitch + c)));
        else
            store((float *)y + c, found);
    }
}

/* The same pixels in another pitch. */
INLINE void copy_row8(const uint8_t *x, uint8_t *y, int width, int channels, int pitch_x, int pitch)
{
    for (int p = 0; p < width; p++)
        __builtin_memcpy(y + p * pitch, x + p * pitch_x, (size_t)channels);
}

/* What bytes stand for: their middles, then their scales, of `pitch` channels each. */
INLINE void numbers_row(const uint8_t *x, float *y, int width, int channels, int pitch_x,
                        int pitch, const float *w)
{
    for (int c = 0; c < channels; c += LANES)
        for (int p = 0; p < width; p++)
            store(y + p * pitch + c,
                  mul(sub(floats(widened(x + p * pitch_x + c)), load(w + c)), load(w + pitch + c)));
}

/* Numbers as bytes: their zeros, then their scales, one over each. */
INLINE void bytes_row(const float *x, uint8_t *y, int width, int channels, int pitch_x, int pitch,
                      const float *w)
{
    for (int c = 0; c < channels; c += LANES)
        for (int p = 0; p < width; p++)
            put(y + p * pitch + c,
                plus(rounded(least(most(mul(load(x + p * pitch_x + c), load(w + pitch + c)),
                                        all(-256.0f)), all(256.0f))),
                     whole(w + c)));
}

#endif
