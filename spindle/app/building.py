"""How does a model become a library, and where is it put?"""

from __future__ import annotations

import json as jsonlib
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spindle import compiler
from spindle.app.opening import open_model
from spindle.app.quantizing import quantize_model
from spindle.compiler import build, folder, stamp, targets
from spindle.compiler.library import Library
from spindle.compiler.source import Source
from spindle.compiler.targets import LIBRARIES, Target
from spindle.model import atomic
from spindle.model.weights import Model

PATIENCE = 2.0  # seconds after which a person wants to hear what goes on


def compile_(
    model: str,
    out: str | None = None,
    target: str | None = None,
    threads: int = 1,
    memory: int | None = None,
    tune: bool = False,
    int8: bool = False,
    bf16: bool = False,
    calibrate: str | None = None,
    emit_c: str | None = None,
    explain: bool = False,
    json: bool = False,
) -> int:
    """Makes one fast file of a model: a shared library, wasm for browsers, or a folder of C.

    model: a model file, a published point, or weights of another project
    out: the file to write (model.so here, or as such files end where it is to run)
    target: native, x86-64-v3, x86-64-v4, aarch64-linux, aarch64-macos, x86_64-windows, wasm32 ...
    threads: how many may share one picture
    memory: the bytes that it may work in; the fastest plan that fits them is taken
    tune: measure plans on this machine, and remember the best
    int8: in bytes, a quarter as large and faster: as quantize makes it
    bf16: half of its numbers in 16 bits: smaller, and faster where the CPU has instructions for it
    calibrate: pictures to set the ranges of bytes by
    emit_c: a folder to write the C to, which builds anywhere unless a target is said
    explain: print the plan
    json: what was written as JSON
    Example: spindle compile run/model.safetensors -o model.so --threads 2
    """
    portable = target == "c" or (emit_c is not None and target is None and out is None)
    if target == "c" and (out or not emit_c):
        raise ValueError("the target c is a folder, not a file: say --emit-c DIR, and no --out")
    chosen = targets.target("c" if portable else target or "native")
    path = Path(out or f"model{chosen.suffix}")
    builds = not portable and bool(out or not (emit_c or explain))
    if builds:
        ready(path, chosen)  # before anything is fetched or planned
    opened = open_model(model)
    in_bytes = int8 or calibrate is not None
    chosen = brief(chosen, opened, in_bytes) if bf16 else chosen
    opened = quantize_model(opened, calibrate).model if in_bytes else opened
    source = planned(opened, chosen, threads, memory, tune)
    if explain and not json:
        print(compiler.explain(opened, chosen, threads, memory))
    known: dict[str, Any] = {"target": chosen.name, "arena": source.arena}
    said = []
    if emit_c:
        known["folder"] = str(folder.write(source, chosen, Path(emit_c)))
        said.append(f"{emit_c}: the C, and how to build it")
    if builds:
        size = build_there(source, chosen, path).stat().st_size
        known |= {"library": str(path), "bytes": size}
        said.append(
            f"{path}: {chosen.name}, {size / 1e6:.1f} MB; works in {source.arena / 1e6:.2f} MB more"
        )
    if said or json:
        print(jsonlib.dumps(known) if json else "\n".join(said))
    return 0


def compile_model(
    model: Model,
    path: str | Path,
    target: str = "native",
    threads: int = 1,
    memory: int | None = None,
    tune: bool = False,
    bf16: bool = False,
) -> Path:
    """Writes the library of a model, for this machine or another."""
    chosen = targets.target(target)
    ready(Path(path), chosen)
    chosen = brief(chosen, model) if bf16 else chosen
    return build_there(planned(model, chosen, threads, memory, tune), chosen, Path(path))


def brief(chosen: Target, model: Model, in_bytes: bool = False) -> Target:
    """The machine with numbers of 16 bits; one line if it has no instructions for them."""
    if in_bytes or model.graph.of_bytes:
        raise ValueError("a network is in bf16 or in bytes, never in both: leave one of them away")
    chosen = targets.brief(chosen)
    if not targets.swift(chosen):
        who = "this CPU" if chosen.name == "native" else f"the target {chosen.name}"
        told = f"{who} is not known to have instructions for bf16: right and small, but slower"
        print(f"spindle: {told}", file=sys.stderr)
    return chosen


def built(model: Model, threads: int = 1) -> Library:
    """A model compiled for this machine, by the cache if it has been compiled before."""
    chosen = targets.target()
    source = planned(model, chosen, threads)
    with saying("building it"):
        library: Library = build.from_cache(source, chosen, lambda path: Library(path, threads))
    return library


def planned(
    model: Model, target: Target, threads: int, memory: int | None = None, tune: bool = False
) -> Source:
    if threads > 1 and not target.threads:
        raise ValueError(f"on {target.name} threads cannot share a picture: leave --threads away")
    with saying("measuring plans" if tune else "planning"):
        return compiler.compile(model, target, threads=threads, memory=memory, tune=tune)


def ready(out: Path, target: Target) -> None:
    """That a library may be written there: where `load` knows it again, and over nothing else."""
    if out.is_dir():
        raise ValueError(f"{out} is a folder: name a file such as model{target.suffix}")
    if out.exists() and out.stat().st_size and not stamp.ours(out):
        raise ValueError(f"{out} is there already and is no library of ours: choose another name")
    endings = [end for end in LIBRARIES if (end == ".wasm") == (target.system == "wasm")]
    if target.suffix and out.suffix not in endings:
        raise ValueError(
            f"{out} is no name for a library for {target.name}: let it end in {target.suffix}"
        )
    atomic.placed(out)


def build_there(source: Source, target: Target, out: Path) -> Path:
    ready(out, target)
    with saying(f"building for {target.name}"):
        return build.build(source, target, out)


@contextmanager
def saying(what: str) -> Iterator[None]:
    """Says what goes on, if it goes on for long."""
    timer = threading.Timer(PATIENCE, lambda: print(f"spindle: {what} ...", file=sys.stderr))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
