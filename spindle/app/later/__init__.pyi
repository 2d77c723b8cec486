from spindle.app.building import built as built
from spindle.app.building import compile_model as compile_model
from spindle.app.opening import open_model as open_model
from spindle.compiler.reference import resize as resize
from spindle.compiler.reference import run as run
from spindle.model.tasks import answers as answers
from spindle.model.tasks import check as check
from spindle.model.tasks import deciding as deciding
from spindle.model.weights import Model as Model
from spindle.model.weights import save as save

__all__: list[str]
