/* What is a number of 16 bits here?
 *
 * But for simd.h, bytes.h and pieces.h nothing else names an instruction set.
 *
 * A brief is a bfloat16: the upper half of a float, rounded to nearest even.  Two that follow each
 * other are a pair, which travels as one float does: a vf then holds LANES pairs, and madd_brief
 * adds both products of each.  Without an instruction for that, pairs are taken in two parts, each
 * of them floats, which is as right and slower than floats are.
 */
#ifndef SPINDLE_BRIEF_H
#define SPINDLE_BRIEF_H

#include "simd.h"

typedef uint16_t brief;

#if defined(__AVX512F__) && !defined(SPINDLE_PLAIN)

INLINE vf former(vf pairs)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(pairs), 16));
}
INLINE vf latter(vf pairs)
{
    return _mm512_castsi512_ps(
        _mm512_and_si512(_mm512_castps_si512(pairs), _mm512_set1_epi32((int)0xffff0000)));
}
INLINE vf load_brief(const brief *p)
{
    const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}
#if defined(__AVX512BF16__)
#define PAIRED
INLINE vf madd_brief(vf a, vf b, vf c)
{
    return _mm512_dpbf16_ps(c, (__m512bh)a, (__m512bh)b);
}
INLINE vf half_madd_brief(vf a, vf b, vf c)
{
    return _mm512_zextps256_ps512(_mm256_dpbf16_ps(_mm512_castps512_ps256(c),
                                                   (__m256bh)_mm512_castps512_ps256(a),
                                                   (__m256bh)_mm512_castps512_ps256(b)));
}
INLINE void store_brief(brief *p, vf v)
{
    _mm256_storeu_si256((__m256i *)p, (__m256i)_mm512_cvtneps_pbh(v));
}
#else
INLINE void store_brief(brief *p, vf v)
{
    const __m512i bits = _mm512_castps_si512(v), one = _mm512_set1_epi32(1);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), one);
    const __m512i more = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
    const __m512i up =
        _mm512_mask_add_epi32(bits, _mm512_cmp_ps_mask(v, v, _CMP_ORD_Q), bits, more);
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(_mm512_srli_epi32(up, 16)));
}
#endif

#elif defined(__AVX2__) && defined(__FMA__) && !defined(SPINDLE_PLAIN)

INLINE vf former(vf pairs)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(pairs), 16));
}
INLINE vf latter(vf pairs)
{
    return _mm256_and_ps(pairs, _mm256_castsi256_ps(_mm256_set1_epi32((int)0xffff0000)));
}
INLINE vf load_brief(const brief *p)
{
    const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}
INLINE void store_brief(brief *p, vf v)
{
    const __m256i bits = _mm256_castps_si256(v), one = _mm256_set1_epi32(1);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), one);
    const __m256i more = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
    const __m256i number = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_ORD_Q));
    const __m256i up = _mm256_add_epi32(bits, _mm256_and_si256(more, number));
    const __m256i upper = _mm256_srli_epi32(up, 16), both = _mm256_packus_epi32(upper, upper);
    const __m256i found = _mm256_permute4x64_epi64(both, 0x08);
    _mm_storeu_si128((__m128i *)p, _mm256_castsi256_si128(found));
}

#elif defined(__aarch64__) && !defined(SPINDLE_PLAIN)

INLINE vf former(vf pairs)
{
    return vreinterpretq_f32_u32(vshlq_n_u32(vreinterpretq_u32_f32(pairs), 16));
}
INLINE vf latter(vf pairs)
{
    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(pairs), vdupq_n_u32(0xffff0000)));
}
INLINE vf load_brief(const brief *p)
{
    uint16x4_t four;
    __builtin_memcpy(&four, p, sizeof four);
    return vreinterpretq_f32_u32(vshll_n_u16(four, 16));
}
#if defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
#define PAIRED
INLINE vf madd_brief(vf a, vf b, vf c) /* each in its place: loads before it would spill the sums */
{
    vf sum = vbfdotq_f32(c, vreinterpretq_bf16_f32(a), vreinterpretq_bf16_f32(b));
    __asm__ volatile("" : "+w"(sum));
    return sum;
}
INLINE void store_brief(brief *p, vf v)
{
    const bfloat16x4_t four = vcvt_bf16_f32(v);
    __builtin_memcpy(p, &four, sizeof four);
}
#else
INLINE void store_brief(brief *p, vf v)
{
    const uint32x4_t bits = vreinterpretq_u32_f32(v), odd = vshrq_n_u32(bits, 16);
    const uint32x4_t more = vaddq_u32(vandq_u32(odd, vdupq_n_u32(1)), vdupq_n_u32(0x7fff));
    const uint32x4_t up = vaddq_u32(bits, vandq_u32(more, vceqq_f32(v, v)));
    const uint16x4_t four = vshrn_n_u32(up, 16);
    __builtin_memcpy(p, &four, sizeof four);
}
#endif

#elif defined(__wasm_simd128__) && !defined(SPINDLE_PLAIN)

INLINE vf former(vf pairs) { return wasm_i32x4_shl(pairs, 16); }
INLINE vf latter(vf pairs) { return wasm_v128_and(pairs, wasm_i32x4_splat((int32_t)0xffff0000)); }
INLINE vf load_brief(const brief *p) { return wasm_i32x4_shl(wasm_u32x4_load16x4(p), 16); }
INLINE void store_brief(brief *p, vf v)
{
    const vf odd = wasm_v128_and(wasm_u32x4_shr(v, 16), wasm_i32x4_splat(1));
    const vf more = wasm_i32x4_add(odd, wasm_i32x4_splat(0x7fff));
    const vf up = wasm_i32x4_add(v, wasm_v128_and(more, wasm_f32x4_eq(v, v)));
    const vf upper = wasm_u32x4_shr(up, 16);
    wasm_v128_store64_lane(p, wasm_u16x8_narrow_i32x4(upper, upper), 0);
}

#else

INLINE float float_of(uint32_t bits)
{
    float x;
    __builtin_memcpy(&x, &bits, sizeof x);
    return x;
}
INLINE uint32_t bits_of(float x)
{
    uint32_t bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    return bits;
}
INLINE vf former(vf pairs)
{
    for (int i = 0; i < LANES; i++)
        pairs.at[i] = float_of(bits_of(pairs.at[i]) << 16);
    return pairs;
}
INLINE vf latter(vf pairs)
{
    for (int i = 0; i < LANES; i++)
        pairs.at[i] = float_of(bits_of(pairs.at[i]) & 0xffff0000);
    return pairs;
}
INLINE vf load_brief(const brief *p)
{
    vf v;
    for (int i = 0; i < LANES; i++)
        v.at[i] = float_of((uint32_t)p[i] << 16);
    return v;
}
INLINE void store_brief(brief *p, vf v)
{
    brief some[LANES];
    for (int i = 0; i < LANES; i++) {
        const uint32_t bits = bits_of(v.at[i]), odd = bits >> 16 & 1;
        some[i] = (brief)((v.at[i] == v.at[i] ? bits + 0x7fff + odd : bits) >> 16);
    }
    __builtin_memcpy(p, some, sizeof some);
}

#endif

#if defined(PAIRED)
#ifndef HALVES
#define half_madd_brief madd_brief
#endif
enum { parts_brief = 1 };
#define part_brief(x, part) (x)
#else /* one after the other: of both at once, registers would not hold the sums */
enum { parts_brief = 2 };
#define part_brief(x, part) ((part) ? latter(x) : former(x))
#define madd_brief madd
#define half_madd_brief half_madd
#endif

#endif
