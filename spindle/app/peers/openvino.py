"""How does OpenVINO run a network?  All of it, and in the precision that was asked for.

By itself it would compute in bf16 wherever the processor can: whoever compares must forbid it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino

from spindle.app.peers.serving import Array, Run, serve


def compiled(
    folder: Path, threads: int, precision: str, streams: int = 1
) -> openvino.CompiledModel:
    core = openvino.Core()
    if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise ValueError("this processor has no bf16")
    settings = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": streams,
        "ENABLE_CPU_PINNING": False,
    }
    return core.compile_model(folder / "model.onnx", "CPU", settings)


def answers(network: openvino.CompiledModel, request: openvino.InferRequest) -> dict[str, Array]:
    return {
        output.get_any_name(): request.get_output_tensor(place).data
        for place, output in enumerate(network.outputs)
    }


def load(folder: Path, threads: int, precision: str) -> Run:
    network = compiled(folder, threads, precision)
    request = network.create_infer_request()

    def run(pixels: Array) -> dict[str, Array]:
        request.infer([pixels if pixels.ndim == 4 else pixels[None]], share_inputs=True)
        made = answers(network, request)
        return made if pixels.ndim == 4 else {name: array[0] for name, array in made.items()}

    return run


def share(folder: Path, threads: int, precision: str) -> Run:
    """A batch as its makers advise: a stream for each thread, and a queue of pictures."""
    network = compiled(folder, threads, precision, threads)
    queue = openvino.AsyncInferQueue(network, threads)
    rows: dict[int, dict[str, Array]] = {}

    def done(request: openvino.InferRequest, place: int) -> None:
        rows[place] = {name: array[0].copy() for name, array in answers(network, request).items()}

    queue.set_callback(done)

    def run(pixels: Array) -> dict[str, Array]:
        for place, picture in enumerate(pixels):
            queue.start_async([picture[None]], place, share_inputs=True)
        queue.wait_all()
        return {name: np.stack([rows[i][name] for i in range(len(pixels))]) for name in rows[0]}

    return run


if __name__ == "__main__":
    serve(load, share)
