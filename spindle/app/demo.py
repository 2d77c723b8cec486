"""The whole of it on pictures drawn on the spot: draw a network, teach it, keep it, use it."""

from __future__ import annotations

import time
from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np

from spindle import training
from spindle.app import table
from spindle.app.bench import measure
from spindle.app.draw import contact_sheet, draw_result
from spindle.app.peers.prepare import PEERS
from spindle.app.predictor import Predictor, load
from spindle.app.progress import Bar
from spindle.app.report import latency
from spindle.app.standings import show_bench
from spindle.app.watching import Watcher
from spindle.compiler import build, reference
from spindle.compiler.library import Library
from spindle.compiler.targets import target
from spindle.data.datasets import find
from spindle.data.drawn import draw_data
from spindle.data.preprocess import Picture, read_picture
from spindle.data.results import Classification, Result
from spindle.data.samples import Dataset
from spindle.data.synthetic import scene
from spindle.model import atomic
from spindle.model.family import mobilenet_v2
from spindle.model.heads import HEADS
from spindle.model.weights import initial

NUMBER, SIZE = 2500, 64  # pictures that are drawn, one in five of them to judge by
ROUNDS = 3
QUICK = tuple(name for name in PEERS if name != "executorch")  # whose file takes half a minute
LESSON = {"epochs": 14, "crop": "none", "colour": 0.0, "judge_every": 7}


def demo(out: str = "demo") -> int:
    """The whole of it, on pictures drawn on the spot.

    out: the folder to write to
    Example: spindle demo --out demo
    """
    return demonstrate(Path(out))


def demonstrate(folder: Path) -> int:
    """Runs the demo and leaves its files in `folder`; 0 if everything held."""
    recipe = training.named("quick", **LESSON)  # before anything is drawn: torch may be absent
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    graph = mobilenet_v2()
    said("the paper's network", f"{graph.madds:,} multiply-adds, {graph.params:,} parameters")

    pictures, run = folder / "pictures", folder / "run"
    data = drawn(pictures)
    exam = data.splits["val"]
    said("drawn and found", f"{data.form}: {len(data.splits['train'])} to learn from, "
         f"{len(exam)} to judge by")  # fmt: skip
    watcher = Watcher(run, data.task)
    taught = training.train(data, run, recipe, watch=watcher, width=0.35, size=SIZE)
    watcher.bar.end()
    usual = max(Counter(sample.kind for sample in exam).values()) / len(exam)
    top1 = taught.metrics["top1"]
    said("it learned", f"{top1:.1%} of {len(exam)} unseen shapes right (guessing: {usual:.1%})")
    small = taught.graph
    said("a small one", f"width 0.35 at {SIZE} px, {small.madds:,} multiply-adds, "
         f"{small.params:,} parameters")  # fmt: skip

    path = run / "model.safetensors"
    ours, theirs = load(path, "numpy"), load(path, "torch")
    shown = [read_picture(sample.picture) for sample in exam]
    results = [ours(picture) for picture in shown]
    same = sum(
        named(theirs(picture)) == named(result)
        for picture, result in zip(shown, results, strict=True)
    )
    sheet = [
        draw_result(picture.resize((256, 256)), result)
        for picture, result in zip(shown[:: len(shown) // 12][:12], results[:: len(shown) // 12])
    ]
    png = BytesIO()
    contact_sheet(sheet, columns=6, side=270).save(png, "png")
    atomic.write(folder / "shapes.png", png.getvalue())
    said("one graph, two readings", f"numpy and torch agree on {same} of {len(exam)}")
    swift = compiled(ours, run, list(zip(shown, results, strict=True)))
    apart = max(disagreement(name) for name in HEADS)
    said(f"all {len(HEADS)} heads",
         f"numpy and torch apart by {apart:.0e} at most, of the largest number")  # fmt: skip
    left = f"{path}, {run / 'curves.png'}, {folder / 'shapes.png'}"
    said("left behind", f"{left} ({time.monotonic() - began:.0f} s)")
    return 0 if top1 > 0.8 and same == len(exam) and swift and apart < 1e-4 else 1


def compiled(ours: Predictor, run: Path, seen: list[tuple[Picture, Result]]) -> bool:
    """Makes a library of what was learnt, if that can be done here; whether it says the same."""
    try:
        build.find(target())
    except ValueError as error:
        said("not compiled", str(error))
        return True
    library = ours.compile(run / f"model{target().suffix}")
    theirs = load(library)
    same = sum(named(theirs(picture)) == named(result) for picture, result in seen)
    size = library.stat().st_size / 1e6
    said("compiled", f"{library}, {size:.1f} MB; agrees with numpy on {same} of {len(seen)}")
    bar = Bar("measuring", 0)
    bench = measure("the same beside others", ours.model, rounds=ROUNDS, against=QUICK,
                    say=lambda what: bar.show(0, what))  # fmt: skip
    bar.end()
    print(f"\n{show_bench(bench)}\n", flush=True)
    return same == len(seen) and shrunk(ours, library, run)


def shrunk(ours: Predictor, library: Path, run: Path) -> bool:
    """The same in bytes, and what that is worth beside float32; whether it lost little."""
    pictures = run.parent / "pictures"
    small = ours.quantize(pictures)
    small.save(run / "model-int8.safetensors")
    bytewise = small.compile(run / f"model-int8{target().suffix}")
    right, rows = [], [f"{'format':<12}{'right':>8}{'ms':>9}{'MB':>7}{'works in':>12}"]
    for name, path in (("float32", library), ("int8", bytewise)):
        judged = float(load(path).evaluate(pictures)["top1"])
        fast = latency.measured(None, Library(path))
        assert fast
        right.append(judged)
        rows.append(
            f"{name:<12}{judged:>8.1%}{fast.least:>9.3f}{path.stat().st_size / 1e6:>7.2f}"
            f"{fast.arena:>12,}"
        )
    print("\n".join(rows) + "\n", flush=True)
    return right[1] > right[0] - 0.02


def drawn(folder: Path) -> Dataset:
    """A folder of drawn shapes, as somebody might keep photographs."""
    bar = Bar("drawing", NUMBER, "pictures")
    draw_data(folder, "classify", NUMBER, SIZE, show=lambda done, total: bar.show(done))
    bar.end()
    return find(folder)


def said(what: str, how: str) -> None:
    print(f"{table.bold(f'{what:<24}')} {how}", flush=True)


def named(result: object) -> str:
    assert isinstance(result, Classification)
    return result.classes[0][0]


def disagreement(head: str) -> float:
    """How far numpy and torch are apart on the last numbers of a head, before it decides."""
    last = {
        "detect": ("boxes", "classes"),
        "segment": ("logits",),
        "pose": ("heatmaps",),
        "embed": ("embedding",),
    }
    graph = mobilenet_v2(0.35, 97, head).until(*last.get(HEADS[head].task, ("logits",)))
    weights, picture = initial(graph), scene(0, 97, 97).picture
    ours, theirs = reference.run(graph, weights, picture), training.reader(graph, weights)(picture)
    return max(
        float(np.abs(ours[name] - theirs[name]).max() / np.abs(ours[name]).max()) for name in ours
    )
