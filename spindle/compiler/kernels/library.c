/* What stands around a model in a shared library: its weights, and threads for one picture.
 *
 * Built as one file with the model, so that nothing but the functions below and those of model.h
 * is seen from outside.
 */
#define _POSIX_C_SOURCE 200809L

#pragma GCC visibility push(default)

#include "model.h"

const void *model_weights(void);      /* what model_run wants as its first argument */
size_t model_pool(void);              /* bytes that a pool of threads needs, 64-byte aligned */
int model_start(void *pool, int threads); /* makes one; gives how many threads it has */
void model_stop(void *pool);          /* ends it; the memory is the caller's again */
int model_pooled(void *pool, const void *weights, void *arena, const uint8_t *rgb, int width,
                 int height, void *const *outputs); /* model_run by all threads of a pool */

#if defined(_WIN32) /* no other start-up code is linked in */
int DllMainCRTStartup(void *module, unsigned reason, void *reserved);
int DllMainCRTStartup(void *module, unsigned reason, void *reserved)
{
    (void)module, (void)reason, (void)reserved;
    return 1;
}
#endif

#pragma GCC visibility pop

#include "kernels/pool.h"

#if !defined(_WIN32) && !defined(__wasm__)
#define YIELD sched_yield() /* for who has waited long: the awaited may want this very core */
#endif

#include "model.c"

extern const unsigned char spindle_weights[];

const void *model_weights(void) { return spindle_weights; }

size_t model_pool(void) { return sizeof(Pool); }

int model_start(void *pool, int threads) { return pool_start(pool, threads); }

void model_stop(void *pool) { pool_stop(pool); }

typedef struct {
    const void *weights;
    void *arena;
    const uint8_t *rgb;
    void *const *outputs;
    int width, height;
} Run;

static int part(const void *given, int thread, int threads)
{
    const Run *run = given;
    return model_share(run->weights, run->arena, run->rgb, run->width, run->height, run->outputs,
                       thread, threads);
}

int model_pooled(void *pool, const void *weights, void *arena, const uint8_t *rgb, int width,
                 int height, void *const *outputs)
{
    if (arena)
        model_ready(arena);
    const Run run = {weights, arena, rgb, outputs, width, height};
    return pool_run(pool, part, &run);
}
