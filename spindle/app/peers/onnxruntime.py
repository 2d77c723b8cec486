"""How does ONNX Runtime run a network?  All of it: preparation, network and NMS are in the file."""

from __future__ import annotations

from pathlib import Path

import onnxruntime

from spindle.app.peers.serving import Array, Run, serve


def load(folder: Path, threads: int, precision: str) -> Run:
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(
        folder / "model.onnx", settings, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]

    def run(pixels: Array) -> dict[str, Array]:
        batch = pixels if pixels.ndim == 4 else pixels[None]
        made = session.run(None, {"image": batch})
        return dict(zip(names, made if pixels.ndim == 4 else [array[0] for array in made]))

    return run


if __name__ == "__main__":
    serve(load)
