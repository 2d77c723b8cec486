/* How does a picture of any size become the network's, to the bit?  As compiler/fitting.py says it.
 *
 * Each axis is resampled on its own, with weights of 22 bits behind the point, and rounded to bytes
 * between the two.  Columns usually come first: old rows are brought to the new width one by one,
 * and a ring keeps those that the next new row still sees.  Where many rows are lost, rows come
 * first, and nothing need be kept.  Doubles must not be contracted: -ffp-contract=off.
 */
#ifndef SPINDLE_PICTURE_H
#define SPINDLE_PICTURE_H

#include <stddef.h>
#include <stdint.h>

enum { fit_stretch, fit_crop, fit_pad };
enum { fit_done = 0, fit_refused = 1 };

struct fit {
    int width, height; /* the network's */
    int fit;
    double fraction; /* of the middle, when cropped */
    int bicubic;     /* or else bilinear */
    uint8_t fill[3]; /* the colour beside the picture, when padded */
};

enum { longest_side = 65535, weight_bits = 22, half_weight = 1 << (weight_bits - 1), beyond = 64 };

/* One axis: new pixel n lies at start + (n + 1/2) * scale among the old, and sees `taps` of them. */
struct axis {
    double start, scale, spread, reach;
    int old, made, taps, bicubic;
};

struct fitting {
    struct axis across, down;
    int rows_first, same;
    size_t line, pitch; /* bytes of an old row, and of a row of the new width, with some to spare */
    size_t weights, seen, froms, rows, lines, ring, size; /* where each lies in the scratch memory */
};

static inline struct axis fit_axis(int old, double start, double end, int made, int bicubic)
{
    const float from = (float)start, to = (float)end, length = to - from; /* as Pillow has them */
    struct axis axis = {.start = from, .scale = (double)length / made, .old = old, .made = made};
    axis.bicubic = bicubic;
    axis.spread = axis.scale < 1.0 ? 1.0 : axis.scale;
    axis.reach = (bicubic ? 2.0 : 1.0) * axis.spread;
    const double most = 2.0 * axis.reach + 1e-6;
    axis.taps = most < old ? (int)most + 1 : old;
    return axis;
}

static inline double fit_kernel(double away, int bicubic) /* a tent, or Keys' cubic */
{
    away = away < 0 ? -away : away;
    if (!bicubic)
        return away < 1 ? 1.0 - away : 0.0;
    if (away < 1)
        return (1.5 * away - 2.5) * away * away + 1;
    return away < 2 ? (((away - 5) * away + 8) * away - 4) * -0.5 : 0.0;
}

/* The weights of one new pixel, and the first old one they stand for; all of them lie inside. */
static inline int fit_weigh(const struct axis *axis, int place, int32_t *weight)
{
    const double centre = axis->start + (place + 0.5) * axis->scale, narrow = 1 / axis->spread;
    int first = (int)(centre - axis->reach + 0.5), after = (int)(centre + axis->reach + 0.5);
    first = first < 0 ? 0 : first;
    after = after > axis->old ? axis->old : after;
    double sum = 0;
    for (int i = first; i < after; i++)
        sum += fit_kernel((i - centre + 0.5) * narrow, axis->bicubic);
    const int from = first < axis->old - axis->taps ? first : axis->old - axis->taps;
    for (int t = 0; t < axis->taps; t++) {
        const int i = from + t;
        weight[t] = 0;
        if (i >= first && i < after) {
            const double share = fit_kernel((i - centre + 0.5) * narrow, axis->bicubic) / sum;
            const double fixed = share * (1 << weight_bits);
            weight[t] = (int32_t)(fixed + (fixed < 0 ? -0.5 : 0.5));
        }
    }
    return from;
}

static inline int fit_rounded(double x) /* half to even; x is not negative, and small */
{
    const int whole = (int)x;
    const double rest = x - whole;
    return whole + (rest > 0.5 || (rest == 0.5 && whole % 2));
}

