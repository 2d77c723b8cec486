/* A strip of a depthwise convolution: PIXELS of one vector of channels, SIDE by SIDE taps.
 *
 * Included once for each shape a network needs, with PIXELS, SIDE and FILTER (its name) defined;
 * MADE is `brief` where that is defined, else float.
 * Weights are those of one vector of channels: its biases, then its taps.
 */
#ifndef MADE
#define MADE float
#endif
INLINE void FILTER(const float *const *x, Window at, int shift, const float *w, MADE *y, int step,
                   enum act act)
{
    vf sum[PIXELS];
    UNROLL for (int m = 0; m < PIXELS; m++)
        sum[m] = load(w);
    UNROLL for (int v = 0; v < SIDE; v++) {
        const float *from = x[v] + at.offset + shift;
        UNROLL for (int u = 0; u < SIDE; u++) {
            const vf tap = load(w + (1 + v * SIDE + u) * LANES);
            UNROLL for (int m = 0; m < PIXELS; m++)
                sum[m] = madd(load(from + u * at.beside + m * at.step), tap, sum[m]);
        }
    }
    UNROLL for (int m = 0; m < PIXELS; m++)
        OF(store, MADE)(y + m * step, clamped(sum[m], act));
}
#undef FILTER
#undef PIXELS
#undef SIDE
#undef MADE
