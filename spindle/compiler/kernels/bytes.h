/* What is a vector of bytes here?
 *
 * But for simd.h, pieces.h and brief.h nothing else names an instruction set.
 *
 * vi is a vector of LANES whole numbers of 32 bits, or of as many quads of bytes: GROUP of them are
 * what a depthwise convolution takes at once.  dot adds to each sum the four products of its quads,
 * unsigned by signed, exactly; narrow_dot does where no two neighbours of a quad's weights come to
 * more than 128 between them.  What was packed for SPINDLE_FLIPPED has quads hold their bytes less
 * 128, and sums begin with 128 times what their weights come to.
 *
 * columns makes quads of the bytes of a column, for half of a group; a filter may use them in PARTS.
 * words and joined go the way back.
 */
#ifndef SPINDLE_BYTES_H
#define SPINDLE_BYTES_H

#include "simd.h"

enum { GROUP = 4 };

INLINE int32_t four(const uint8_t *p)
{
    int32_t x;
    __builtin_memcpy(&x, p, sizeof x);
    return x;
}

#if defined(__AVX512BW__) && !defined(SPINDLE_PLAIN)

typedef __m512i vi;
INLINE vi whole(const void *p) { return _mm512_loadu_si512(p); }
INLINE void keep(void *p, vi v) { _mm512_storeu_si512(p, v); }
INLINE vi nothing(void) { return _mm512_setzero_si512(); }
INLINE vi quad(const uint8_t *p) { return _mm512_set1_epi32(four(p)); }
INLINE vi plus(vi a, vi b) { return _mm512_add_epi32(a, b); }
INLINE vi minus(vi a, vi b) { return _mm512_sub_epi32(a, b); }
INLINE vf floats(vi a) { return _mm512_cvtepi32_ps(a); }
INLINE vi rounded(vf a) { return _mm512_cvtps_epi32(a); }
INLINE vi widened(const uint8_t *p)
{
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
}
#if defined(__AVX512VNNI__)
INLINE vi dot(vi sum, vi x, vi w) { return _mm512_dpbusd_epi32(sum, x, w); }
INLINE vi narrow_dot(vi sum, vi x, vi w) { return dot(sum, x, w); }
#else
INLINE vi dot(vi sum, vi x, vi w)
{
    const vi even = _mm512_madd_epi16(_mm512_and_si512(x, _mm512_set1_epi16(255)),
                                      _mm512_srai_epi16(_mm512_slli_epi16(w, 8), 8));
    const vi odd = _mm512_madd_epi16(_mm512_srli_epi16(x, 8), _mm512_srai_epi16(w, 8));
    return plus(sum, plus(even, odd));
}
INLINE vi narrow_dot(vi sum, vi x, vi w)
{
    return plus(sum, _mm512_madd_epi16(_mm512_maddubs_epi16(x, w), _mm512_set1_epi16(1)));
}
#endif
INLINE void put(uint8_t *p, vi a)
{
    _mm_storeu_si128((__m128i *)p, _mm512_cvtusepi32_epi8(_mm512_max_epi32(a, nothing())));
}
INLINE vi words(vi a, vi b) { return _mm512_packs_epi32(a, b); }
INLINE vi joined(vi low, vi high) { return _mm512_packus_epi16(low, high); }
INLINE void put_group(uint8_t *p, vi a, vi b, vi c, vi d)
{
    const vi lanes = _mm512_packus_epi16(words(a, b), words(c, d));
    const vi order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    keep(p, _mm512_permutexvar_epi32(order, lanes));
}
INLINE void put_pair(uint8_t *p, vi a, vi b)
{
    put(p, a);
    put(p + LANES, b);
}
INLINE void columns(vi c[2], int half, vi r0, vi r1, vi r2, vi r3)
{
    const vi a = half ? _mm512_unpackhi_epi8(r0, r1) : _mm512_unpacklo_epi8(r0, r1);
    const vi b = half ? _mm512_unpackhi_epi8(r2, r3) : _mm512_unpacklo_epi8(r2, r3);
    c[0] = _mm512_unpacklo_epi16(a, b);
    c[1] = _mm512_unpackhi_epi16(a, b);
}

