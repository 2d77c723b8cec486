/* A tile of a convolution: PIXELS by VECTORS of channels, summed in registers.
 *
 * Included once for each shape a network needs, with PIXELS, VECTORS and TILE (its name) defined;
 * READ, MADE and MORE (what a shortcut is of) are `brief` where that is defined, else float.
 * Weights stand in reading order: for every tap and every channel in, VECTORS vectors of channels
 * out.  The sums begin with `start`: the biases (apart 0), or what an earlier part has left.
 * Of briefs, pairs are what else numbers are: in x, in the window and in the weights.
 * With HALF, half of the last vector is summed, and the other half made nothing.
 */
#ifndef READ
#define READ float
#endif
#ifndef MADE
#define MADE float
#endif
#ifndef MORE
#define MORE float
#endif
#ifndef HALF
#define HALF 0
#endif
#define ADDED(n, a, b, sum)                                                                        \
    ((n) < VECTORS - HALF ? OF(madd, READ)(a, b, sum) : OF(half_madd, READ)(a, b, sum))
INLINE void TILE(const float *const *x, Window at, int shift, const float *w, const float *start,
                 int apart, MADE *y, int step, const MORE *shortcut, int beside, enum act act,
                 const float *soon, int each)
{
    vf sum[PIXELS][VECTORS];
    UNROLL for (int m = 0; m < PIXELS; m++)
        UNROLL for (int n = 0; n < VECTORS; n++)
            sum[m][n] = load(start + m * apart + n * LANES);
    for (int v = 0; v < at.high; v++)
        for (int u = 0; u < at.wide; u++) {
            const float *from = x[v] + at.offset + u * at.beside + shift;
            LITTLE for (int k = 0; k < at.length; k++, w += VECTORS * LANES) {
                if (each)
                    __builtin_prefetch(soon + k * each, 0, 2);
#if PIXELS < VECTORS /* the fewer stay in registers, the others pass through one */
                UNROLL for (int part = 0; part < OF(parts, READ); part++) {
                    if (part)
                        HERE;
                    vf one[PIXELS];
                    UNROLL for (int m = 0; m < PIXELS; m++)
                        one[m] = OF(part, READ)(all(from[m * at.step + k]), part);
                    UNROLL for (int n = 0; n < VECTORS; n++) {
                        const vf weight = OF(part, READ)(load(w + n * LANES), part);
                        UNROLL for (int m = 0; m < PIXELS; m++)
                            sum[m][n] = ADDED(n, one[m], weight, sum[m][n]);
                    }
                }
#else
                UNROLL for (int part = 0; part < OF(parts, READ); part++) {
                    HERE;
                    vf weight[VECTORS];
                    UNROLL for (int n = 0; n < VECTORS; n++)
                        weight[n] = OF(part, READ)(load(w + n * LANES), part);
                    UNROLL for (int m = 0; m < PIXELS; m++) {
                        const vf one = OF(part, READ)(all(from[m * at.step + k]), part);
                        UNROLL for (int n = 0; n < VECTORS; n++)
                            sum[m][n] = ADDED(n, one, weight[n], sum[m][n]);
                    }
                }
#endif
            }
        }
    UNROLL for (int m = 0; m < PIXELS; m++)
        UNROLL for (int n = 0; n < VECTORS; n++) {
            vf made = clamped(sum[m][n], act);
            if (shortcut)
                made = add(made, OF(load, MORE)(shortcut + m * beside + n * LANES));
            OF(store, MADE)(y + m * step + n * LANES, made);
        }
}
#undef TILE
#undef PIXELS
#undef VECTORS
#undef HALF
#undef ADDED
#undef READ
#undef MADE
#undef MORE