/* What part of which picture becomes what; or a refusal. */
static inline int fit_plan(const struct fit *how, int width, int height, struct fitting *plan)
{
    if (width < 1 || height < 1 || how->width < 1 || how->height < 1 || width > longest_side ||
        height > longest_side || how->width > longest_side || how->height > longest_side)
        return fit_refused;
    if (how->fit < fit_stretch || how->fit > fit_pad || !(how->fraction > 0 && how->fraction <= 1))
        return fit_refused;
    const double wide = (double)width / how->width, high = (double)height / how->height;
    double across = 1, down = 1; /* the shares of the sides that are seen */
    int made[2] = {how->width, how->height};
    if (how->fit == fit_crop) {
        const double side = (wide < high ? wide : high) * how->fraction;
        across = side * how->width / width, down = side * how->height / height;
        across = across < 1 ? across : 1, down = down < 1 ? down : 1;
    } else if (how->fit == fit_pad) {
        const double x = (double)how->width / width, y = (double)how->height / height;
        const double scale = x < y ? x : y;
        const int inner[2] = {fit_rounded(width * scale), fit_rounded(height * scale)};
        for (int i = 0; i < 2; i++)
            made[i] = inner[i] < 1 ? 1 : inner[i] < made[i] ? inner[i] : made[i];
    }
    const double left = (1 - across) / 2, top = (1 - down) / 2;
    const double right = left + across, bottom = top + down;
    plan->across = fit_axis(width, left * width, (right < 1 ? right : 1) * width, made[0],
                            how->bicubic);
    plan->down = fit_axis(height, top * height, (bottom < 1 ? bottom : 1) * height, made[1],
                          how->bicubic);
    const int lost[2] = {width - made[0], height - made[1]};
    plan->rows_first = lost[1] > (lost[0] > 0 ? 2 * lost[0] : 0);
    plan->same = lost[0] == 0 && lost[1] == 0 && across >= 1 && down >= 1 &&
                 made[0] == how->width && made[1] == how->height;

    plan->line = (size_t)width * 3;
    plan->pitch = ((size_t)made[0] * 3 / beyond + 2) * beyond;
    const uint64_t kept = plan->rows_first ? 0 : (uint64_t)plan->down.taps;
    const uint64_t most = UINT64_C(1) << (sizeof(size_t) * 8 - 2); /* no size below wraps */
    const uint64_t taps = (uint64_t)plan->across.taps * (uint64_t)made[0];
    if (kept * plan->pitch > most / 2 || (uint64_t)width * (uint64_t)height * 3 > most ||
        (uint64_t)how->width * (uint64_t)how->height * 3 > most)
        return fit_refused;
    plan->weights = 0; /* of all new columns; then of one new row */
    plan->seen = plan->weights + ((size_t)taps / 16 + 1) * beyond;
    plan->froms = plan->seen + ((size_t)plan->down.taps / 16 + 1) * beyond;
    plan->rows = plan->froms + ((size_t)made[0] / 16 + 1) * beyond;
    plan->lines = plan->rows + ((size_t)plan->down.taps * sizeof(void *) / beyond + 1) * beyond;
    plan->ring = plan->lines + (plan->line / beyond + 2) * beyond;
    plan->size = plan->ring + (size_t)kept * plan->pitch;
    return fit_done;
}

/* Bytes of scratch memory for pictures of this size, to be 64-byte aligned; 0 where refused. */
static inline size_t fit_scratch(const struct fit *how, int width, int height)
{
    struct fitting plan;
    return fit_plan(how, width, height, &plan) == fit_done ? plan.size : 0;
}

typedef int32_t fit_four __attribute__((vector_size(16))); /* a pixel, and a lane to spare */
typedef uint8_t fit_bytes __attribute__((vector_size(4)));

static inline fit_four fit_pixel(const uint8_t *from)
{
#ifdef __clang__
    fit_bytes pixel;
    __builtin_memcpy(&pixel, from, sizeof pixel);
    return __builtin_convertvector(pixel, fit_four);
#else /* gcc takes the bytes one by one, if asked like that */
    int32_t pixel;
    __builtin_memcpy(&pixel, from, sizeof pixel);
    const fit_four all = {pixel, pixel, pixel, pixel}, shift = {0, 8, 16, 24};
    return (all >> shift) & 255;
#endif
}

