from spindle.app.demo import demonstrate as demonstrate
from spindle.app.draw import contact_sheet as contact_sheet
from spindle.app.draw import draw_result as draw_result
from spindle.app.predictor import MULTI_SCALE as MULTI_SCALE
from spindle.app.predictor import load as load
from spindle.app.predictor import open_model as open_model
from spindle.data.preprocess import read_picture as read_picture
from spindle.model.weights import describe as describe
from spindle.model.weights import save as save

__all__: list[str]
