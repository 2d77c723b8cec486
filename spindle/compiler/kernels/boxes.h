/* How do box deltas and class scores become detections?  As model/boxes.py says it.
 *
 * The chances of each class stand in a row of their own.  Whenever a box is kept, one sweep along
 * its class's row takes out what it hides and finds the best that is left: nothing is sorted, and
 * the time is the same whatever the scores are.
 */
#ifndef SPINDLE_BOXES_H
#define SPINDLE_BOXES_H

#include "answers.h"

struct detector {
    int anchors, classes, most; /* classes with the background, which is class 0 */
    int softmax;                /* or else sigmoid */
    float variances[4], threshold, overlap;
};

enum { sides = 4, planes = 5, tile_lanes = 16 };

/* Floats from one plane to the next: an odd number of cache lines, lest all meet in one set. */
INLINE size_t detect_pitch(const struct detector *how)
{
    return (((size_t)how->anchors + 15) / 16 | 1) * 16;
}

/* Bytes of scratch memory, to be 64-byte aligned: the boxes' planes, the chances', the best of each
 * class, and a tile for each thread. */
static inline size_t detect_scratch(const struct detector *how, int threads)
{
    const size_t classes = (size_t)how->classes, rows = planes + classes - 1;
    return sizeof(float) *
           (rows * detect_pitch(how) + (2 + (size_t)threads * tile_lanes) * (classes + 15));
}

/* LANES boxes from their deltas, and which of them are seen: above 0. */
INLINE vf detect_decode(const struct detector *how, const float *anchors, const float *deltas,
                        int first, float *plane, size_t pitch)
{
    float room[2 * sides][LANES];
    for (int i = 0; i < LANES; i++) {
        const ptrdiff_t from = sides * (first + i < how->anchors ? first + i : how->anchors - 1);
        for (int k = 0; k < sides; k++) {
            room[k][i] = anchors[from + k];
            room[sides + k][i] = deltas[from + k];
        }
    }
    vf length[2], seen[2];
    for (int k = 0; k < 2; k++) { /* across, then down */
        const vf size = load(room[2 + k]);
        const vf move = mul(load(room[sides + k]), all(how->variances[k]));
        const vf growth = mul(load(room[sides + 2 + k]), all(how->variances[2 + k]));
        const vf centre = add(load(room[k]), mul(move, size));
        const vf half = mul(mul(size, exponential(least(all(4.0f), growth))), all(0.5f));
        const vf low = sub(centre, half), high = add(centre, half), one = all(1.0f);
        store(plane + (size_t)k * pitch, low);
        store(plane + (size_t)(2 + k) * pitch, high);
        length[k] = most(sub(high, low), zeros());
        seen[k] = sub(least(most(high, zeros()), one), least(most(low, zeros()), one));
        seen[k] = most(seen[k], zeros());
    }
    store(plane + sides * pitch, mul(length[0], length[1]));
    return mul(seen[0], seen[1]);
}

/* A tile of scores, class by class, as chances. */
INLINE void detect_chances(const struct detector *how, float *tile)
{
    vf high = load(tile), sum = zeros();
    for (int c = 1; c < how->classes; c++)
        high = most(high, load(tile + c * LANES));
    for (int c = how->softmax ? 0 : 1; c < how->classes; c++) {
        vf x = load(tile + c * LANES);
        x = how->softmax ? exponential(sub(x, high)) : sigmoid(x);
        sum = add(sum, x);
        store(tile + c * LANES, x);
    }
    for (int c = 1; c < how->classes && how->softmax; c++)
        store(tile + c * LANES, over(load(tile + c * LANES), sum));
}

