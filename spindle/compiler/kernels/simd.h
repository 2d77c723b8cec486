/* What is a vector here?  But for bytes.h, pieces.h and brief.h nothing else names an
 * instruction set.
 *
 * vf is a vector of LANES floats; load and store want no alignment.
 *
 * SPINDLE_PLAIN asks for plain C where the machine could do better.
 */
#ifndef SPINDLE_SIMD_H
#define SPINDLE_SIMD_H

#include <stddef.h>
#include <stdint.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the weights are little-endian, this machine is not"
#endif

#define INLINE static inline __attribute__((always_inline, unused))

#if defined(__AVX512F__) && !defined(SPINDLE_PLAIN)

#include <immintrin.h>
#define LANES 16
typedef __m512 vf;
INLINE vf load(const float *p) { return _mm512_loadu_ps(p); }
INLINE void store(float *p, vf v) { _mm512_storeu_ps(p, v); }
INLINE vf all(float x) { return _mm512_set1_ps(x); }
INLINE vf madd(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
#define HALVES
INLINE vf half_madd(vf a, vf b, vf c) /* of the first half, with nothing in the other */
{
    return _mm512_zextps256_ps512(_mm256_fmadd_ps(
        _mm512_castps512_ps256(a), _mm512_castps512_ps256(b), _mm512_castps512_ps256(c)));
}
INLINE vf add(vf a, vf b) { return _mm512_add_ps(a, b); }
INLINE vf sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
INLINE vf mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
INLINE vf over(vf a, vf b) { return _mm512_div_ps(a, b); }
INLINE vf most(vf a, vf b) { return _mm512_max_ps(a, b); }
INLINE vf least(vf a, vf b) { return _mm512_min_ps(a, b); }
INLINE vf above(vf a, vf b, vf yes, vf no) /* yes where a > b, or else no */
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), no, yes);
}
INLINE int first_same(vf a, vf b) /* the first lane that is equal in both, or LANES */
{
    return __builtin_ctz((unsigned)_mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ) | 1u << LANES);
}
INLINE vf around(vf a, int n) /* each lane takes that n beyond it */
{
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return _mm512_permutexvar_ps(_mm512_add_epi32(lane, _mm512_set1_epi32(n)), a);
}
INLINE vf nearest(vf a) /* of what 32 bits hold: gcc's macro for the rest fails -Wconversion */
{
    return _mm512_cvtepi32_ps(_mm512_cvtps_epi32(a));
}
INLINE vf two_to(vf n) /* 2 to a whole power, -126 to 127 */
{
    return _mm512_castsi512_ps(
        _mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23));
}
INLINE vf bytes(const uint8_t *p) /* LANES bytes as floats */
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)));
}

#elif defined(__AVX2__) && defined(__FMA__) && !defined(SPINDLE_PLAIN)

#include <immintrin.h>
#define LANES 8
typedef __m256 vf;
INLINE vf load(const float *p) { return _mm256_loadu_ps(p); }
INLINE void store(float *p, vf v) { _mm256_storeu_ps(p, v); }
INLINE vf all(float x) { return _mm256_set1_ps(x); }
INLINE vf madd(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
INLINE vf add(vf a, vf b) { return _mm256_add_ps(a, b); }
INLINE vf sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
INLINE vf mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
INLINE vf over(vf a, vf b) { return _mm256_div_ps(a, b); }
INLINE vf most(vf a, vf b) { return _mm256_max_ps(a, b); }
INLINE vf least(vf a, vf b) { return _mm256_min_ps(a, b); }
INLINE vf above(vf a, vf b, vf yes, vf no)
{
    return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_GT_OQ));
}
INLINE int first_same(vf a, vf b)
{
    return __builtin_ctz((unsigned)_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_EQ_OQ)) | 1u << LANES);
}
INLINE vf around(vf a, int n)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_permutevar8x32_ps(a, _mm256_add_epi32(lane, _mm256_set1_epi32(n)));
}
INLINE vf nearest(vf a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
INLINE vf two_to(vf n)
{
    return _mm256_castsi256_ps(
        _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}
INLINE vf bytes(const uint8_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}

#elif defined(__aarch64__) && !defined(SPINDLE_PLAIN)

#include <arm_neon.h>
#define LANES 4
typedef float32x4_t vf;
INLINE vf load(const float *p) { return vld1q_f32(p); }
INLINE void store(float *p, vf v) { vst1q_f32(p, v); }
INLINE vf all(float x) { return vdupq_n_f32(x); }
INLINE vf madd(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }
INLINE vf add(vf a, vf b) { return vaddq_f32(a, b); }
INLINE vf sub(vf a, vf b) { return vsubq_f32(a, b); }
INLINE vf mul(vf a, vf b) { return vmulq_f32(a, b); }
INLINE vf over(vf a, vf b) { return vdivq_f32(a, b); }
INLINE vf most(vf a, vf b) { return vmaxq_f32(a, b); }
INLINE vf least(vf a, vf b) { return vminq_f32(a, b); }
INLINE vf above(vf a, vf b, vf yes, vf no) { return vbslq_f32(vcgtq_f32(a, b), yes, no); }
INLINE int first_same(vf a, vf b)
{
    const uint64_t lanes = vget_lane_u64(vreinterpret_u64_u16(vmovn_u32(vceqq_f32(a, b))), 0);
    return lanes ? __builtin_ctzll(lanes) / 16 : LANES;
}
INLINE vf around(vf a, int n) { return n == 2 ? vextq_f32(a, a, 2) : vextq_f32(a, a, 1); }
INLINE vf nearest(vf a) { return vrndnq_f32(a); }
INLINE vf two_to(vf n)
{
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127)), 23));
}
INLINE vf bytes(const uint8_t *p)
{
    uint32_t four;
    __builtin_memcpy(&four, p, sizeof four);
    const uint16x8_t wide = vmovl_u8(vcreate_u8(four));
    return vcvtq_f32_u32(vmovl_u16(vget_low_u16(wide)));
}

