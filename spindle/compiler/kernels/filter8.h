/* A strip of a depthwise convolution of bytes: PIXELS of one group of channels, SIDE by SIDE taps.
 *
 * Included once for each shape a network needs, with PIXELS, SIDE and FILTER (its name) defined.
 * The bytes of a column, up to four rows of it, are quads, which the pixels beside share: first and
 * third, second and fourth, lest the heaviest weight, in the middle, has a neighbour.  Weights are
 * those of one group, its channels in the order of `columns`: what sums begin with, scales, zeros;
 * then of each half, column by column, four rows at a time, the quads.
 * Where a plane is so narrow that a group holds several pixels of it, PIXELS counts groups: each
 * is of `pieces` pixels, which lie where their turn is.
 */
INLINE void FILTER(const uint8_t *const *x, Window at, int shift, const float *w, uint8_t *y,
                   int step, int pieces, enum made made)
{
    enum { BLOCK = GROUP * LANES, DEEP = (SIDE + 3) / 4 };
    const int narrow = made & made_narrow, tap = narrow ? LANES : PARTS * LANES;
    const int next = pieces * at.step;
    const int stride = next % at.beside ? SIDE : next / at.beside; /* columns to the next */
    vi found[PIXELS][2];
    UNROLL for (int half = 0; half < 2; half++) {
        const float *const start = w + half * 2 * LANES, *const scale = start + BLOCK;
        const float *const zero = scale + BLOCK;
        const float *const taps = w + 3 * BLOCK + half * SIDE * DEEP * 2 * tap;
        vi read[SIDE][DEEP][2][PARTS];
        UNROLL for (int m = 0; m < PIXELS; m++) {
            HERE;
            UNROLL for (int u = 0; u < SIDE; u++)
                UNROLL for (int v = 0; v < DEEP; v++) {
                    if (m > 0 && u + stride < SIDE) {
                        UNROLL for (int j = 0; j < 2 * PARTS; j++)
                            read[u][v][j / PARTS][j % PARTS] =
                                read[u + stride][v][j / PARTS][j % PARTS];
                        continue;
                    }
                    const int from = at.offset + shift + u * at.beside + m * next;
                    vi rows[4], quads[2];
                    UNROLL for (int i = 0; i < 4; i++)
                        rows[i] = 4 * v + i < SIDE
                                ? gathered(x[(4 * v + i) % SIDE] + from, pieces, at.step)
                                : nothing();
                    columns(quads, half, rows[0], rows[2], rows[1], rows[3]);
                    UNROLL for (int j = 0; j < 2; j++)
                        if (narrow)
                            read[u][v][j][0] = quads[j];
                        else
                            apart(read[u][v][j], quads[j]);
                }
            vi near[2];
            UNROLL for (int j = 0; j < 2; j++) {
                vi sum = whole(start + j * LANES);
                UNROLL for (int u = 0; u < SIDE * DEEP; u++) {
                    const vi *const here = read[u / DEEP][u % DEEP][j];
                    const float *const weights = taps + (2 * u + j) * tap;
                    sum = narrow ? narrow_dot(sum, here[0], whole(weights))
                                 : part_dot(sum, here, weights);
                }
                near[j] = rounded(mul(floats(sum), load(scale + j * LANES)));
                if (made & made_beside)
                    near[j] = plus(near[j], whole(zero + j * LANES));
            }
            found[m][half] = words(near[0], near[1]);
        }
    }
    UNROLL for (int m = 0; m < PIXELS; m++)
        scattered(y + m * pieces * step, joined(found[m][0], found[m][1]), pieces, step);
}
#undef FILTER
#undef PIXELS
#undef SIDE
