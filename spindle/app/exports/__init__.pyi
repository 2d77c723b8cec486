from spindle.app.exports.c import C as C
from spindle.app.exports.coreml import COREML as COREML
from spindle.app.exports.executorch import EXECUTORCH as EXECUTORCH
from spindle.app.exports.ncnn import NCNN as NCNN
from spindle.app.exports.onnx import ONNX as ONNX
from spindle.app.exports.openvino import OPENVINO as OPENVINO
from spindle.app.exports.tflite import TFLITE as TFLITE
from spindle.app.exports.torch import TORCH as TORCH

__all__: list[str]
