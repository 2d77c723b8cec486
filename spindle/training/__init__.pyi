from spindle.training.adopt import adopt_weights as adopt_weights
from spindle.training.loop import Stopped as Stopped
from spindle.training.network import Network as Network
from spindle.training.network import reader as reader
from spindle.training.recipe import Recipe as Recipe
from spindle.training.recipe import named as named
from spindle.training.recipe import usual as usual
from spindle.training.start import train as train

__all__: list[str]
