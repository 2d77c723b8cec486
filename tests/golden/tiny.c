/*
 * Made by Spindle (MobileNetV2 made whole) .
 * test: picture 32x32x3 -> block03_add 8x8x8
 * 317,440 multiply-adds in 4 groups of ops; arena 23,360 bytes for 1 thread; vectors as on plain.
 */
#if defined(__AVX2__) || defined(__AVX512F__)
#define SPINDLE_PLAIN 1
#endif
#include "model.h"

#include "kernels/float32.h"
#include "kernels/picture.h"
#include "kernels/walk.h"

#if LANES != 4
#error "these weights are packed for vectors of 4 floats (plain)"
#endif

#define TICK(group) (void)0 /* for those who measure */

#define FILTER filter_4_3
#define PIXELS 4
#define SIDE 3
#include "kernels/filter.h"

#define TILE tile_2_6
#define PIXELS 2
#define VECTORS 6
#include "kernels/tile.h"

#define TILE tile_4_2
#define PIXELS 4
#define VECTORS 2
#include "kernels/tile.h"

#define TILE tile_6_2
#define PIXELS 6
#define VECTORS 2
#include "kernels/tile.h"

typedef struct {
    const float *w, *zero; /* the group's weights, and a row of zeros */
    float *const *t;       /* its tensors */
    const uint8_t *rgb;
    int thread, threads;
    Meeting *place;
    int n; /* the tile that a split group is at */
    int made[3]; /* rows, by each op */
} Walk;

STEP void make_stem_image(Walk *at, int until) /* Image: bytes -> 32x32x3 */
{
    for (int y = at->made[0]; y < until; y = at->made[0]) {
        const int rows = lower(3, until - y);
        for (int r = 0; r < rows; r++) {
            float *to = at->t[0] + (y + r) % 3 * 99;
            image_row(at->rgb + (y + r) * 96, to, 32, 3, 3, at->w + 0, at->w + 16);
            margins(to, 0, 32, 1, 3, 3);
        }
        at->made[0] = y + rows;
    }
}

STEP void make_stem_stem(Walk *at, int until) /* Conv: 32x32x3 -> 16x16x8, 0.1 M */
{
    for (int y = at->made[1]; y < until; y = at->made[1]) {
        const int rows = 1;
        make_stem_image(at, lower((y + rows) * 2 + 1, 32));
        {
            const int first = 0, last = 1;
            for (int n = first; n < last; n++) {
                const float *const tile = at->w + 32 + n * 224;
                for (int r = 0; r < rows; r++) {
                    const float *const x[] = {
                        row(at->t[0], (y + r) * 2, 32, 3, 99, at->zero),
                        row(at->t[0], (y + r) * 2 + 1, 32, 3, 99, at->zero),
                        row(at->t[0], (y + r) * 2 + 2, 32, 3, 99, at->zero),
                    };
                    float *const to = at->t[1] + (y + r) * 144 + 8;
                    const Window window = {3, 1, 0, 3, 9, 6};
                    const float *const w = tile + 8;
                    for (int p = 0; p < 12; p += 6) {
                        tile_6_2(x, window, p * window.step, w, tile, 0, to + n * 8 + p * 8, 8, 0, 0, act_relu6, w, 0);
                    }
                    for (int p = 12; p < 16; p += 4) {
                        tile_4_2(x, window, p * window.step, w, tile, 0, to + n * 8 + p * 8, 8, 0, 0, act_relu6, w, 0);
                    }
                }
            }
        }
        for (int r = 0; r < rows; r++)
            margins(at->t[1] + (y + r) * 144 + 8, 1, 16, 1, 8, 8);
        at->made[1] = y + rows;
    }
}

STEP void make_stem(Walk *at)
{
    make_stem_stem(at, 16);
}

STEP void make_block01_add_filter(Walk *at, int until) /* Conv: 16x16x8 -> 16x16x8, 0.0 M */
{
    for (int y = at->made[0]; y < until; y = at->made[0]) {
        const int rows = 1;
        const int first = 0, last = 8;
        for (int r = 0; r < rows; r++) {
            {
                const float *const x[] = {
                    row(at->t[0], y + r - 1, 16, 16, 144, at->zero),
                    row(at->t[0], y + r, 16, 16, 144, at->zero),
                    row(at->t[0], y + r + 1, 16, 16, 144, at->zero),
                };
                float *const to = at->t[1];
                const Window window = {3, 3, 0, 8, 1, 8};
                for (int c = first; c < last; c += LANES) {
                    const float *const w = at->w + 0 + (c + 0) * 10;
                    for (int p = 0; p < 16; p += 4)
                        filter_4_3(x, window, p * window.step + c, w, to + p * 8 + c + 0, 8, act_relu6);
                }
            }
        }
        at->made[0] = y + rows;
    }
}