/* A row at the new width.  Reads one byte beyond its pixels. */
static inline void fit_across(const struct axis *axis, const int32_t *froms, const int32_t *weights,
                              const uint8_t *row, uint8_t *out)
{
    const int taps = axis->taps;
    for (int x = 0; x < axis->made; x++, out += 3, weights += taps) {
        const uint8_t *from = row + (ptrdiff_t)froms[x] * 3;
        fit_four sum = {half_weight, half_weight, half_weight, half_weight};
        for (int t = 0; t < taps; t++)
            sum += fit_pixel(from + 3 * t) * weights[t];
        sum >>= weight_bits;
        sum &= ~(sum >> 31);
        sum |= (255 - sum) >> 31; /* all ones above 255 */
        for (int i = 0; i < 3; i++)
            out[i] = (uint8_t)sum[i];
    }
}

static inline uint8_t fit_byte(int32_t sum)
{
    sum >>= weight_bits;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

/* Many rows as one. */
static inline void fit_down(int taps, const int32_t *weights, const uint8_t *const *rows,
                            size_t length, uint8_t *restrict out)
{
    enum { some = 32 };
    size_t x = 0;
    for (; x + some <= length; x += some) {
        int32_t sum[some];
        for (int i = 0; i < some; i++)
            sum[i] = half_weight;
        for (int t = 0; t < taps; t++) {
            const uint8_t *row = rows[t] + x;
            const int32_t weight = weights[t];
            for (int i = 0; i < some; i++)
                sum[i] += row[i] * weight;
        }
        for (int i = 0; i < some; i++)
            out[x + (size_t)i] = fit_byte(sum[i]);
    }
    for (; x < length; x++) {
        int32_t sum = half_weight;
        for (int t = 0; t < taps; t++)
            sum += rows[t][x] * weights[t];
        out[x] = fit_byte(sum);
    }
}

/* New rows `start` to `end` of a picture (width x height x 3), with scratch memory of their own. */
static inline int fit_part(const struct fit *how, const uint8_t *rgb, int width, int height,
                           uint8_t *out, void *scratch, int start, int end)
{
    struct fitting plan;
    if (fit_plan(how, width, height, &plan) != fit_done || start < 0 || end > how->height)
        return fit_refused;
    const size_t line = plan.line, whole = (size_t)how->width * 3;
    if (plan.same) {
        if (start < end)
            __builtin_memcpy(out + (size_t)start * whole, rgb + (size_t)start * whole,
                             (size_t)(end - start) * whole);
        return fit_done;
    }
    uint8_t *base = scratch, *spare = base + plan.lines, *ring = base + plan.ring;
    int32_t *weights = (int32_t *)(base + plan.weights), *seen = (int32_t *)(base + plan.seen);
    int32_t *froms = (int32_t *)(base + plan.froms);
    const uint8_t **rows = (const uint8_t **)(base + plan.rows);
    const int inner = plan.down.made < end ? plan.down.made : end, taps = plan.down.taps;
    const size_t made = (size_t)plan.across.made * 3;

    for (int x = 0; x < plan.across.made; x++)
        froms[x] = fit_weigh(&plan.across, x, weights + (size_t)x * (size_t)plan.across.taps);
    for (int y = start, done = 0; y < inner; y++) {
        const int from = fit_weigh(&plan.down, y, seen);
        uint8_t *to = out + (size_t)y * whole;
        if (plan.rows_first) {
            for (int t = 0; t < taps; t++)
                rows[t] = rgb + (size_t)(from + t) * line;
            fit_down(taps, seen, rows, line, spare);
            fit_across(&plan.across, froms, weights, spare, to);
            continue;
        }
        for (done = done < from ? from : done; done < from + taps; done++) {
            const uint8_t *row = rgb + (size_t)done * line;
            if (done == height - 1) /* beyond which nothing may be read */
                row = __builtin_memcpy(spare, row, line);
            fit_across(&plan.across, froms, weights, row, ring + (size_t)(done % taps) * plan.pitch);
        }
        for (int t = 0; t < taps; t++)
            rows[t] = ring + (size_t)((from + t) % taps) * plan.pitch;
        fit_down(taps, seen, rows, made, to);
    }
    for (int y = start; y < end; y++)
        for (size_t x = y < inner ? made : 0; x < whole; x++)
            out[(size_t)y * whole + x] = how->fill[x % 3];
    return fit_done;
}

/* A picture of any size at the network's size. */
static inline int fit_picture(const struct fit *how, const uint8_t *rgb, int width, int height,
                              uint8_t *out, void *scratch)
{
    return fit_part(how, rgb, width, height, out, scratch, 0, how->height);
}

#endif
