"""Who was quickest?  A bench as a table for the terminal, and as bars to look at."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from PIL import Image as Pillow
from PIL import ImageDraw

from spindle.app.bench import Bench, Result
from spindle.app.entries import OURS
from spindle.app.table import accent, bold, dim
from spindle.compiler.pipeline import Layer
from spindle.data.paint import ACCENT, INK, PAPER, Colour, font
from spindle.data.preprocess import Picture

BLUE: Colour = (92, 110, 148)
GREY: Colour = (214, 216, 222)
WIDE, ROW, LEFT, RIGHT, SCALE = 640, 26, 130, 90, 2


def show_bench(bench: Bench) -> str:
    """Each run's runtimes, the quickest first."""
    at = bench.machine
    lines = [bold(bench.title), dim(f"{at.processor}, {at.cores} cores, {at.vectors}; {at.system}")]
    if bench.peaks:
        floor = 2e-6 * bench.madds / bench.peak_gflops
        core = f"one core: {bench.peak_gflops:.0f} GFLOP/s, copies at {bench.copy_gbps:.0f} GB/s"
        lines.append(dim(f"{core}; so no less than {floor:.2f} ms in float32"))
    for (precision, threads), results in grouped(bench):
        pictures = f", {results[0].batch} pictures at a time" if results[0].batch > 1 else ""
        lines += [
            "",
            f"  {precision}, {counted(threads)}{pictures}; {bench.rounds} rounds in turns",
        ]
        if precision == "int8":
            lines.append(dim("  the others are given one scale for each tensor" + bench.remark))
        lines.append(dim(heading()))
        best = min((r.min_ms for r in results if r.runtime != OURS), default=results[0].min_ms)
        lines += [row(result, best) for result in results]
    if bench.starts:
        lines += ["", "  from the start of a process to the first label of a JPEG"]
        lines.append(dim(f"  {'':<14} {'min ms':>9} {'median':>9}"))
        lines += [
            coloured(one.runtime, f"  {one.runtime:<14} {one.min_ms:>9.1f} {one.median_ms:>9.1f}")
            for one in sorted(bench.starts, key=lambda one: one.min_ms)
        ]
    if bench.absent:
        lines.append("")
        lines += [f"  {name:<14} {reason}" for name, reason in bench.absent.items()]
    says = (
        "ratio: of the least time to the best peer's; MB: at the peak, above Python with numpy; "
        "same: of what the definition names"
    )
    lines += ["", dim(f"  {says}")]
    for precision, layers in bench.layers.items():
        lines.append(show_layers(precision, layers, bench.peak_gflops))
    return "\n".join(lines)


def show_layers(precision: str, layers: Sequence[Layer], peak_gflops: float) -> str:
    """Each group of ops: its cost, its time, and how near the core's float32 peak it comes."""
    total = sum(layer.ms for layer in layers)
    head = f"{'multiply-adds':>14} {'ms':>8} {'at best':>8} {'of peak':>8}"
    title = f"spindle, {precision}, 1 thread; peak: of float32"
    lines = ["", dim(f"  {title:<44} {head}")]
    for layer in layers:
        best = 2e-6 * layer.madds / peak_gflops
        near = f"{best / layer.ms:>8.0%}" if layer.madds else f"{'':>8}"
        lines.append(
            f"  {joined(layer.ops):<44} {layer.madds:>14,} {layer.ms:>8.3f} {best:>8.3f} {near} "
            f"{layer.ms / total:>5.0%}"
        )
    return "\n".join(lines)


def joined(ops: tuple[str, ...]) -> str:
    """The names of a group, its stage said once."""
    stage = ops[-1].split("_")[0]
    text = " + ".join(name.removeprefix(f"{stage}_") for name in ops)
    return text if stage in text else f"{stage}: {text}"


def grouped(bench: Bench) -> list[tuple[tuple[str, int], list[Result]]]:
    def run(result: Result) -> tuple[str, int]:
        return result.precision, result.threads

    return [
        (key, sorted(results, key=lambda result: result.min_ms))
        for key, results in groupby(bench.results, run)
    ]


def counted(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"


def heading() -> str:
    names = f"{'min ms':>9} {'median':>9} {'p90':>9} {'a second':>9} {'ratio':>6}"
    return f"  {'':<14} {names} {'MB':>7} {'arena':>11} {'error':>8} {'same':>5}"


def row(result: Result, best: float) -> str:
    arena = "" if result.arena_bytes is None else f"{result.arena_bytes:,}"
    return coloured(
        result.runtime,
        f"  {result.runtime:<14} {result.min_ms:>9.3f} {result.median_ms:>9.3f} "
        f"{result.p90_ms:>9.3f} {result.pictures:>9.1f} {result.min_ms / best:>6.2f} "
        f"{result.rss_mb:>7.1f} {arena:>11} {result.max_error:>8.0e} "
        f"{result.agreement:>5.0%}",
    )


def coloured(runtime: str, line: str) -> str:
    return accent(line) if runtime == OURS else line


def draw_bench(bench: Bench) -> Picture:
    """A bar for each runtime, as long as its least time; the thin line goes on to its median."""
    groups = grouped(bench)
    rows = sum(len(results) + 2 for _, results in groups) + 2
    sheet = Pillow.new("RGB", (WIDE * SCALE, ROW * rows * SCALE), PAPER)
    pen, face, top = ImageDraw.Draw(sheet), font(0.9 * SCALE), ROW
    pen.text((12 * SCALE, top // 2 * SCALE), bench.title, INK, font(SCALE), "lm")
    for (precision, threads), results in groups:
        longest = max(result.median_ms for result in results)
        title = f"{precision}, {counted(threads)}: milliseconds, least and median"
        pen.text((12 * SCALE, (top + ROW) * SCALE), title, INK, face, "lm")
        for number, result in enumerate(results):
            middle = top + ROW * (number + 2)
            reach = (WIDE - LEFT - RIGHT) / longest
            least, median = (LEFT + ms * reach for ms in (result.min_ms, result.median_ms))
            ink = ACCENT if result.runtime == OURS else BLUE
            pen.line([x * SCALE for x in (least, middle, median, middle)], GREY, 3 * SCALE)
            box = LEFT, middle - 8, least, middle + 8
            pen.rectangle([side * SCALE for side in box], ink)
            pen.text(((LEFT - 8) * SCALE, middle * SCALE), result.runtime, INK, face, "rm")
            said = f"{result.min_ms:.3g}, {result.median_ms:.3g}"
            pen.text(((median + 8) * SCALE, middle * SCALE), said, INK, face, "lm")
        top += ROW * (len(results) + 2)
    return sheet