#elif defined(__wasm_simd128__) && !defined(SPINDLE_PLAIN)

#include <wasm_simd128.h>
#define LANES 4
typedef v128_t vf;
INLINE vf load(const float *p) { return wasm_v128_load(p); }
INLINE void store(float *p, vf v) { wasm_v128_store(p, v); }
INLINE vf all(float x) { return wasm_f32x4_splat(x); }
#ifdef __wasm_relaxed_simd__
INLINE vf madd(vf a, vf b, vf c) { return wasm_f32x4_relaxed_madd(a, b, c); }
#else
INLINE vf madd(vf a, vf b, vf c) { return wasm_f32x4_add(wasm_f32x4_mul(a, b), c); }
#endif
INLINE vf add(vf a, vf b) { return wasm_f32x4_add(a, b); }
INLINE vf sub(vf a, vf b) { return wasm_f32x4_sub(a, b); }
INLINE vf mul(vf a, vf b) { return wasm_f32x4_mul(a, b); }
INLINE vf over(vf a, vf b) { return wasm_f32x4_div(a, b); }
INLINE vf most(vf a, vf b) { return wasm_f32x4_pmax(b, a); }
INLINE vf least(vf a, vf b) { return wasm_f32x4_pmin(b, a); }
INLINE vf above(vf a, vf b, vf yes, vf no)
{
    return wasm_v128_bitselect(yes, no, wasm_f32x4_gt(a, b));
}
INLINE int first_same(vf a, vf b)
{
    return __builtin_ctz((unsigned)wasm_i32x4_bitmask(wasm_f32x4_eq(a, b)) | 1u << LANES);
}
INLINE vf around(vf a, int n)
{
    return n == 2 ? wasm_i32x4_shuffle(a, a, 2, 3, 0, 1) : wasm_i32x4_shuffle(a, a, 1, 2, 3, 0);
}
INLINE vf nearest(vf a) { return wasm_f32x4_nearest(a); }
INLINE vf two_to(vf n)
{
    return wasm_i32x4_shl(wasm_i32x4_add(wasm_i32x4_trunc_sat_f32x4(n), wasm_i32x4_splat(127)), 23);
}
INLINE vf bytes(const uint8_t *p)
{
    return wasm_f32x4_convert_i32x4(
        wasm_u32x4_extend_low_u16x8(wasm_u16x8_extend_low_u8x16(wasm_v128_load32_zero(p))));
}

#else /* plain C: as many lanes as most machines have, for a compiler to make of what it can */

#define LANES 4
typedef struct {
    float at[LANES];
} vf;
#define EACH(expression)                                                                           \
    vf v;                                                                                          \
    for (int i = 0; i < LANES; i++)                                                                \
        v.at[i] = (expression);                                                                    \
    return v
INLINE vf load(const float *p) { EACH(p[i]); }
INLINE void store(float *p, vf v) { __builtin_memcpy(p, v.at, sizeof v.at); }
INLINE vf all(float x) { EACH(x); }
INLINE vf madd(vf a, vf b, vf c) { EACH(a.at[i] * b.at[i] + c.at[i]); }
INLINE vf add(vf a, vf b) { EACH(a.at[i] + b.at[i]); }
INLINE vf sub(vf a, vf b) { EACH(a.at[i] - b.at[i]); }
INLINE vf mul(vf a, vf b) { EACH(a.at[i] * b.at[i]); }
INLINE vf over(vf a, vf b) { EACH(a.at[i] / b.at[i]); }
INLINE vf most(vf a, vf b) { EACH(a.at[i] > b.at[i] ? a.at[i] : b.at[i]); }
INLINE vf least(vf a, vf b) { EACH(a.at[i] < b.at[i] ? a.at[i] : b.at[i]); }
INLINE vf above(vf a, vf b, vf yes, vf no) { EACH(a.at[i] > b.at[i] ? yes.at[i] : no.at[i]); }
INLINE int first_same(vf a, vf b)
{
    int i = 0;
    while (i < LANES && a.at[i] != b.at[i])
        i++;
    return i;
}
INLINE vf around(vf a, int n) { EACH(a.at[(i + n) % LANES]); }
INLINE float nearest_of(float x) /* to even, as all machines round, for sums below 2^22 */
{
    const float shift = x < 0 ? -12582912.0f : 12582912.0f;
    volatile float moved = x + shift;
    return moved - shift;
}
INLINE vf nearest(vf a) { EACH(nearest_of(a.at[i])); }
INLINE float two_to_of(float n)
{
    const int32_t bits = ((int32_t)n + 127) << 23;
    float x;
    __builtin_memcpy(&x, &bits, sizeof x);
    return x;
}
INLINE vf two_to(vf n) { EACH(two_to_of(n.at[i])); }
INLINE vf bytes(const uint8_t *p) { EACH((float)p[i]); }
#undef EACH

#endif

#ifndef HALVES
#define half_madd madd
#endif
INLINE vf zeros(void) { return all(0.0f); }

#endif
