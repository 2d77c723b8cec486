/* How do features become an answer?  Softmax, arg-max, unit length and peaks, one pixel at a time.
 *
 * Arrays may end where their last channel does: no more is read or written.  Built with
 * -fno-math-errno a square root is one instruction.
 */
#ifndef SPINDLE_ANSWERS_H
#define SPINDLE_ANSWERS_H

#include "simd.h"

/* e to the x over 2 to the n, where n is what x is nearest to in units of ln 2. */
INLINE vf exponential_rest(vf x, vf n)
{
    vf r = madd(n, all(-0.693359375f), x);
    r = madd(n, all(2.12194440e-4f), r); /* x - n ln 2, as two parts, the first of few bits */
    vf sum = all(0.0013814539f);         /* of least relative error for |r| <= ln(2) / 2 */
    sum = madd(sum, r, all(0.008368745f));
    sum = madd(sum, r, all(0.04166839f));
    sum = madd(sum, r, all(0.16666521f));
    sum = madd(sum, r, all(0.49999994f));
    return add(madd(mul(r, r), sum, r), all(1.0f));
}

INLINE vf powers(vf x, vf low, vf high) /* of 2 in e to the x; never a number that is none */
{
    return nearest(mul(least(most(x, low), high), all(1.44269504f)));
}

/* e to the x within 2 units in the last place, from 0 to infinity; what is no number stays none. */
INLINE vf exponential(vf x)
{
    const vf low = all(-104.0f), high = all(89.0f); /* beyond which it is 0 or infinite */
    const vf n = powers(x, low, high), half = nearest(mul(n, all(0.5f)));
    const vf rest = exponential_rest(most(low, least(high, x)), n);
    return mul(mul(rest, two_to(half)), two_to(sub(n, half))); /* 2 to the n may be too small */
}

INLINE vf sigmoid(vf x)
{
    const vf low = all(-80.0f), high = all(80.0f), n = powers(sub(zeros(), x), low, high);
    const vf rest = exponential_rest(most(low, least(high, sub(zeros(), x))), n);
    return over(all(1.0f), madd(rest, two_to(n), all(1.0f)));
}

INLINE vf load_some(const float *p, int count, float rest)
{
    float room[LANES];
    for (int i = 0; i < LANES; i++)
        room[i] = i < count ? p[i] : rest;
    return load(room);
}

INLINE void store_some(float *p, int count, vf v)
{
    float room[LANES];
    store(room, v);
    for (int i = 0; i < count; i++)
        p[i] = room[i];
}

INLINE float sum_of(vf v)
{
    float room[LANES], sum = 0;
    store(room, v);
    for (int i = 0; i < LANES; i++)
        sum += room[i];
    return sum;
}

INLINE float first_lane(vf v)
{
    float room[LANES];
    store(room, v);
    return room[0];
}

INLINE float most_of(vf v)
{
    for (int n = LANES / 2; n; n /= 2)
        v = most(v, around(v, n));
    return first_lane(v);
}

/* y may be x. */
static inline void softmax(const float *x, float *y, int channels)
{
    const int left = channels % LANES, whole = channels - left;
    const float none = -__builtin_inff();
    vf high = load_some(x + whole, left, none), sum = zeros();
    for (int c = 0; c < whole; c += LANES)
        high = most(high, load(x + c));
    const vf top = all(most_of(high));
    for (int c = 0; c < whole; c += LANES) {
        const vf wide = exponential(sub(load(x + c), top));
        store(y + c, wide);
        sum = add(sum, wide);
    }
    if (left) {
        const vf wide = exponential(sub(load_some(x + whole, left, none), top));
        store_some(y + whole, left, wide);
        sum = add(sum, load_some(y + whole, left, 0));
    }
    const vf all_of_it = all(sum_of(sum));
    for (int c = 0; c < whole; c += LANES)
        store(y + c, over(load(y + c), all_of_it));
    if (left)
        store_some(y + whole, left, over(load_some(y + whole, left, 0), all_of_it));
}

/* Of lanes that hold a value and the number of their vector's first: the first of the largest. */
INLINE int first_of(vf best, vf at, float *value)
{
    static const float lanes[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    *value = most_of(best);
    vf place = above(all(*value), best, all(16777216.0f), add(at, load(lanes)));
    for (int n = LANES / 2; n; n /= 2)
        place = least(place, around(place, n));
    return (int)first_lane(place);
}

/* The first of the largest. */
static inline int arg_max(const float *x, int channels)
{
    int found = 0;
    if (channels < LANES) {
        for (int c = 1; c < channels; c++)
            found = x[c] > x[found] ? c : found;
        return found;
    }
    /* the last vector goes back for some that were seen before */
    const int last = channels - LANES;
    vf best = load(x);
    for (int c = LANES; c < channels; c += LANES)
        best = most(best, load(x + (c < last ? c : last)));
    best = all(most_of(best));
    for (int c = 0; c < channels; c += LANES) {
        const int from = c < last ? c : last, lane = first_same(load(x + from), best);
        if (lane < LANES)
            return from + lane;
    }
    return found; /* of what is no number */
}

/* A vector at length one; y may be x. */
static inline void normalize(const float *x, float *y, int channels)
{
    const int left = channels % LANES, whole = channels - left;
    vf sum = load_some(x + whole, left, 0);
    sum = mul(sum, sum);
    for (int c = 0; c < whole; c += LANES)
        sum = madd(load(x + c), load(x + c), sum);
    const float length = __builtin_sqrtf(sum_of(sum));
    const vf divisor = all(length < 1e-12f ? 1e-12f : length);
    for (int c = 0; c < whole; c += LANES)
        store(y + c, over(load(x + c), divisor));
    if (left)
        store_some(y + whole, left, over(load_some(x + whole, left, 0), divisor));
}

/* A quarter of a pixel towards the larger neighbour, of a middle at `index`, in shares of `size`. */
INLINE float peak_at(const float *here, int index, int size, int step)
{
    double moved = index + 0.5;
    if (index > 0 && index < size - 1) {
        const float slope = here[step] - here[-step];
        moved += slope > 0 ? 0.25 : slope < 0 ? -0.25 : 0;
    }
    return (float)(moved / size);
}

/* Of each channel x, y and value of its largest pixel, of at most 2 to the 24; points is channels
 * x 3.  Where `pitch` leaves room, what lies beyond the channels is read, and goes nowhere.
 */
static inline void peaks(const float *heat, int height, int width, int channels, int pitch,
                         float *points)
{
    for (int c = 0; c < channels; c += LANES) {
        const int some = channels - c < LANES ? channels - c : LANES;
        float places[LANES];
        if (c + LANES <= pitch) {
            vf best = load(heat + c), at = zeros();
            for (int i = 1; i < height * width; i++) {
                const vf next = load(heat + (ptrdiff_t)i * pitch + c);
                at = above(next, best, all((float)i), at);
                best = above(next, best, next, best);
            }
            store(places, at);
        } else {
            for (int n = 0; n < some; n++) {
                const float *channel = heat + c + n;
                int best = 0;
                for (int i = 1; i < height * width; i++)
                    if (channel[(ptrdiff_t)i * pitch] > channel[(ptrdiff_t)best * pitch])
                        best = i;
                places[n] = (float)best;
            }
        }
        for (int n = 0; n < some; n++, points += 3) {
            const int place = (int)places[n], x = place % width, y = place / width;
            const float *here = heat + (ptrdiff_t)place * pitch + c + n;
            points[0] = peak_at(here, x, width, pitch);
            points[1] = peak_at(here, y, height, pitch * width);
            points[2] = *here;
        }
    }
}

#endif