/* One thread's share of the anchors, decoded, and their chances. */
static inline void detect_share(const struct detector *how, const float *anchors,
                                const float *deltas, const float *scores, void *scratch, int thread,
                                int threads)
{
    const size_t pitch = detect_pitch(how), classes = (size_t)how->classes;
    float *boxes = scratch, *chances = boxes + planes * pitch;
    float *tile = chances + (classes - 1) * pitch + (classes + 15) * 2;
    tile += (size_t)thread * tile_lanes * (classes + 15);
    const int blocks = (int)(pitch / LANES);
    const int start = (int)((int64_t)blocks * thread / threads) * LANES;
    const int end = (int)((int64_t)blocks * (thread + 1) / threads) * LANES;
    for (int a = start; a < end; a += LANES) {
        const vf seen = detect_decode(how, anchors, deltas, a, boxes + a, pitch);
        for (int i = 0; i < LANES; i++) {
            const int from = a + i < how->anchors ? a + i : how->anchors - 1;
            const float *row = scores + (ptrdiff_t)from * how->classes;
            for (int c = 0; c < how->classes; c++)
                tile[c * LANES + i] = row[c];
        }
        detect_chances(how, tile);
        float *to = chances + a;
        for (int c = 1; c < how->classes; c++, to += pitch) {
            const vf chance = load(tile + c * LANES);
            const vf likely = above(chance, all(how->threshold), chance, zeros());
            store(to, above(seen, zeros(), likely, zeros()));
        }
        for (int i = a < how->anchors ? how->anchors - a : 0; i < LANES; i++) /* no anchor there */
            for (int c = 1; c < how->classes; c++)
                chances[(size_t)(c - 1) * pitch + (size_t)(a + i)] = 0;
    }
}

/* Takes out what a kept box hides (one of no size hides nothing), and finds the best left. */
INLINE float detect_sweep(const float *boxes, float *chances, size_t pitch, const float *kept,
                          float overlap, float *at)
{
    vf best = zeros(), places = zeros();
    for (size_t a = 0; a < pitch; a += LANES) {
        vf chance = load(chances + a);
        if (kept) {
            const float *box = boxes + a;
            const vf left = most(load(box), all(kept[0]));
            const vf top = most(load(box + pitch), all(kept[1]));
            const vf wide = sub(least(load(box + 2 * pitch), all(kept[2])), left);
            const vf high = sub(least(load(box + 3 * pitch), all(kept[3])), top);
            const vf common = mul(most(wide, zeros()), most(high, zeros()));
            const vf both = sub(add(all(kept[4]), load(box + sides * pitch)), common);
            const vf share = over(common, most(both, all(1e-12f)));
            chance = above(share, all(overlap), zeros(), chance);
            store(chances + a, chance);
        }
        places = above(chance, best, all((float)a), places);
        best = above(chance, best, chance, best);
    }
    float value;
    *at = (float)first_of(best, places, &value);
    return value;
}

/* Once all shares are done: the best `most` that none of their own class hides, most x 6. */
static inline void detect_thin(const struct detector *how, float *found, void *scratch)
{
    const size_t pitch = detect_pitch(how);
    const int classes = how->classes - 1;
    float *boxes = scratch, *chances = boxes + planes * pitch;
    float *best = chances + (size_t)classes * pitch, *at = best + classes;
    for (int c = 0; c < classes; c++)
        best[c] = detect_sweep(boxes, chances + (size_t)c * pitch, pitch, 0, 0, at + c);
    for (int n = 0; n < how->most; n++, found += 6) {
        int kind = 0;
        for (int c = 1; c < classes; c++)
            kind = best[c] > best[kind] ? c : kind;
        if (!(best[kind] > 0)) { /* nothing is left */
            for (int k = 0; k < 6; k++)
                found[k] = k == 5 ? -1.0f : 0.0f;
            continue;
        }
        const size_t place = (size_t)at[kind];
        float kept[planes];
        for (size_t k = 0; k < planes; k++)
            kept[k] = boxes[k * pitch + place];
        for (int k = 0; k < sides; k++)
            found[k] = kept[k] > 0 ? (kept[k] < 1 ? kept[k] : 1.0f) : 0.0f;
        found[4] = best[kind];
        found[5] = (float)kind;
        float *row = chances + (size_t)kind * pitch;
        row[place] = 0;
        if (n + 1 < how->most)
            best[kind] = detect_sweep(boxes, row, pitch, kept, how->overlap, at + kind);
    }
}

/* Deltas and anchors are anchors x 4, scores are anchors x classes, found is most x 6. */
static inline void detect(const struct detector *how, const float *anchors, const float *deltas,
                          const float *scores, float *found, void *scratch)
{
    detect_share(how, anchors, deltas, scores, scratch, 0, 1);
    detect_thin(how, found, scratch);
}

#endif
