"""A model says the same of a picture by either reading, in the picture's own pixels."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

import spindle
from spindle.app.predictor import Predictor
from spindle.data.datasets import find, parted
from spindle.data.drawn import draw_data
from spindle.data.labels import KEYPOINTS
from spindle.data.preprocess import Unreadable, prepare
from spindle.data.reading import places
from spindle.data.results import Boxes, Classification, Embedding, Mask, Pose
from spindle.data.synthetic import scene
from spindle.model import tasks, weights
from spindle.model.answers import ArgMax, Detect
from spindle.model.family import mobilenet_v2
from spindle.model.graph import Builder, Graph
from spindle.model.heads import HEADS
from spindle.model.ops import Op
from spindle.model.weights import Model
from tests.scramble import scrambled

PICTURE = scene(3, 90, 140).picture


def model(head: str, classes: int = 3, **changed: Any) -> Model:
    graph = mobilenet_v2(0.1, 65, head, classes)
    return Model(graph, scrambled(graph), HEADS[head].task, **changed)


def refitted(graph: Graph, **settings: Any) -> Graph:
    """The same network, for pictures brought to its size another way."""

    def change(op: Op) -> Op:
        return replace(op, **settings) if op.name == "image" else op

    return graph.map(change)


class Says(Predictor):
    """A predictor whose network gives this answer to whatever it sees."""

    def __init__(self, model: Model, answer: Any):
        super().__init__(model)
        self.run = lambda graph, _: {graph.output.name: np.asarray(answer, np.float32)}


@pytest.mark.parametrize("head", sorted(HEADS))
def test_both_readings_say_the_same_of_every_task(head: str) -> None:
    made = model(head)
    ours, theirs = Predictor(made)(PICTURE, 0), Predictor(made, "torch")(PICTURE, 0)
    assert type(ours) is type(theirs) and str(ours)
    match ours, theirs:
        case Classification(), Classification():
            assert [label for label, _ in ours.classes] == [label for label, _ in theirs.classes]
            assert np.allclose([s for _, s in ours.classes], [s for _, s in theirs.classes])
            assert list(ours.classes) == sorted(ours.classes, key=lambda c: -c[1])
        case Boxes(), Boxes():
            assert len(ours.boxes) == len(theirs.boxes) > 0
            for a, b in zip(ours.boxes, theirs.boxes, strict=True):
                assert a.label == b.label and a.score == pytest.approx(b.score, abs=1e-4)
                assert 0 <= a.left <= a.right <= 140 and 0 <= a.top <= a.bottom <= 90
        case Mask(), Mask():
            assert ours.pixels.shape == theirs.pixels.shape == (90, 140)
            assert (ours.pixels == theirs.pixels).mean() > 0.999
        case Pose(), Pose():
            assert np.allclose([p[1:] for p in ours.points], [p[1:] for p in theirs.points], 1e-3)
        case Embedding(), Embedding():
            assert np.allclose(ours.vector, theirs.vector, atol=1e-5)
            assert np.linalg.norm(ours.vector) == pytest.approx(1)
        case _:
            raise AssertionError(ours)


def test_a_picture_is_a_path_bytes_an_array_or_a_pillow_picture(tmp_path: Path) -> None:
    predictor, path = Predictor(model("classifier")), tmp_path / "a.png"
    Pillow.fromarray(PICTURE).save(path)
    sources: list[Any] = [path, str(path), path.read_bytes(), PICTURE, Pillow.open(path)]
    assert len({predictor(source) for source in sources}) == 1
    sources[-1].close()


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
def test_boxes_come_back_to_where_they_are_in_the_picture(fit: str) -> None:
    made = model("ssdlite", labels=("a", "b", "c"))
    made = replace(made, graph=refitted(made.graph, fit=fit))
    _, frame = prepare(Pillow.fromarray(PICTURE), made.graph.image)
    wanted = np.array([30.0, 20.0, 100.0, 70.0])  # in the picture
    seen = (wanted / (140, 90, 140, 90) - (frame.left, frame.top) * 2) / (
        (frame.right - frame.left, frame.bottom - frame.top) * 2
    )
    rows = np.array([[*seen, 0.9, 1], [*seen, 0.29, 0], [-1, -1, 9, 9, 0.5, 2], [0] * 5 + [-1]])
    result = Says(made, rows[:, None])(PICTURE)
    assert isinstance(result, Boxes)
    first, second = result.boxes
    assert (first.label, second.label) == ("b", "c")
    assert [first.left, first.top, first.right, first.bottom] == pytest.approx(wanted, abs=1e-4)
    assert (second.left, second.top, second.right, second.bottom) == (0, 0, 140, 90)


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
def test_points_come_back_to_where_they_are_in_the_picture(fit: str) -> None:
    made = model("pose-light", 17)
    made = replace(made, graph=refitted(made.graph, fit=fit))
    _, frame = prepare(Pillow.fromarray(PICTURE), made.graph.image)
    x = (70 / 140 - frame.left) / (frame.right - frame.left)
    y = (45 / 90 - frame.top) / (frame.bottom - frame.top)
    result = Says(made, [[[x, y, 0.7]]] * 17)(PICTURE)
    assert isinstance(result, Pose)
    assert [point[0] for point in result.points] == list(KEYPOINTS)
    for _, *place in result.points:
        assert place == pytest.approx([70, 45, 0.7], abs=1e-4)


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("size", [(140, 90), (90, 140), (65, 65), (1, 500), (500, 1), (1, 1)])
def test_a_mask_covers_the_picture_pixel_by_pixel(fit: str, size: tuple[int, int]) -> None:
    """Left half class 1, right half class 2, as the network sees it; 0 where it sees nothing."""
    made = model("deeplab")
    made = replace(made, graph=refitted(made.graph, fit=fit, fraction=0.47))
    picture = Pillow.new("RGB", size)
    _, frame = prepare(picture, made.graph.image)
    classes = np.full((65, 65, 1), 1)
    classes[:, 33:] = 2
    result = Says(made, classes)(picture)
    assert isinstance(result, Mask) and result.pixels.shape == size[::-1]
    x, y = (np.arange(size[0]) + 0.5) / size[0], (np.arange(size[1]) + 0.5) / size[1]
    across = (x > frame.left) & (x < frame.right)
    down = (y > frame.top) & (y < frame.bottom)
    middle = frame.left + (frame.right - frame.left) * 33 / 65
    wanted = down[:, None] * across * np.where(x < middle, 1, 2)
    assert np.array_equal(result.pixels, wanted)


def test_a_mask_of_a_needle_takes_no_more_room_than_the_needle() -> None:
    assert places(100_000, 0, 1, 65).shape == (100_000,)
    result = Says(model("deeplab"), np.ones((65, 65, 1)))(Pillow.new("RGB", (10, 100_000)))
    assert isinstance(result, Mask) and result.pixels.all()


def test_a_segmenter_may_look_several_times() -> None:
    made = model("deeplab")
    once, twice = Predictor(made)(PICTURE), Predictor(made)(PICTURE, scales=(1.0,))
    assert isinstance(once, Mask) and isinstance(twice, Mask)
    assert (once.pixels == twice.pixels).mean() > 0.99
    mirrored = PICTURE[:, ::-1]
    for scales in ((1.0,), (0.5, 1.0, 1.5)):
        for reading in ("numpy", "torch"):
            look = Predictor(made, reading)
            here, there = look(PICTURE, 0.3, scales, True), look(mirrored, 0.3, scales, True)
            assert isinstance(here, Mask) and isinstance(there, Mask)
            assert (here.pixels == there.pixels[:, ::-1]).mean() > 0.98


@pytest.mark.parametrize("head", ["classifier", "ssdlite", "pose-light", "embedding"])
def test_only_a_segmenter_may_look_several_times(head: str) -> None:
    with pytest.raises(ValueError, match="for segmenters"):
        Predictor(model(head))(PICTURE, flip=True)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_threshold_is_a_score(threshold: float) -> None:
    with pytest.raises(ValueError, match="scores are 0 to 1"):
        Predictor(model("ssdlite"))(PICTURE, threshold)


@pytest.mark.parametrize("reading", ["numpy", "torch"])
def test_an_answer_that_is_no_number_is_never_given(reading: str) -> None:
    made = model("classifier")
    huge = {name: np.full_like(array, 3e38) for name, array in made.weights.items()}
    with pytest.raises(ValueError, match="not finite"):
        Predictor(replace(made, weights=huge), reading)(PICTURE)


def test_there_are_three_readings() -> None:
    with pytest.raises(ValueError, match="choose numpy, torch, c"):
        Predictor(model("classifier"), "onnx")


@pytest.mark.parametrize(
    ("head", "changed", "reason"),
    [
        ("classifier", {"task": "detect"}, "its answer is Softmax"),
        ("classifier", {"task": "guess"}, "its answer is Softmax"),
        ("deeplab", {"task": "pose"}, "its answer is ArgMax"),
        ("pose-light", {"task": "classify"}, "its answer is Peaks"),
        ("classifier", {"labels": ("a", "b")}, "3 classes, but has 2 labels"),
        ("pose-light", {"labels": ("a",)}, "3 classes, but has 1 labels"),
        ("ssdlite", {"labels": ("a",) * 4}, "3 classes, but has 4 labels"),
    ],
)
def test_a_model_whose_parts_do_not_fit_is_refused(head: str, changed: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Predictor(replace(model(head), **changed))


def test_a_network_of_other_than_three_channels_is_refused() -> None:
    made = model("classifier")
    with pytest.raises(ValueError, match="1 channels; pictures have 3"):
        tasks.check(refitted(made.graph, mean=(0.0,), std=(1.0,)), made.task)


def test_a_model_file_takes_the_labels_it_lacks_and_nothing_else(tmp_path: Path) -> None:
    bare, named = tmp_path / "bare.safetensors", tmp_path / "named.safetensors"
    for head in ("classifier", "deeplab", "ssdlite", "pose-light"):
        weights.save(model(head), bare)
        assert spindle.open_model(bare, labels=("a", "b", "c")).labels == ("a", "b", "c")
        with pytest.raises(ValueError, match="knows 3 classes, but has 1 labels"):
            spindle.open_model(bare, labels=("a",))
    spindle.load(bare, labels=("a", "b", "c")).save(named)
    with pytest.raises(ValueError, match="labels of its own"):
        spindle.open_model(named, labels=("x", "y", "z"))
    with pytest.raises(ValueError, match="size, bgr cannot be changed"):
        spindle.open_model(named, size=64, bgr=True)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (".", "is a folder"),
        ("absent.safetensors", "there is no file"),
        ("mobilenetv2-9.9-224", "none of the paper's points"),
        ("mobilenetv2-1.3-224", "without a hash"),
        ("text.safetensors", "no model file I can open"),
        ("text.txt", "weights end in"),
    ],
)
def test_what_is_no_model_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for text in ("text.safetensors", "text.txt"):
        Path(text).write_text("just a text, longer than eight bytes")
    with pytest.raises(ValueError, match=reason):
        spindle.load(name)


def test_a_class_without_a_label_has_a_number() -> None:
    result = Predictor(model("classifier"))(PICTURE)
    assert isinstance(result, Classification)
    assert {label for label, _ in result.classes} == {"class 0", "class 1", "class 2"}


def test_the_classes_of_a_detector_are_those_it_can_name() -> None:
    made = model("ssdlite", 5)
    detect = made.graph.ops[-1]
    assert isinstance(detect, Detect) and detect.inputs[1].shape[2] == 6
    result = Predictor(replace(made, labels=tuple("abcde")))(PICTURE, 0)
    assert isinstance(result, Boxes) and {box.label for box in result.boxes} <= set("abcde")


def test_a_segmenter_is_known_by_its_arg_max_and_not_by_names() -> None:
    g = Builder((33, 33))
    scores = g.conv(g.conv(g.image, "stem", 8, 3, 2), "scores", 4, act=None, norm=None)
    large = g.resize(scores, "large", like=g.image, corners=True)
    graph = g.graph(g.add(ArgMax("answer", (large,))))
    predictor = Predictor(Model(graph, scrambled(graph), "segment"))
    picture = scene(3, 50, 40).picture
    for result in (predictor(picture), predictor(picture, scales=(0.5, 1.0), flip=True)):
        assert isinstance(result, Mask)
        assert result.pixels.shape == (50, 40) and len(result.labels) == 4


def test_a_list_gives_a_list_in_its_order(tmp_path: Path) -> None:
    predictor = Predictor(model("classifier"))
    pictures = [scene(number, 60, 80).picture for number in range(5)]
    alone = [predictor(picture) for picture in pictures]
    Pillow.fromarray(pictures[1]).save(path := tmp_path / "a.png")
    mixed = [pictures[0], path, Pillow.fromarray(pictures[2]), *pictures[3:]]
    assert predictor(mixed) == predictor(tuple(mixed)) == alone and predictor([]) == []
    assert len(set(alone)) == 5
    with pytest.raises(Unreadable, match="absent.png cannot be read"):
        predictor([PICTURE, "absent.png"])


def test_a_frame_of_a_video_is_a_picture() -> None:
    class Frame:
        def to_image(self) -> Pillow.Image:
            return Pillow.fromarray(PICTURE)

    for head in ("classifier", "ssdlite"):
        predictor = Predictor(model(head))
        assert predictor(Frame(), 0) == predictor(PICTURE, 0)
        assert predictor([Frame()], 0) == [predictor(PICTURE, 0)]


@pytest.mark.parametrize("reading", ["numpy", "torch", None])
def test_a_predictor_goes_to_another_process(reading: str | None) -> None:
    here = Predictor(model("classifier", labels=("a", "b", "c")), reading, 2)
    there = pickle.loads(pickle.dumps(here))  # noqa: S301 (our own)
    assert there(PICTURE) == here(PICTURE)
    assert there.names == ("a", "b", "c") and there.run.threads == 2


def test_a_predictor_is_printed_short() -> None:
    assert repr(Predictor(model("classifier"))) == "Predictor(classify, 65 x 65, 3 names)"


def test_as_many_classes_as_are_asked_for() -> None:
    whole: Any = Predictor(model("classifier"))(PICTURE)
    first: Any = Predictor(model("classifier"))(PICTURE, top=2)
    assert first.classes == whole.classes[:2]
    with pytest.raises(ValueError, match="the first -1 classes are none: say 1 or more"):
        Predictor(model("classifier"))(PICTURE, top=-1)


def test_threads_are_one_or_more(tmp_path: Path) -> None:
    weights.save(model("classifier"), tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match="0 threads run nothing"):
        spindle.load(tmp_path / "m.safetensors", threads=0)


def shapes(folder: Path) -> Path:
    draw_data(folder, "classify", 60, 32)
    return folder


def test_a_model_is_taught_and_judged(tmp_path: Path) -> None:
    data = shapes(tmp_path / "shapes")
    start = Predictor(model("classifier"))
    taught = start.train(data, tmp_path / "run", "tiny", 32, epochs=1)
    assert (tmp_path / "run" / "model.safetensors").exists() and taught.task == "classify"
    found = parted(find(data))
    assert taught.names == found.labels
    scores = taught.evaluate(data)
    right = 0
    for sample in found.splits["val"]:
        result: Any = taught(sample.picture)
        right += result.classes[0][0] == found.labels[sample.kind]
    assert scores["top1"] == pytest.approx(right / len(found.splits["val"]))
    assert set(scores["classes"]) == set(found.labels)
    with pytest.raises(ValueError, match="no class in common"):
        Predictor(model("classifier", labels=("x", "y", "z"))).evaluate(data)
    with pytest.raises(ValueError, match="there is no recipe 'soup'"):
        start.train(data, tmp_path / "other", "soup")


def test_a_model_is_measured() -> None:
    done = Predictor(model("classifier")).bench(rounds=1, against=("torch",))
    found = [*(result.runtime for result in done.results), *done.absent]
    assert sorted(found) == ["spindle", "torch"]
