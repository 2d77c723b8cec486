from spindle.app.bench import lively as lively
from spindle.app.bench import measure as measure
from spindle.app.demo import demonstrate as demonstrate
from spindle.app.draw import contact_sheet as contact_sheet
from spindle.app.draw import draw_result as draw_result
from spindle.app.judgement import headline as headline
from spindle.app.judgement import show_scores as show_scores
from spindle.app.opening import open_model as open_model
from spindle.app.peers.prepare import PEERS as PEERS
from spindle.app.practice import bench_training as bench_training
from spindle.app.predictor import MULTI_SCALE as MULTI_SCALE
from spindle.app.predictor import load as load
from spindle.app.standings import draw_bench as draw_bench
from spindle.app.standings import show_bench as show_bench
from spindle.app.standings import show_layers as show_layers
from spindle.app.watching import Watcher as Watcher
from spindle.data.check import examine as examine
from spindle.data.datasets import find as find
from spindle.data.drawn import draw_data as draw_data
from spindle.data.forms.listing import write_list as write_list
from spindle.data.judges.wording import in_common as in_common
from spindle.data.metrics import evaluate as evaluate
from spindle.data.parting import part_of as part_of
from spindle.data.preprocess import read_picture as read_picture
from spindle.model.weights import describe as describe
from spindle.model.weights import save as save

__all__: list[str]
