/* What is a vector of bytes where no instruction set is known?  Arrays, in plain C.
 *
 * Included by bytes.h.  A quad is its four bytes in memory, whichever end comes first.
 */
typedef struct {
    int32_t at[LANES];
} vi;
#define EACH(expression)                                                                           \
    vi v;                                                                                          \
    for (int i = 0; i < LANES; i++)                                                                \
        v.at[i] = (expression);                                                                    \
    return v
INLINE vi whole(const void *p)
{
    vi v;
    __builtin_memcpy(v.at, p, sizeof v.at);
    return v;
}
INLINE void keep(void *p, vi v) { __builtin_memcpy(p, v.at, sizeof v.at); }
INLINE vi nothing(void) { EACH(0); }
INLINE vi quad(const uint8_t *p)
{
    const int32_t x = four(p);
    EACH(x);
}
INLINE vi plus(vi a, vi b) { EACH(a.at[i] + b.at[i]); }
INLINE vi minus(vi a, vi b) { EACH(a.at[i] - b.at[i]); }
INLINE vf floats(vi a)
{
    vf v;
    for (int i = 0; i < LANES; i++)
        v.at[i] = (float)a.at[i];
    return v;
}
INLINE vi rounded(vf a) { EACH((int32_t)nearest_of(a.at[i])); }
INLINE vi widened(const uint8_t *p) { EACH(p[i]); }
#if defined(__ARM_FEATURE_DSP) /* two products at once, the even bytes of a quad and the odd ones */
#include <arm_acle.h>
INLINE vi dot(vi sum, vi x, vi w)
{
    vi v;
    for (int i = 0; i < LANES; i++) {
        const uint32_t a = (uint32_t)x.at[i], b = (uint32_t)w.at[i];
        const int16x2_t even = (int16x2_t)(a & 0x00FF00FF), odd = (int16x2_t)(a >> 8 & 0x00FF00FF);
        const int8x4_t beside = (int8x4_t)__ror(b, 8);
        v.at[i] = __smlad(even, __sxtb16((int8x4_t)b), sum.at[i]);
        v.at[i] = __smlad(odd, __sxtb16(beside), v.at[i]);
    }
    return v;
}
#else
INLINE vi dot(vi sum, vi x, vi w)
{
    uint8_t a[4 * LANES];
    int8_t b[4 * LANES];
    __builtin_memcpy(a, x.at, sizeof a);
    __builtin_memcpy(b, w.at, sizeof b);
    EACH(sum.at[i] + a[4 * i] * b[4 * i] + a[4 * i + 1] * b[4 * i + 1] +
         a[4 * i + 2] * b[4 * i + 2] + a[4 * i + 3] * b[4 * i + 3]);
}
#endif
INLINE vi narrow_dot(vi sum, vi x, vi w) { return dot(sum, x, w); }
INLINE void put(uint8_t *p, vi a)
{
    for (int i = 0; i < LANES; i++)
        p[i] = (uint8_t)(a.at[i] < 0 ? 0 : a.at[i] > 255 ? 255 : a.at[i]);
}
INLINE void put_pair(uint8_t *p, vi a, vi b)
{
    put(p, a);
    put(p + LANES, b);
}
INLINE void put_group(uint8_t *p, vi a, vi b, vi c, vi d)
{
    put(p, a);
    put(p + LANES, b);
    put(p + 2 * LANES, c);
    put(p + 3 * LANES, d);
}
INLINE vi words(vi a, vi b) /* four of each, block by block */
{
    int16_t both[2 * LANES];
    vi v;
    for (int i = 0; i < 2 * LANES; i++) {
        const int32_t x = (i / 4 % 2 ? b : a).at[4 * (i / 8) + i % 4];
        both[i] = (int16_t)(x < 0 ? 0 : x > 255 ? 255 : x);
    }
    __builtin_memcpy(v.at, both, sizeof v.at);
    return v;
}
INLINE vi joined(vi low, vi high)
{
    int16_t halves[2][2 * LANES];
    uint8_t found[4 * LANES];
    vi v;
    __builtin_memcpy(halves[0], low.at, sizeof halves[0]);
    __builtin_memcpy(halves[1], high.at, sizeof halves[1]);
    for (int i = 0; i < 4 * LANES; i++)
        found[i] = (uint8_t)halves[i / 8 % 2][8 * (i / 16) + i % 8];
    __builtin_memcpy(v.at, found, sizeof v.at);
    return v;
}
INLINE void columns(vi c[2], int half, vi r0, vi r1, vi r2, vi r3)
{
    const vi *const rows[4] = {&r0, &r1, &r2, &r3};
    uint8_t read[4][4 * LANES], quads[4];
    for (int v = 0; v < 4; v++)
        __builtin_memcpy(read[v], rows[v]->at, sizeof read[v]);
    for (int j = 0; j < 2; j++)
        for (int i = 0; i < LANES; i++) {
            for (int v = 0; v < 4; v++)
                quads[v] = read[v][16 * (i / 4) + 8 * half + 4 * j + i % 4];
            c[j].at[i] = four(quads);
        }
}
#undef EACH
