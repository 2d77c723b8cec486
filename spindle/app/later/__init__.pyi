from spindle.app.bench import Bench as Bench
from spindle.app.bench import measure as measure
from spindle.app.building import compile_model as compile_model
from spindle.app.exporting import export_model as export_model
from spindle.app.kept import keep as keep
from spindle.app.kept import kept as kept
from spindle.app.learning import judged as judged
from spindle.app.learning import teach as teach
from spindle.app.onnx_file import OnnxFile as OnnxFile
from spindle.app.opening import open_model as open_model
from spindle.app.peers.prepare import PEERS as PEERS
from spindle.app.quantizing import quantize_model as quantize_model
from spindle.app.stream import in_order as in_order
from spindle.compiler.reference import reader as reader
from spindle.compiler.reference import resize as resize
from spindle.data.datasets import find as find
from spindle.data.judges.judge import Judge as Judge
from spindle.model.cores import cores as cores
from spindle.model.tasks import answers as answers
from spindle.model.tasks import check as check
from spindle.model.tasks import deciding as deciding
from spindle.model.weights import Model as Model
from spindle.model.weights import save as save

__all__: list[str]
