/* AVX-512, VNNI and BF16 for a machine without: SIMDe says in plain C what each instruction does.
 *
 * The few that its 0.7.4 lacks, or names wrongly, are put together of its own for half as many lanes.
 */
#ifndef SPINDLE_TESTS_IMMINTRIN_H
#define SPINDLE_TESTS_IMMINTRIN_H

#define SIMDE_NO_NATIVE
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#ifndef _MM_FROUND_NO_EXC
#define _MM_FROUND_NO_EXC SIMDE_MM_FROUND_NO_EXC
#endif
#undef _mm512_madd_epi16
#define _mm512_madd_epi16 simde_mm512_madd_epi16
#define _mm256_dpbusd_avx_epi32 simde_mm256_dpbusd_epi32

typedef union {
    __m512 numbers;
    __m512i words;
    __m256 half[2];
    __m256i halves[2];
    int32_t at[16];
    uint16_t brief[32];
} Lanes;

static inline __m512i _mm512_cvtps_epi32(__m512 a)
{
    const Lanes x = {.numbers = a};
    return (Lanes){.halves = {_mm256_cvtps_epi32(x.half[0]), _mm256_cvtps_epi32(x.half[1])}}.words;
}

static inline __m512 _mm512_cvtepi32_ps(__m512i a)
{
    const Lanes x = {.words = a};
    return (Lanes){.half = {_mm256_cvtepi32_ps(x.halves[0]), _mm256_cvtepi32_ps(x.halves[1])}}.numbers;
}

static inline __m512 _mm512_zextps256_ps512(__m256 a)
{
    return (Lanes){.half = {a, _mm256_setzero_ps()}}.numbers;
}

static inline __m512i _mm512_cvtepu8_epi32(__m128i a)
{
    const __m256i low = _mm256_cvtepu8_epi32(a), high = _mm256_cvtepu8_epi32(_mm_srli_si128(a, 8));
    return (Lanes){.halves = {low, high}}.words;
}

static inline __m128i _mm512_cvtusepi32_epi8(__m512i a) /* of no sign: whatever is larger is 255 */
{
    const Lanes x = {.words = _mm512_min_epu32(a, _mm512_set1_epi32(255))};
    uint8_t bytes[16];
    for (int i = 0; i < 16; i++)
        bytes[i] = (uint8_t)x.at[i];
    return _mm_loadu_si128((const __m128i *)bytes);
}

static inline __m512i _mm512_cvtepu16_epi32(__m256i a)
{
    const Lanes x = {.halves = {a, a}};
    Lanes y;
    for (int i = 0; i < 16; i++)
        y.at[i] = x.brief[i];
    return y.words;
}

static inline __m256i _mm512_cvtepi32_epi16(__m512i a)
{
    const Lanes x = {.words = a};
    Lanes y;
    for (int i = 0; i < 16; i++)
        y.brief[i] = (uint16_t)x.at[i];
    return y.halves[0];
}

static inline __m256i _mm512_cvtneps_pbh(__m512 a)
{
    const Lanes x = {.numbers = a};
    Lanes y;
    for (int i = 0; i < 16; i++) {
        const uint32_t bits = (uint32_t)x.at[i];
        y.brief[i] = (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    }
    return y.halves[0];
}

#endif
