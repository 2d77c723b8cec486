"""What can be reckoned before the first picture?  Norms, groups and odd kernels become weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spindle.model.graph import Graph
from spindle.model.ops import BatchNorm, Conv, Deconv, Norm, Op
from spindle.model.weights import Weights

Array = NDArray[np.float32]


def fold(graph: Graph, weights: Weights) -> tuple[Graph, Weights]:
    """The same network, every convolution with a weight and a bias, full or depthwise."""
    made: Weights = {
        f"{op.name}.{part}": weights[f"{op.name}.{part}"] for op in graph.ops for part in op.numbers
    }

    def change(op: Op) -> Op:
        match op:
            case BatchNorm():
                return alone(op, weights, made)
            case Conv():
                return convolution(op, weights, made)
        return op

    return graph.map(change), made


def alone(op: BatchNorm, weights: Weights, made: Weights) -> Op:
    """A norm by itself is a depthwise convolution of one tap."""
    channels = op.output.shape[2]
    scale, shift = affine(op.name, op.norm, weights)
    made[f"{op.name}.weight"] = scale.reshape(channels, 1, 1, 1)
    made[f"{op.name}.bias"] = shift
    return Conv(op.name, op.inputs, channels, groups=channels)


def convolution(op: Conv, weights: Weights, made: Weights) -> Op:
    weight = weights[f"{op.name}.weight"]
    if op.norm:
        scale, bias = affine(op.name, op.norm, weights)
        weight = weight * scale[:, None, None, None]
    else:
        bias = weights[f"{op.name}.bias"]
    if op.groups > 1 and not op.depthwise:
        weight, op = spread(weight, op.groups), replace(op, groups=1)
    made[f"{op.name}.weight"], made[f"{op.name}.bias"] = weight, bias
    return replace(op, norm=None, drop=0.0)


def affine(name: str, norm: Norm, weights: Weights) -> tuple[Array, Array]:
    """A norm as a scale and a shift, reckoned in double."""
    gamma, beta, mean, var = (
        weights[f"{name}.{part}"].astype(np.float64) for part in ("gamma", "beta", "mean", "var")
    )
    scale = gamma / np.sqrt(var + norm.eps)
    return scale.astype(np.float32), (beta - mean * scale).astype(np.float32)


def spread(weight: Array, groups: int) -> Array:
    """The weights of a convolution in groups as those of a full one: mostly zeros."""
    out, high, wide, depth = weight.shape
    full = np.zeros((groups, out // groups, high, wide, groups, depth), np.float32)
    for group, part in enumerate(np.split(weight, groups)):
        full[group, :, :, :, group] = part
    return full.reshape(out, high, wide, groups * depth)


def phases(op: Deconv, weight: Array) -> Array:
    """A transposed convolution as stride x stride plain ones: phase, phase, out, high, wide, in.

    Output pixel y reads the rows that end with (y + padding) // stride, through the taps of phase
    (y + padding) % stride, the last of them first.
    """
    stride, taps = op.stride, -(-op.kernel // op.stride)
    extra = taps * stride - op.kernel
    weight = np.pad(weight, ((0, 0), (0, extra), (0, extra), (0, 0)))
    out, _, _, depth = weight.shape
    split = weight.reshape(out, taps, stride, taps, stride, depth)[:, ::-1, :, ::-1]
    return split.transpose(2, 4, 0, 1, 3, 5)
