/* A tile of a convolution of bytes: PIXELS by VECTORS of channels, summed in registers.
 *
 * Included once for each shape a network needs, with PIXELS, VECTORS and TILE (its name) defined.
 * Weights stand in reading order, VECTORS vectors each: what sums begin with, their scales, where
 * bytes are made their zeros, where a shortcut is added its zeros and scales; then for every tap
 * and every four channels in, the quads of each channel out, which may be apart.
 */
INLINE void TILE(const uint8_t *const *x, Window at, int shift, const float *w, void *to, int step,
                 const uint8_t *shortcut, int beside, enum made made, enum act act,
                 const float *soon, int each)
{
    enum { BLOCK = VECTORS * LANES };
    const int parts = made & made_apart ? PARTS : 1;
    const float *const scale = w + BLOCK, *const zero = scale + BLOCK;
    const float *const other = made & made_bytes ? zero + BLOCK : zero, *const share = other + BLOCK;
    const float *quads = shortcut ? share + BLOCK : other;
    vi sum[PIXELS][VECTORS];
    UNROLL for (int m = 0; m < PIXELS; m++)
        UNROLL for (int n = 0; n < VECTORS; n++)
            sum[m][n] = whole(w + n * LANES);
    for (int v = 0; v < at.high; v++)
        for (int u = 0; u < at.wide; u++) {
            const uint8_t *from = x[v] + at.offset + u * at.beside + shift;
            for (int k = 0; k < at.length; k += 4, quads += parts * BLOCK) {
                if (each)
                    __builtin_prefetch(soon + k / 4 * each, 0, 2);
                HERE;
                UNROLL for (int m = 0; m < PIXELS; m++) {
                    const vi one = quad(from + m * at.step + k);
                    vi words[PARTS];
                    apart(words, one);
                    UNROLL for (int n = 0; n < VECTORS; n++) {
                        const float *const weight = quads + n * parts * LANES;
                        sum[m][n] = made & made_narrow  ? narrow_dot(sum[m][n], one, whole(weight))
                                  : made & made_apart ? part_dot(sum[m][n], words, weight)
                                                      : dot(sum[m][n], one, whole(weight));
                    }
                }
            }
        }
    UNROLL for (int m = 0; m < PIXELS; m++) {
        vf found[VECTORS];
        UNROLL for (int n = 0; n < VECTORS; n++) {
            found[n] = mul(floats(sum[m][n]), load(scale + n * LANES));
            if (shortcut) {
                const vi less = minus(widened(shortcut + m * beside + n * LANES),
                                      whole(other + n * LANES));
                found[n] = add(found[n], mul(floats(less), load(share + n * LANES)));
            }
        }
        if (made & made_bytes) {
            vi bytes_of[VECTORS];
            UNROLL for (int n = 0; n < VECTORS; n++)
                bytes_of[n] = made & made_beside ? plus(rounded(found[n]), whole(zero + n * LANES))
                                                 : rounded(found[n]);
            put_all((uint8_t *)to + m * step, bytes_of, VECTORS);
        } else
            UNROLL for (int n = 0; n < VECTORS; n++)
                store((float *)to + m * step + n * LANES, clamped(found[n], act));
    }
}
#undef TILE
#undef PIXELS
#undef VECTORS
