from spindle.app.opening import open_model as open_model
from spindle.app.predictor import Predictor as Predictor
from spindle.app.predictor import load as load
from spindle.data.results import Boxes as Boxes
from spindle.data.results import Classification as Classification
from spindle.data.results import Embedding as Embedding
from spindle.data.results import Mask as Mask
from spindle.data.results import Pose as Pose
from spindle.model.cost import memory as memory
from spindle.model.family import VARIANTS as VARIANTS
from spindle.model.family import mobilenet_v1 as mobilenet_v1
from spindle.model.family import mobilenet_v2 as mobilenet_v2
from spindle.model.graph import FAMILIES as FAMILIES
from spindle.model.graph import Builder as Builder
from spindle.model.graph import Graph as Graph
from spindle.model.weights import Model as Model

__version__: str
__all__: list[str]