#elif defined(__AVX2__) && defined(__FMA__) && !defined(__AVX512F__) && !defined(SPINDLE_PLAIN)

typedef __m256i vi;
INLINE vi whole(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
INLINE void keep(void *p, vi v) { _mm256_storeu_si256((__m256i *)p, v); }
INLINE vi nothing(void) { return _mm256_setzero_si256(); }
INLINE vi quad(const uint8_t *p) { return _mm256_set1_epi32(four(p)); }
INLINE vi plus(vi a, vi b) { return _mm256_add_epi32(a, b); }
INLINE vi minus(vi a, vi b) { return _mm256_sub_epi32(a, b); }
INLINE vf floats(vi a) { return _mm256_cvtepi32_ps(a); }
INLINE vi rounded(vf a) { return _mm256_cvtps_epi32(a); }
INLINE vi widened(const uint8_t *p)
{
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
}
#if defined(__AVXVNNI__)
INLINE vi dot(vi sum, vi x, vi w) { return _mm256_dpbusd_avx_epi32(sum, x, w); }
INLINE vi narrow_dot(vi sum, vi x, vi w) { return dot(sum, x, w); }
#else
INLINE vi dot(vi sum, vi x, vi w) /* what would saturate, as 16 bits: even bytes and odd ones */
{
    const vi even = _mm256_madd_epi16(_mm256_and_si256(x, _mm256_set1_epi16(255)),
                                      _mm256_srai_epi16(_mm256_slli_epi16(w, 8), 8));
    const vi odd = _mm256_madd_epi16(_mm256_srli_epi16(x, 8), _mm256_srai_epi16(w, 8));
    return plus(sum, plus(even, odd));
}
INLINE vi narrow_dot(vi sum, vi x, vi w)
{
    return plus(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(x, w), _mm256_set1_epi16(1)));
}
#endif
INLINE void put(uint8_t *p, vi a)
{
    const __m128i halves =
        _mm_packs_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    _mm_storel_epi64((__m128i *)p, _mm_packus_epi16(halves, halves));
}
INLINE vi words(vi a, vi b) { return _mm256_packs_epi32(a, b); }
INLINE vi joined(vi low, vi high) { return _mm256_packus_epi16(low, high); }
INLINE void put_group(uint8_t *p, vi a, vi b, vi c, vi d)
{
    const vi lanes = _mm256_packus_epi16(words(a, b), words(c, d));
    keep(p, _mm256_permutevar8x32_epi32(lanes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
}
INLINE void put_pair(uint8_t *p, vi a, vi b)
{
    const vi both = words(a, b), lanes = _mm256_packus_epi16(both, both);
    const vi found = _mm256_permutevar8x32_epi32(lanes, _mm256_setr_epi32(0, 4, 1, 5, 0, 4, 1, 5));
    _mm_storeu_si128((__m128i *)p, _mm256_castsi256_si128(found));
}
INLINE void columns(vi c[2], int half, vi r0, vi r1, vi r2, vi r3)
{
    const vi a = half ? _mm256_unpackhi_epi8(r0, r1) : _mm256_unpacklo_epi8(r0, r1);
    const vi b = half ? _mm256_unpackhi_epi8(r2, r3) : _mm256_unpacklo_epi8(r2, r3);
    c[0] = _mm256_unpacklo_epi16(a, b);
    c[1] = _mm256_unpackhi_epi16(a, b);
}
#define PARTS 2 /* the even bytes of quads and the odd ones, as words */
INLINE void apart(vi words[PARTS], vi quads)
{
    words[0] = _mm256_and_si256(quads, _mm256_set1_epi16(255));
    words[1] = _mm256_srli_epi16(quads, 8);
}
INLINE vi part_dot(vi sum, const vi x[PARTS], const float *w)
{
    const vi even = _mm256_madd_epi16(x[0], whole(w)), odd = _mm256_madd_epi16(x[1], whole(w + LANES));
    return plus(plus(sum, even), odd);
}

#elif defined(__aarch64__) && !defined(SPINDLE_PLAIN)

typedef int32x4_t vi;
INLINE vi whole(const void *p) { return vreinterpretq_s32_u8(vld1q_u8((const uint8_t *)p)); }
INLINE void keep(void *p, vi v) { vst1q_u8((uint8_t *)p, vreinterpretq_u8_s32(v)); }
INLINE vi nothing(void) { return vdupq_n_s32(0); }
#ifdef SPINDLE_FLIPPED
INLINE vi flipped(vi a) { return veorq_s32(a, vdupq_n_s32((int32_t)0x80808080)); }
#else
INLINE vi flipped(vi a) { return a; }
#endif
INLINE vi quad(const uint8_t *p) { return flipped(vdupq_n_s32(four(p))); }
INLINE vi plus(vi a, vi b) { return vaddq_s32(a, b); }
INLINE vi minus(vi a, vi b) { return vsubq_s32(a, b); }
INLINE vf floats(vi a) { return vcvtq_f32_s32(a); }
INLINE vi rounded(vf a) { return vcvtnq_s32_f32(a); }
INLINE vi widened(const uint8_t *p)
{
    const uint16x8_t wide = vmovl_u8(vcreate_u8((uint32_t)four(p)));
    return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(wide)));
}
INLINE vi dot(vi sum, vi x, vi w)
{
    const int8x16_t b = vreinterpretq_s8_s32(w);
#if !defined(SPINDLE_FLIPPED) && defined(__ARM_FEATURE_MATMUL_INT8)
    return vusdotq_s32(sum, vreinterpretq_u8_s32(x), b);
#elif !defined(SPINDLE_FLIPPED)
    const int16x8_t even = vmulq_s16(vreinterpretq_s16_s32(vandq_s32(x, vdupq_n_s32(0x00FF00FF))),
                                     vshrq_n_s16(vshlq_n_s16(vreinterpretq_s16_s8(b), 8), 8));
    const int16x8_t odd = vmulq_s16(vreinterpretq_s16_u16(vshrq_n_u16(vreinterpretq_u16_s32(x), 8)),
                                    vshrq_n_s16(vreinterpretq_s16_s8(b), 8));
    return vpadalq_s16(vpadalq_s16(sum, even), odd);
#elif defined(__ARM_FEATURE_DOTPROD)
    return vdotq_s32(sum, vreinterpretq_s8_s32(x), b);
#else
    const int8x16_t a = vreinterpretq_s8_s32(x);
    const vi low = vpaddlq_s16(vmull_s8(vget_low_s8(a), vget_low_s8(b)));
    const vi high = vpaddlq_s16(vmull_s8(vget_high_s8(a), vget_high_s8(b)));
    return plus(sum, vpaddq_s32(low, high));
#endif
}
INLINE vi narrow_dot(vi sum, vi x, vi w) { return dot(sum, x, w); }
INLINE void put(uint8_t *p, vi a)
{
    const int16x4_t words = vqmovn_s32(a);
    const uint8x8_t all_of_it = vqmovun_s16(vcombine_s16(words, words));
    __builtin_memcpy(p, &all_of_it, 4);
}
INLINE vi words(vi a, vi b)
{
    return vreinterpretq_s32_s16(vcombine_s16(vqmovn_s32(a), vqmovn_s32(b)));
}
INLINE vi joined(vi low, vi high)
{
    return vreinterpretq_s32_u8(vcombine_u8(vqmovun_s16(vreinterpretq_s16_s32(low)),
                                            vqmovun_s16(vreinterpretq_s16_s32(high))));
}
INLINE void put_group(uint8_t *p, vi a, vi b, vi c, vi d)
{
    keep(p, joined(words(a, b), words(c, d)));
}
INLINE void put_pair(uint8_t *p, vi a, vi b)
{
    vst1_u8(p, vqmovun_s16(vreinterpretq_s16_s32(words(a, b))));
}
INLINE void columns(vi c[2], int half, vi r0, vi r1, vi r2, vi r3)
{
    const uint8x16x2_t one = vzipq_u8(vreinterpretq_u8_s32(r0), vreinterpretq_u8_s32(r1));
    const uint8x16x2_t two = vzipq_u8(vreinterpretq_u8_s32(r2), vreinterpretq_u8_s32(r3));
    const uint16x8x2_t both =
        vzipq_u16(vreinterpretq_u16_u8(one.val[half]), vreinterpretq_u16_u8(two.val[half]));
    c[0] = flipped(vreinterpretq_s32_u16(both.val[0]));
    c[1] = flipped(vreinterpretq_s32_u16(both.val[1]));
}