STEP void make_block01_add_add(Walk *at, int until) /* Sum: 16x16x8 + 16x16x8 -> 16x16x8, 0.0 M */
{
    for (int y = at->made[1]; y < until; y = at->made[1]) {
        const int rows = 1;
        make_block01_add_filter(at, y + rows);
        {
            const int first = 0, last = 1;
            for (int n = first; n < last; n++) {
                const float *const tile = at->w + 80 + n * 72;
                for (int r = 0; r < rows; r++) {
                    const float *const x[] = {
                        row(at->t[1], y + r, 16, 1, 128, at->zero),
                    };
                    float *const to = at->t[2] + (y + r) * 128;
                    const float *const more = row(at->t[0], y + r, 16, 16, 144, at->zero) + 8;
                    const Window window = {1, 1, 0, 0, 8, 8};
                    const float *const w = tile + 8;
                    for (int p = 0; p < 12; p += 6) {
                        tile_6_2(x, window, p * window.step, w, tile, 0, to + n * 8 + p * 8, 8, more + n * 8 + p * 8, 8, act_none, w, 0);
                    }
                    for (int p = 12; p < 16; p += 4) {
                        tile_4_2(x, window, p * window.step, w, tile, 0, to + n * 8 + p * 8, 8, more + n * 8 + p * 8, 8, act_none, w, 0);
                    }
                }
            }
        }
        at->made[1] = y + rows;
    }
}

STEP void make_block01_add(Walk *at)
{
    make_block01_add_add(at, 16);
}

/* Conv: 16x16x8 -> 16x16x48, 0.1 M */
STEP void make_block02_project_expand(Walk *at, int n, int until)
{
    const float *const tile = at->w + 0 + n * 216;
    for (int y = at->made[0]; y < until; y++) {
        const float *const x[] = {
            row(at->t[0], y, 16, 16, 128, at->zero),
        };
        float *const to = at->t[1] + n * 1224 + y % 3 * 408;
        const Window window = {1, 1, 0, 0, 8, 8};
        const float *const w = tile + 24;
        for (int p = 0; p < 16; p += 2) {
            tile_2_6(x, window, p * window.step, w, tile, 0, to + p * 24, 24, 0, 0, act_relu6, w, 0);
        }
    }
    for (int y = at->made[0]; y < until; y++)
        margins(at->t[1] + n * 1224 + y % 3 * 408, 0, 16, 1, 24, 24);
}

STEP void make_block02_project_filter(Walk *at, int until) /* Conv: 16x16x48 -> 8x8x48, 0.0 M */
{
    for (int y = at->made[1]; y < until; y = at->made[1]) {
        const int rows = 1;
        const int wanted = lower((y + rows) * 2 + 1, 16);
        const int first = 0, last = 2;
        for (int n = first; n < last; n++) {
            make_block02_project_expand(at, n, wanted);
            for (int r = 0; r < rows; r++) {
                {
                    const float *const x[] = {
                        row(at->t[1] + n * 1224, (y + r) * 2, 16, 3, 408, at->zero),
                        row(at->t[1] + n * 1224, (y + r) * 2 + 1, 16, 3, 408, at->zero),
                        row(at->t[1] + n * 1224, (y + r) * 2 + 2, 16, 3, 408, at->zero),
                    };
                    float *const to = at->t[2];
                    const Window window = {3, 3, 0, 24, 1, 48};
                    for (int c = 0; c < 24; c += LANES) {
                        const float *const w = at->w + 432 + (c + n * 24) * 10;
                        for (int p = 0; p < 8; p += 4)
                            filter_4_3(x, window, p * window.step + c, w, to + p * 48 + c + n * 24, 48, act_relu6);
                    }
                }
            }
        }
        at->made[0] = wanted;
        at->made[1] = y + rows;
    }
}

