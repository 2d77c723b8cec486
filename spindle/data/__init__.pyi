from spindle.data.paint import boxed as boxed
from spindle.data.paint import captioned as captioned
from spindle.data.paint import masked as masked
from spindle.data.paint import pointed as pointed
from spindle.data.preprocess import read_picture as read_picture

__all__: list[str]
