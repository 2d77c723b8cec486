from spindle.training.adopt import adopt_weights as adopt_weights
from spindle.training.loop import teach as teach
from spindle.training.network import Network as Network
from spindle.training.network import reader as reader

__all__: list[str]