STEP void make_block02_project_project(Walk *at, int until) /* Conv: 8x8x48 -> 8x8x8, 0.0 M */
{
    for (int y = at->made[2]; y < until; y = at->made[2]) {
        const int rows = 1;
        make_block02_project_filter(at, y + rows);
        {
            const int first = 0, last = 1;
            for (int n = first; n < last; n++) {
                const float *const tile = at->w + 912 + n * 392;
                for (int r = 0; r < rows; r++) {
                    const float *const x[] = {
                        row(at->t[2], y + r, 8, 1, 384, at->zero),
                    };
                    float *const to = at->t[3] + (y + r) * 64;
                    const Window window = {1, 1, 0, 0, 48, 48};
                    const float *const w = tile + 8;
                    for (int p = 0; p < 8; p += 4) {
                        tile_4_2(x, window, p * window.step, w, tile, 0, to + n * 8 + p * 8, 8, 0, 0, act_none, w, 0);
                    }
                }
            }
        }
        at->made[2] = y + rows;
    }
}

STEP void make_block02_project(Walk *at)
{
    make_block02_project_project(at, 8);
}

/* Conv: 8x8x8 -> 8x8x48, 0.0 M */
STEP void make_block03_add_expand(Walk *at, int n, int until)
{
    const float *const tile = at->w + 0 + n * 216;
    for (int y = at->made[0]; y < until; y++) {
        const float *const x[] = {
            row(at->t[0], y, 8, 8, 64, at->zero),
        };
        float *const to = at->t[1] + n * 720 + y % 3 * 240 + 24;
        const Window window = {1, 1, 0, 0, 8, 8};
        const float *const w = tile + 24;
        for (int p = 0; p < 8; p += 2) {
            tile_2_6(x, window, p * window.step, w, tile, 0, to + p * 24, 24, 0, 0, act_relu6, w, 0);
        }
    }
    for (int y = at->made[0]; y < until; y++)
        margins(at->t[1] + n * 720 + y % 3 * 240 + 24, 1, 8, 1, 24, 24);
}

STEP void make_block03_add_filter(Walk *at, int until) /* Conv: 8x8x48 -> 8x8x48, 0.0 M */
{
    for (int y = at->made[1]; y < until; y = at->made[1]) {
        const int rows = 1;
        const int wanted = lower(y + rows + 1, 8);
        const int first = 0, last = 2;
        for (int n = first; n < last; n++) {
            make_block03_add_expand(at, n, wanted);
            for (int r = 0; r < rows; r++) {
                {
                    const float *const x[] = {
                        row(at->t[1] + n * 720, y + r - 1, 8, 3, 240, at->zero),
                        row(at->t[1] + n * 720, y + r, 8, 3, 240, at->zero),
                        row(at->t[1] + n * 720, y + r + 1, 8, 3, 240, at->zero),
                    };
                    float *const to = at->t[2];
                    const Window window = {3, 3, 0, 24, 1, 24};
                    for (int c = 0; c < 24; c += LANES) {
                        const float *const w = at->w + 432 + (c + n * 24) * 10;
                        for (int p = 0; p < 8; p += 4)
                            filter_4_3(x, window, p * window.step + c, w, to + p * 48 + c + n * 24, 48, act_relu6);
                    }
                }
            }
        }
        at->made[0] = wanted;
        at->made[1] = y + rows;
    }
}

STEP void make_block03_add_add(Walk *at, int until) /* Sum: 8x8x48 + 8x8x8 -> 8x8x8, 0.0 M */
{
    for (int y = at->made[2]; y < until; y = at->made[2]) {
        const int rows = 1;
        make_block03_add_filter(at, y + rows);
        {
            const int first = 0, last = 1;
            for (int n = first; n < last; n++) {
                const float *const tile = at->w + 912 + n * 392;
                for (int r = 0; r < rows; r++) {
                    const float *const x[] = {
                        row(at->t[2], y + r, 8, 1, 384, at->zero),
                    };
                    float *const to = at->t[3] + (y + r) * 64;
                    const float *const more = row(at->t[0], y + r, 8, 8, 64, at->zero) + 0;
                    const Window window = {1, 1, 0, 0, 48, 48};
                    const float *const w = tile + 8;
                    for (int p = 0; p < 8; p += 4) {
                        tile_4_2(x, window, p * window.step, w, tile, 0, to + n * 8 + p * 8, 8, more + n * 8 + p * 8, 8, act_none, w, 0);
                    }
                }
            }
        }
        at->made[2] = y + rows;
    }
}

