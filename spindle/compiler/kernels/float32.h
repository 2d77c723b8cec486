/* What happens to the rows of a float32 tensor?
 *
 * A tensor is height x width x channels.  Its rows may be a ring of fewer than it has; a pixel
 * takes `pitch` floats, which is its channels or, where vectors are stored, the next whole vector.
 * A row begins with the zeros that a window wants on its left and ends with those on its right.
 */
#ifndef SPINDLE_FLOAT32_H
#define SPINDLE_FLOAT32_H

#include "simd.h"

#define UNROLL _Pragma("GCC unroll 64")
#define LITTLE _Pragma("GCC unroll 4")
#define STEP static __attribute__((noinline)) /* in one another, they would crowd the registers */
#define OF(does, kind) OF_(does, kind) /* what does it to numbers of a kind: float, or brief */
#define OF_(does, kind) does##_##kind
#define load_float load
#define store_float store
#define madd_float madd
#define half_madd_float half_madd
#define part_float(x, part) (x)
enum { parts_float = 1 };
#define HERE __asm__ volatile("" ::: "memory") /* loads stay: moved, they would spill the sums */

enum act { act_none, act_relu, act_relu6 };

typedef struct { /* how the taps of a convolution lie in what it reads */
    int high, wide;     /* taps down and across; where a row of taps is one run, across is 1 */
    int offset, beside; /* floats to the first tap of a row, and to the next */
    int length, step;   /* floats in a tap, and from one pixel to the next */
} Window;

INLINE vf clamped(vf x, enum act act)
{
    return act == act_relu6 ? least(most(x, zeros()), all(6.0f))
         : act == act_relu  ? most(x, zeros())
                            : x;
}

/* A row of a tensor, or zeros above the first and below the last. */
INLINE const float *row(const float *tensor, int y, int height, int ring, int floats,
                        const float *zero)
{
    return y < 0 || y >= height ? zero : tensor + (ptrdiff_t)(y % ring) * floats;
}

/* Zeros in some channels of the pixels on both sides of a row. */
INLINE void margins(float *y, int left, int width, int right, int pitch, int channels)
{
    for (int p = -left; p < right; p++)
        __builtin_memset(y + (p < 0 ? p : p + width) * pitch, 0, (size_t)channels * sizeof *y);
}

/* Pixels less the mean, times the scale: both as `channels` vectors, to repeat as the bytes do. */
INLINE void image_row(const uint8_t *x, float *y, int width, int channels, int pitch,
                      const float *mean, const float *scale)
{
    if (pitch != channels) {
        for (int p = 0; p < width; p++)
            for (int c = 0; c < pitch; c++)
                y[p * pitch + c] =
                    c < channels ? ((float)x[p * channels + c] - mean[c]) * scale[c] : 0.0f;
        return;
    }
    const int count = width * channels;
    int i = 0;
    for (; i + channels * LANES <= count; i += channels * LANES)
        for (int n = 0; n < channels * LANES; n += LANES)
            store(y + i + n, mul(sub(bytes(x + i + n), load(mean + n)), load(scale + n)));
    for (; i < count; i++)
        y[i] = ((float)x[i] - mean[i % channels]) * scale[i % channels];
}

INLINE void add_row(const float *a, const float *b, float *y, int width, int pitch_a, int pitch_b,
                    int pitch, int first, int last)
{
    for (int p = 0; p < width; p++)
        for (int c = first; c < last; c += LANES)
            store(y + p * pitch + c, add(load(a + p * pitch_a + c), load(b + p * pitch_b + c)));
}

/* Adds a row to the sums of its channels; the last one divides. */
INLINE void mean_row(const float *x, float *y, int width, int pitch, int first, int last,
                     int begins, float share)
{
    for (int c = first; c < last; c += LANES) {
        vf sum = begins ? zeros() : load(y + c);
        for (int p = 0; p < width; p++)
            sum = add(sum, load(x + p * pitch + c));
        store(y + c, mul(sum, all(share)));
    }
}

/* Between two rows, then between two columns: `low`, `high` and `part` say of each which. */
INLINE void resize_row(const float *above, const float *under, float part, float *blend, int old,
                       float *y, int width, int pitch_x, int pitch, const int32_t *low,
                       const int32_t *high, const float *parts)
{
    const vf down = all(part), up = all(1.0f - part);
    for (int i = 0; i < old * pitch_x; i += LANES)
        store(blend + i, add(mul(load(above + i), up), mul(load(under + i), down)));
    for (int p = 0; p < width; p++) {
        const vf right = all(parts[p]), left = all(1.0f - parts[p]);
        const float *a = blend + low[p] * pitch_x, *b = blend + high[p] * pitch_x;
        for (int c = 0; c < pitch; c += LANES)
            store(y + p * pitch + c, add(mul(load(a + c), left), mul(load(b + c), right)));
    }
}

/* The same pixels in another pitch. */
INLINE void copy_row(const float *x, float *y, int width, int channels, int pitch_x, int pitch)
{
    for (int p = 0; p < width; p++)
        __builtin_memcpy(y + p * pitch, x + p * pitch_x, (size_t)channels * sizeof *y);
}

#endif
