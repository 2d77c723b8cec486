/* Where are a group's bytes, if several pixels share a group?  In so many pieces, which lie apart.
 *
 * Included by bytes.h.  gathered takes what a group holds from there, scattered puts it there.
 */
#ifndef SPINDLE_PIECES_H
#define SPINDLE_PIECES_H

#if defined(__AVX512BW__) && !defined(SPINDLE_PLAIN)

INLINE vi gathered(const uint8_t *p, int pieces, int apart)
{
    if (pieces == 1 || pieces * apart == sizeof(vi))
        return whole(p);
    if (pieces == 2) {
        const __m512i low = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)p));
        return _mm512_inserti64x4(low, _mm256_loadu_si256((const __m256i *)(p + apart)), 1);
    }
    vi all = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)p));
    all = _mm512_inserti32x4(all, _mm_loadu_si128((const __m128i *)(p + apart)), 1);
    all = _mm512_inserti32x4(all, _mm_loadu_si128((const __m128i *)(p + 2 * apart)), 2);
    return _mm512_inserti32x4(all, _mm_loadu_si128((const __m128i *)(p + 3 * apart)), 3);
}
INLINE void scattered(uint8_t *p, vi v, int pieces, int apart)
{
    if (pieces == 1 || pieces * apart == sizeof(vi)) {
        keep(p, v);
    } else if (pieces == 2) {
        _mm256_storeu_si256((__m256i *)p, _mm512_castsi512_si256(v));
        _mm256_storeu_si256((__m256i *)(p + apart), _mm512_extracti64x4_epi64(v, 1));
    } else {
        _mm_storeu_si128((__m128i *)p, _mm512_castsi512_si128(v));
        _mm_storeu_si128((__m128i *)(p + apart), _mm512_extracti32x4_epi32(v, 1));
        _mm_storeu_si128((__m128i *)(p + 2 * apart), _mm512_extracti32x4_epi32(v, 2));
        _mm_storeu_si128((__m128i *)(p + 3 * apart), _mm512_extracti32x4_epi32(v, 3));
    }
}

#elif defined(__AVX2__) && defined(__FMA__) && !defined(__AVX512F__) && !defined(SPINDLE_PLAIN)

INLINE vi gathered(const uint8_t *p, int pieces, int apart)
{
    if (pieces == 1 || pieces * apart == sizeof(vi))
        return whole(p);
    if (pieces == 2)
        return _mm256_loadu2_m128i((const __m128i *)(p + apart), (const __m128i *)p);
    int64_t each[4];
    for (int i = 0; i < 4; i++)
        __builtin_memcpy(each + i, p + i * apart, 8);
    return _mm256_setr_epi64x(each[0], each[1], each[2], each[3]);
}
INLINE void scattered(uint8_t *p, vi v, int pieces, int apart)
{
    if (pieces == 1 || pieces * apart == sizeof(vi)) {
        keep(p, v);
    } else if (pieces == 2) {
        _mm256_storeu2_m128i((__m128i *)(p + apart), (__m128i *)p, v);
    } else {
        const __m128i low = _mm256_castsi256_si128(v), high = _mm256_extracti128_si256(v, 1);
        _mm_storel_epi64((__m128i *)p, low);
        _mm_storel_epi64((__m128i *)(p + apart), _mm_unpackhi_epi64(low, low));
        _mm_storel_epi64((__m128i *)(p + 2 * apart), high);
        _mm_storel_epi64((__m128i *)(p + 3 * apart), _mm_unpackhi_epi64(high, high));
    }
}

#else

INLINE vi gathered(const uint8_t *p, int pieces, int apart)
{
    uint8_t all[sizeof(vi)];
    const int size = (int)sizeof(vi) / pieces;
    for (int i = 0; i < pieces; i++)
        __builtin_memcpy(all + i * size, p + i * apart, (size_t)size);
    return whole(all);
}
INLINE void scattered(uint8_t *p, vi v, int pieces, int apart)
{
    uint8_t all[sizeof(vi)];
    const int size = (int)sizeof(vi) / pieces;
    keep(all, v);
    for (int i = 0; i < pieces; i++)
        __builtin_memcpy(p + i * apart, all + i * size, (size_t)size);
}

#endif

#endif
