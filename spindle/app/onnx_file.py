"""How is a network of ours run from an ONNX file?  By ONNX Runtime; the file says what it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

Array = NDArray[Any]
KEY = "spindle"  # of the metadata: what is known of the model, as a compiled one says it


class OnnxFile:
    """An exported network; any number of threads may ask it."""

    def __init__(self, path: str | Path, threads: int = 1):
        self.path = Path(path)
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
        settings.log_severity_level = 3  # errors, which are raised anyway
        try:
            self.session = onnxruntime.InferenceSession(
                self.path.read_bytes(), settings, providers=["CPUExecutionProvider"]
            )
        except OSError:
            raise
        except Exception as error:  # its errors have no class of their own
            raise ValueError(f"{path} is no ONNX file that can be run: {short(error)}") from None
        self.info = said(self.session.get_modelmeta().custom_metadata_map, self.path)
        outside = [(one.name, one.shape[1:], one.type) for one in self.session.get_inputs()]
        image = self.info["preprocessing"]
        wanted = [("image", [image["height"], image["width"], 3], "tensor(uint8)")]
        outputs = [one.name for one in self.session.get_outputs()]
        if outside != wanted or outputs != [output["name"] for output in self.info["outputs"]]:
            raise ValueError(f"{path} is not as it says it is: export the model again")

    def picture(self, pixels: Array) -> dict[str, Array]:
        """The outputs for one picture of the network's own size, in bytes."""
        made = self.session.run(None, {"image": np.ascontiguousarray(pixels[None])})
        known = zip(self.info["outputs"], made, strict=True)
        return {output["name"]: array[0] for output, array in known}


def said(notes: dict[str, str], path: Path) -> dict[str, Any]:
    """What the file says of itself; all of it is there, and of the right kind."""
    if KEY not in notes:
        raise ValueError(
            f"{path} was not exported by Spindle: of what it answers to which pictures it says "
            "nothing; load the weights it was made from"
        )
    try:
        info = json.loads(notes[KEY])
        image, outputs = info["preprocessing"], info["outputs"]
        kinds = {"task": str, "labels": list, "classes": int}
        sound = all(isinstance(info[name], kind) for name, kind in kinds.items())
        sound &= all(isinstance(image[side], int) for side in ("height", "width"))
        sound &= all(isinstance(one["name"], str) for one in outputs) and len(outputs) > 0
    except (ValueError, KeyError, TypeError):
        sound = False
    if not sound:
        raise ValueError(f"{path} says of itself what cannot be read: export the model again")
    known: dict[str, Any] = info
    return known


def short(error: Exception) -> str:
    line = " ".join(str(error).split())
    return line if len(line) <= 300 else f"{line[:300]}..."
