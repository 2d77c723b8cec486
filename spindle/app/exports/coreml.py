"""How does a model leave for Core ML?  From torch.export, as a program that takes a picture."""

from __future__ import annotations

from pathlib import Path

import coremltools
import torch
from torch.export import ExportedProgram

from spindle.app.exports.form import Form, Leaving
from spindle.app.exports.torch import Portable
from spindle.app.peers.finish import Kinds
from spindle.model.answers import Detect, Peaks

LEFT_OUT: Kinds = (Detect, Peaks)  # what its converter does not know


def write(leaving: Leaving, folder: Path) -> None:
    height, width, channels = leaving.graph.input.shape
    shape = leaving.batch or 1, channels, height, width
    module = Portable(leaving.graph, leaving.weights, planar=True)
    program = torch.export.export(module, (torch.zeros(shape),)).run_decompositions({})
    network = coremltools.convert(
        plain(program),
        inputs=[coremltools.ImageType("image", shape, color_layout="RGB")],
        outputs=[coremltools.TensorType(tensor.name) for tensor in leaving.graph.outputs],
        minimum_deployment_target=coremltools.target.iOS16,
        compute_precision=coremltools.precision.FLOAT32,
    )
    network.user_defined_metadata["spindle"] = leaving.notes
    path = folder / "model.mlpackage"
    network.save(str(path))
    same_outside(leaving, path)


def plain(program: ExportedProgram) -> ExportedProgram:
    """Without the second names of values, which its converter does not know."""
    for node in list(program.graph.nodes):
        if node.target is torch.ops.aten.alias.default:
            node.replace_all_uses_with(node.args[0])
            program.graph.erase_node(node)
    return program


def same_outside(leaving: Leaving, path: Path) -> None:
    """That the file, read again, names what goes in and out as the graph does."""
    told = coremltools.utils.load_spec(str(path)).description
    ins = [(one.name, one.type.imageType.height, one.type.imageType.width) for one in told.input]
    assert ins == [("image", *leaving.graph.input.shape[:2])], ins
    outs = {one.name: tuple(one.type.multiArrayType.shape) for one in told.output}
    want = {tensor.name: (leaving.batch, *tensor.shape) for tensor in leaving.graph.outputs}
    assert outs == want, outs


COREML = Form("Core ML", "model.mlpackage", write, None, LEFT_OUT)