STEP void make_block03_add(Walk *at)
{
    make_block03_add_add(at, 8);
}

#define A(offset) (float *)(void *)(arena + (offset))
#define W weights

/* One thread's share of the whole network. */
static void network(const float *weights, char *arena, const uint8_t *rgb,
                    void *const *outputs, int thread, int threads)
{
    float *const zero = A(21568);
    Meeting *const place = (Meeting *)(void *)(arena + 23232);
    if (thread == 0) __builtin_memset(zero, 0, 1664);
    TICK(-1);
    /* Image: bytes -> 32x32x3 */
    /* Conv: 32x32x3 -> 16x16x8, 0.1 M */
    {
        float *const t[] = {A(9216), A(0)};
        Walk at = {W + 0, zero, t, rgb, thread, threads, place, 0, {0}};
        make_stem(&at);
        TICK(0);
    }
    /* Conv: 16x16x8 -> 16x16x8, 0.0 M */
    /* Sum: 16x16x8 + 16x16x8 -> 16x16x8, 0.0 M */
    {
        float *const t[] = {A(0), A(9216), A(11328)};
        Walk at = {W + 256, zero, t, rgb, thread, threads, place, 0, {0}};
        make_block01_add(&at);
        TICK(1);
    }
    /* Conv: 16x16x8 -> 16x16x48, 0.1 M */
    /* Conv: 16x16x48 -> 8x8x48, 0.0 M */
    /* Conv: 8x8x48 -> 8x8x8, 0.0 M */
    {
        float *const t[] = {A(11328), A(0), A(9792), A(19520)};
        Walk at = {W + 416, zero, t, rgb, thread, threads, place, 0, {0}};
        make_block02_project(&at);
        TICK(2);
    }
    /* Conv: 8x8x8 -> 8x8x48, 0.0 M */
    /* Conv: 8x8x48 -> 8x8x48, 0.0 M */
    /* Sum: 8x8x48 + 8x8x8 -> 8x8x8, 0.0 M */
    {
        float *const t[] = {A(19520), A(0), A(5760), outputs[0]};
        Walk at = {W + 1728, zero, t, rgb, thread, threads, place, 0, {0}};
        make_block03_add(&at);
        TICK(3);
    }
}

static const char info[] =
    "{\"task\":\"test\",\"outputs\":[{\"name\":\"block03_add\",\"shape\":[8,8,8],\"dtype\":\"f"
    "loat32\"}],\"isa\":\"plain\",\"threads\":1,\"arena\":23360,\"groups\":4}";

static const struct fit fit = {32, 32, 1, 0.875, 0, {128, 128, 128}};

const char *model_info(void)
{
    return info;
}

size_t model_arena(int width, int height)
{
    if (width == 32 && height == 32)
        return 23360;
    if (width < 1 || height < 1 || width > 16384 || height > 16384)
        return 0;
    return 26432 + fit_scratch(&fit, width, height);
}

void model_ready(void *arena)
{
    __builtin_memset((char *)arena + 23232, 0, sizeof(Meeting));
}

int model_share(const void *weights, void *arena, const uint8_t *rgb, int width, int height,
                 void *const *outputs, int thread, int threads)
{
    char *const memory = arena;
    if (!weights || (uintptr_t)weights % 64)
        return model_no_weights;
    if (!arena || (uintptr_t)arena % 64)
        return model_no_memory;
    if (!rgb || !model_arena(width, height))
        return model_no_picture;
    if (!outputs)
        return model_no_output;
    for (int i = 0; i < 1; i++)
        if (!outputs[i])
            return model_no_output;
    if (threads < 1 || threads > 1 || thread < 0 || thread >= threads)
        return model_no_thread;
    if (width != 32 || height != 32) {
        uint8_t *const fitted = (uint8_t *)memory + 23360;
        if (thread == 0)
            fit_picture(&fit, rgb, width, height, fitted, memory + 26432);

        rgb = fitted;
    }
    network(weights, memory, rgb, outputs, thread, threads);
    return model_ok;
}

int model_run(const void *weights, void *arena, const uint8_t *rgb, int width, int height,
               void *const *outputs)
{
    return model_share(weights, arena, rgb, width, height, outputs, 0, 1);
}