#elif defined(__wasm_simd128__) && !defined(SPINDLE_PLAIN)

typedef v128_t vi;
INLINE vi whole(const void *p) { return wasm_v128_load(p); }
INLINE void keep(void *p, vi v) { wasm_v128_store(p, v); }
INLINE vi nothing(void) { return wasm_i32x4_const_splat(0); }
INLINE vi quad(const uint8_t *p) { return wasm_v128_load32_splat(p); }
INLINE vi plus(vi a, vi b) { return wasm_i32x4_add(a, b); }
INLINE vi minus(vi a, vi b) { return wasm_i32x4_sub(a, b); }
INLINE vf floats(vi a) { return wasm_f32x4_convert_i32x4(a); }
INLINE vi rounded(vf a) { return wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_nearest(a)); }
INLINE vi widened(const uint8_t *p)
{
    return wasm_u32x4_extend_low_u16x8(wasm_u16x8_extend_low_u8x16(wasm_v128_load32_zero(p)));
}
INLINE vi dot(vi sum, vi x, vi w)
{
    const vi low =
        wasm_i32x4_dot_i16x8(wasm_u16x8_extend_low_u8x16(x), wasm_i16x8_extend_low_i8x16(w));
    const vi high =
        wasm_i32x4_dot_i16x8(wasm_u16x8_extend_high_u8x16(x), wasm_i16x8_extend_high_i8x16(w));
    return plus(sum, plus(wasm_i32x4_shuffle(low, high, 0, 2, 4, 6),
                          wasm_i32x4_shuffle(low, high, 1, 3, 5, 7)));
}
INLINE vi narrow_dot(vi sum, vi x, vi w) { return dot(sum, x, w); }
INLINE void put(uint8_t *p, vi a)
{
    const vi twice = wasm_i16x8_narrow_i32x4(a, a);
    wasm_v128_store32_lane(p, wasm_u8x16_narrow_i16x8(twice, twice), 0);
}
INLINE vi words(vi a, vi b) { return wasm_i16x8_narrow_i32x4(a, b); }
INLINE vi joined(vi low, vi high) { return wasm_u8x16_narrow_i16x8(low, high); }
INLINE void put_group(uint8_t *p, vi a, vi b, vi c, vi d)
{
    keep(p, joined(words(a, b), words(c, d)));
}
INLINE vi low_bytes(vi a, vi b)
{
    return wasm_i8x16_shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
INLINE vi high_bytes(vi a, vi b)
{
    return wasm_i8x16_shuffle(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
INLINE void put_pair(uint8_t *p, vi a, vi b)
{
    const vi both = words(a, b);
    wasm_v128_store64_lane(p, wasm_u8x16_narrow_i16x8(both, both), 0);
}
INLINE void columns(vi c[2], int half, vi r0, vi r1, vi r2, vi r3)
{
    const vi a = half ? high_bytes(r0, r1) : low_bytes(r0, r1);
    const vi b = half ? high_bytes(r2, r3) : low_bytes(r2, r3);
    c[0] = wasm_i16x8_shuffle(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
    c[1] = wasm_i16x8_shuffle(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

#else

#include "bytes_plain.h"

#endif

#ifndef PARTS
#define PARTS 1
INLINE void apart(vi x[PARTS], vi quads) { x[0] = quads; }
INLINE vi part_dot(vi sum, const vi x[PARTS], const float *w) { return dot(sum, x[0], whole(w)); }
#endif

#include "pieces.h"

#endif
