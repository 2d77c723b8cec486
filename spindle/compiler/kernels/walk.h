/* How do threads share a walk through the rows, and where do they meet?
 *
 * A meeting place is two counters at the start of an arena, zero before the first run.
 */
#ifndef SPINDLE_WALK_H
#define SPINDLE_WALK_H

#include "simd.h"

INLINE int lower(int a, int b) { return a < b ? a : b; }
INLINE int higher(int a, int b) { return a > b ? a : b; }

/* Where the share of thread i begins, of `count` things for n threads; that of i + 1 is its end. */
INLINE int share(int count, int i, int n) { return count * i / n; }

#include <stdatomic.h>

#if defined(__x86_64__)
#define REST __builtin_ia32_pause()
#elif defined(__aarch64__)
#define REST __asm__ volatile("yield")
#else
#define REST (void)0
#endif

#ifndef YIELD /* who knows the system can let others run */
#define YIELD REST
#endif

enum { patience = 2000 }; /* turns of a wait before it yields */

typedef struct {
    atomic_int here, turn;
} Meeting;

/* Returns once all n threads are here. */
INLINE void meet(Meeting *place, int n)
{
    if (n == 1)
        return;
    const int turn = atomic_load_explicit(&place->turn, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&place->here, 1, memory_order_acq_rel) == n - 1) {
        atomic_store_explicit(&place->here, 0, memory_order_relaxed);
        atomic_store_explicit(&place->turn, turn + 1, memory_order_release);
    } else
        for (int i = 0; atomic_load_explicit(&place->turn, memory_order_acquire) == turn; i++)
            if (i < patience)
                REST;
            else
                YIELD;
}

#endif
