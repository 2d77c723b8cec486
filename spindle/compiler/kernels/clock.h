/* When did each group of ops end?  Only in libraries that are built to be measured. */
#ifndef SPINDLE_CLOCK_H
#define SPINDLE_CLOCK_H

#include <time.h>

static double marks[MARKS]; /* seconds: the start, then the end of each group */

static inline double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

#define TICK(group) (marks[(group) + 1] = seconds())

__attribute__((visibility("default"))) const double *model_marks(void);
const double *model_marks(void) { return marks; }

#endif
