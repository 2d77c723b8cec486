"""A model in C that a person can check: the sums of the channels, and the picture's first bytes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle.compiler.source import Source

HEIGHT, WIDTH = 3, 4
WEIGHTS = np.array([1, 2, -3], np.float32)
HEADER = """
#ifndef MODEL_H
#define MODEL_H
#include <stddef.h>
#include <stdint.h>
enum { model_ok = 0, model_no_memory = 1, model_no_picture = 2, model_no_weights = 3 };
const char *model_info(void);
void model_ready(void *arena);
size_t model_arena(int width, int height);
int model_run(const void *weights, void *arena, const uint8_t *rgb, int width, int height,
              void *const *outputs);
int model_share(const void *weights, void *arena, const uint8_t *rgb, int width, int height,
                void *const *outputs, int thread, int threads);
#endif
"""
CODE = """
#include "model.h"
#include "kernels/simd.h"
#include "kernels/walk.h"
static const char info[] = @INFO@;
const char *model_info(void) { return info; }
void model_ready(void *arena) { __builtin_memset(arena, 0, 64); }
size_t model_arena(int width, int height) { return 64u + (size_t)(width * height) * 4; }
int model_run(const void *weights, void *arena, const uint8_t *rgb, int width, int height,
              void *const *outputs)
{
    return model_share(weights, arena, rgb, width, height, outputs, 0, 1);
}
int model_share(const void *weights, void *arena, const uint8_t *rgb, int width, int height,
                void *const *outputs, int thread, int threads)
{
    const float *factors = weights;
    float *sums = outputs[0];
    int32_t *first = outputs[1];
    float *scratch = (float *)arena + 16;
    if ((size_t)weights % 64 || !weights)
        return model_no_weights;
    if (!arena || (size_t)arena % 64)
        return model_no_memory;
    if (!rgb || width < 1 || height < 1)
        return model_no_picture;
    for (int i = thread; i < width * height; i += threads)
        scratch[i] = (float)i;
    for (int c = thread; c < 3; c += threads) {
        float sum = 0;
        for (int i = 0; i < width * height; i++)
            sum += (float)rgb[3 * i + c];
        sums[c] = sum * factors[c];
    }
    if (thread == threads - 1)
        first[0] = rgb[0];
    meet(arena, threads);
    return (int)scratch[0];
}
"""


def expected(pictures: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """What the C is to say, in numpy."""
    whole = pictures.reshape(-1, *pictures.shape[-3:])
    outputs = {
        "sums": whole.sum((1, 2), dtype=np.float32)[:, None, None] * WEIGHTS,
        "first": whole[:, :1, :1, :1].astype(np.int32),
    }
    return outputs if pictures.ndim == 4 else {name: value[0] for name, value in outputs.items()}


def source(threads: int = 1, **said: Any) -> Source:
    info = {
        "task": "classify",
        "labels": ["red", "green", "blue"],
        "classes": 3,
        "preprocessing": {"kind": "Image", "name": "image", "inputs": [], "height": HEIGHT,
                          "width": WIDTH, "mean": [0, 0, 0], "std": [1, 1, 1], "fit": "stretch",
                          "fraction": 1.0, "resample": "bilinear"},
        "outputs": [{"name": "sums", "shape": [1, 1, 3], "dtype": "float32"},
                    {"name": "first", "shape": [1, 1, 1], "dtype": "int32"}],
        "threads": threads,
        "hash": "of the model",
    } | said  # fmt: skip
    code = CODE.replace("@INFO@", json.dumps(json.dumps(info)))
    return Source("model", code, HEADER, WEIGHTS.tobytes(), 128, threads, info)


def broken() -> Source:
    return replace(source(), c="int model_run = nonsense;")
