from spindle.app.building import compile_ as compile_
from spindle.app.contests import bench as bench
from spindle.app.demo import demo as demo
from spindle.app.exporting import export as export
from spindle.app.lessening import quantize as quantize
from spindle.app.lessons import check as check
from spindle.app.lessons import draw as draw
from spindle.app.lessons import eval_ as eval_
from spindle.app.lessons import train as train
from spindle.app.looking import predict as predict
from spindle.app.networks import adopt as adopt
from spindle.app.networks import info as info

__all__: list[str]
