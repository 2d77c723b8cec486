"""How does LiteRT run a network?  Through XNNPACK, from a .tflite file that we write ourselves."""

from __future__ import annotations

from pathlib import Path

from ai_edge_litert.interpreter import Interpreter

from spindle.app.peers.finish import finisher
from spindle.app.peers.serving import Array, Run, serve
from spindle.compiler.tflite import LEFT_OUT


def load(folder: Path, threads: int, precision: str) -> Run:
    engine = Interpreter(str(folder / "model.tflite"), num_threads=threads)
    engine.allocate_tensors()
    graph, finish = finisher(folder, LEFT_OUT)
    way_in = engine.get_input_details()[0]["index"]
    ways_out = [detail["index"] for detail in engine.get_output_details()]

    def run(pixels: Array) -> dict[str, Array]:
        engine.set_tensor(way_in, pixels if pixels.ndim == 4 else pixels[None])
        engine.invoke()
        values = {
            tensor.name: engine.get_tensor(place).reshape(-1, *tensor.shape)
            for tensor, place in zip(graph.outputs, ways_out, strict=True)
        }
        made = finish(values)
        return made if pixels.ndim == 4 else {name: array[0] for name, array in made.items()}

    return run


if __name__ == "__main__":
    serve(load)
