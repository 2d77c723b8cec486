"""Threads that share run after run: each does its part once, asleep or awake, and none is left."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests.compiled import HERE, build

PROGRAM = """
#define _POSIX_C_SOURCE 200809L
#include "kernels/pool.h"
#include <stdint.h>
#include <stdio.h>
#include <time.h>

enum { runs = 400, most = 5 };
typedef struct { const int *factor; long *parts; } Given;

static int part(const void *given, int thread, int threads)
{
    const Given *it = given;
    it->parts[thread] += *it->factor * (thread + 1);
    return threads;
}

static void nap(long microseconds)
{
    const struct timespec time = {0, 1000 * microseconds};
    nanosleep(&time, NULL);
}

int main(void)
{
    static Pool pool; /* used again and again, as memory of the caller's may be */
    for (int threads = 1; threads <= most; threads++) {
        long parts[most] = {0}, sum = 0;
        if (pool_start(&pool, threads) != threads)
            return 1;
        for (int run = 1; run <= runs; run++) {
            const Given given = {&run, parts};
            if (pool_run(&pool, part, &given) != threads)
                return 2;
            sum += run;
            for (int i = 0; i < threads; i++)
                if (parts[i] != sum * (i + 1))
                    return 3;
            if (run % 100 == 0)
                nap(2000); /* long enough to fall asleep */
            else if (run % 10 == 0)
                nap(run / 10); /* and about as long as that takes */
        }
        pool_stop(&pool);
    }
    return 0;
}
"""


def ran(*flags: str, compiler: str = "") -> None:
    program = build(PROGRAM, "program", "-O1", "-g", "-pthread", *flags, compiler=compiler)
    # the thread sanitizer wants its shadow where a random layout may have put something else
    still = ["setarch", "-R"] if shutil.which("setarch") else []
    done = subprocess.run([*still, str(program)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{done.returncode}: {done.stderr}"


@pytest.mark.skipif(sys.platform == "win32", reason="a pool wants POSIX threads")
@pytest.mark.skipif(not HERE, reason="there is no C compiler here: pip install ziglang")
def test_each_thread_does_its_part_of_each_run_once() -> None:
    for compiler in HERE:
        ran(compiler=compiler)


@pytest.mark.skipif("gcc" not in HERE, reason="gcc, which has the sanitizers, is absent")
def test_threads_never_touch_what_another_is_writing() -> None:
    ran("-fsanitize=thread", compiler="gcc")
    ran("-fsanitize=address,undefined", compiler="gcc")
