/* How do several threads share one picture, again and again?
 *
 * pool_start  makes threads - 1 workers, in memory that the caller gives and keeps
 * pool_run    calls task(given, thread, threads) in all of them at once, and in the caller's
 *             thread as thread 0; back when all are back; one run at a time
 * pool_stop   ends the workers; the memory is the caller's again
 *
 * Pictures come in a row, so a worker waits spinning for about as long as waking it would take,
 * and only then sleeps.  Wants POSIX threads; elsewhere pool_start makes no workers.
 */
#ifndef SPINDLE_POOL_H
#define SPINDLE_POOL_H

#include <stdatomic.h>
#include <stddef.h>

enum { pool_most = 64, pool_spins = 2000 }; /* threads; turns of a spin, 50 to 100 microseconds */

typedef int Task(const void *given, int thread, int threads);

#if defined(_WIN32) || defined(__wasm__)

typedef struct {
    int threads;
} Pool;

static inline int pool_start(Pool *pool, int threads)
{
    (void)threads;
    return pool->threads = 1;
}

static inline int pool_run(Pool *pool, Task *task, const void *given)
{
    (void)pool;
    return task(given, 0, 1);
}

static inline void pool_stop(Pool *pool) { (void)pool; }

#else

#include <pthread.h>
#include <sched.h>

typedef struct Pool Pool;

typedef struct {
    Pool *pool;
    int thread;
    pthread_t id;
} Worker;

struct Pool {
    _Alignas(64) atomic_uint turn; /* goes up by one with each run: what the workers watch */
    _Alignas(64) atomic_int busy;  /* workers that are still at it */
    _Alignas(64) atomic_int asleep;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    Task *task; /* of the run; none: it is time to go */
    const void *given;
    int threads;
    Worker workers[pool_most];
};

static inline void pool_rest(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

/* The next turn after this one, waited for awake, then asleep. */
static inline unsigned pool_next(Pool *pool, unsigned turn)
{
    for (int spin = 0; spin < pool_spins; spin++, pool_rest())
        if (atomic_load_explicit(&pool->turn, memory_order_acquire) != turn)
            return turn + 1;
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->asleep, 1); /* said before looking, as the caller looks after saying */
    while (atomic_load(&pool->turn) == turn)
        pthread_cond_wait(&pool->wake, &pool->lock);
    atomic_fetch_sub(&pool->asleep, 1);
    pthread_mutex_unlock(&pool->lock);
    return turn + 1;
}

static inline void *pool_work(void *given)
{
    const Worker *worker = given;
    Pool *pool = worker->pool;
    for (unsigned turn = 0;;) {
        turn = pool_next(pool, turn);
        if (!pool->task)
            return NULL;
        pool->task(pool->given, worker->thread, pool->threads);
        atomic_fetch_sub_explicit(&pool->busy, 1, memory_order_release);
    }
}

/* Begins a turn: everything written before it is seen by every worker in it. */
static inline void pool_turn(Pool *pool, Task *task, const void *given)
{
    pool->task = task;
    pool->given = given;
    atomic_store_explicit(&pool->busy, pool->threads - 1, memory_order_relaxed);
    atomic_fetch_add(&pool->turn, 1);
    if (atomic_load(&pool->asleep)) {
        pthread_mutex_lock(&pool->lock); /* who said "asleep" but has not slept yet holds it */
        pthread_cond_broadcast(&pool->wake);
        pthread_mutex_unlock(&pool->lock);
    }
}

/* How many threads there are: fewer than asked for, where the system gives no more. */
static inline int pool_start(Pool *pool, int threads)
{
    atomic_init(&pool->turn, 0);
    atomic_init(&pool->busy, 0);
    atomic_init(&pool->asleep, 0);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pool->threads = 1;
    for (int n = 1; n < threads && n < pool_most; n++, pool->threads++) {
        Worker *worker = pool->workers + n;
        worker->pool = pool;
        worker->thread = n;
        if (pthread_create(&worker->id, NULL, pool_work, worker))
            break;
    }
    return pool->threads;
}

static inline int pool_run(Pool *pool, Task *task, const void *given)
{
    pool_turn(pool, task, given);
    const int code = task(given, 0, pool->threads);
    for (int spin = 0; atomic_load_explicit(&pool->busy, memory_order_acquire); spin++)
        if (spin < pool_spins)
            pool_rest();
        else
            sched_yield();
    return code;
}

static inline void pool_stop(Pool *pool)
{
    pool_turn(pool, NULL, NULL);
    for (int n = 1; n < pool->threads; n++)
        pthread_join(pool->workers[n].id, NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
}

#endif
#endif
