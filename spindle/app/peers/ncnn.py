"""How does ncnn run a network?  Picture by picture; it prepares, we decide."""

from __future__ import annotations

from pathlib import Path

import ncnn
import numpy as np

from spindle.app.peers.finish import finisher
from spindle.app.peers.serving import Array, Run, serve
from spindle.compiler.ncnn import LEFT_OUT


def load(folder: Path, threads: int, precision: str) -> Run:
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_bf16_storage = precision == "bf16"
    net.opt.use_fp16_storage = net.opt.use_fp16_packed = net.opt.use_fp16_arithmetic = False
    if net.load_param(str(folder / "model.param")) or net.load_model(str(folder / "model.bin")):
        raise ValueError("ncnn does not read these files")
    graph, finish = finisher(folder, LEFT_OUT)
    height, width, _ = graph.input.shape
    mean, scale = list(graph.image.mean), [1 / std for std in graph.image.std]

    def one(pixels: Array) -> dict[str, Array]:
        picture = ncnn.Mat.from_pixels(pixels, ncnn.Mat.PixelType.PIXEL_RGB, width, height)
        picture.substract_mean_normalize(mean, scale)
        asked = net.create_extractor()
        asked.input(graph.input.name, picture)
        values = {}
        for tensor in graph.outputs:
            high, wide, depth = tensor.shape
            planes = np.array(asked.extract(tensor.name)[1]).reshape(depth, high, wide)
            values[tensor.name] = planes.transpose(1, 2, 0)[None]
        return finish(values)

    def run(pixels: Array) -> dict[str, Array]:
        if pixels.ndim == 3:
            return {name: made[0] for name, made in one(pixels).items()}
        each = [one(picture) for picture in pixels]
        return {name: np.concatenate([made[name] for made in each]) for name in each[0]}

    return run


if __name__ == "__main__":
    serve(load)
