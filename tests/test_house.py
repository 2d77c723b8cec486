"""The shape of the house, kept true by reading it: floors, doors, guests, sizes and the map."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import spindle

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "spindle"
FLOORS = ("model", "data", "training", "compiler", "app")  # a file imports its own floor or below
CLOSED = {("compiler", "training"), ("training", "compiler")}  # they meet only in the weights
GUESTS = {
    "model": {"numpy", "safetensors"},
    "data": {"numpy", "PIL"},
    "training": {"numpy", "safetensors", "torch", "h5py"},
    "compiler": {"numpy"},
    "app": {"numpy", "PIL", "av", "onnxruntime"},
    "peers": {
        "numpy", "PIL", "torch", "ai_edge_litert", "executorch", "ncnn", "onnxruntime", "openvino"
    },
    "exports": {"numpy", "torch", "coremltools", "executorch", "openvino"},
}  # fmt: skip
EXTRAS = {"av", "onnxruntime"}  # guests of a room or two, which most people do without
FILES = sorted(PACKAGE.rglob("*.py"))
NAMES = [
    "Boxes", "Builder", "Classification", "Embedding", "FAMILIES", "Graph", "Mask", "Model", "Pose",
    "Predictor", "VARIANTS", "load", "memory", "mobilenet_v1", "mobilenet_v2", "open_model",
]  # fmt: skip


def module(path: Path) -> str:
    parts = ("spindle", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


MODULES = {module(path) for path in FILES}


def imports(path: Path) -> Iterator[str]:
    """The modules a file imports; `from package import module` means the module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: say where it comes from"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else str(node.module)


def floor(path: Path) -> str | None:
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else None


def lodging(path: Path) -> str:
    """Whose guests a file may have: its floor's, but for the peers and what is written for them."""
    return path.parent.name if path.parent.name in GUESTS else str(floor(path))


def behind(path: Path) -> set[str]:
    """What a file imports, and for a door what may open behind it."""
    stub = path.with_suffix(".pyi")
    return {*imports(path), *(imports(stub) if stub.exists() else ())}


@pytest.mark.parametrize("path", [path for path in FILES if floor(path)], ids=module)
def test_arrows_point_down(path: Path) -> None:
    here = str(floor(path))
    for name in behind(path):
        if name.startswith("spindle.") and name.split(".")[1] in FLOORS:
            there = name.split(".")[1]
            assert FLOORS.index(there) <= FLOORS.index(here), f"{path} looks up to {name}"
            assert (here, there) not in CLOSED, f"{path} opens the closed door to {name}"


@pytest.mark.parametrize("path", FILES, ids=module)
def test_guests_are_on_the_list(path: Path) -> None:
    roots = {name.split(".")[0] for name in imports(path)}
    guests = roots - set(sys.stdlib_module_names) - {"spindle"}
    assert guests <= GUESTS.get(lodging(path), set())


def test_there_are_no_circles() -> None:
    arrows = {module(path): behind(path) - {module(path)} for path in FILES}
    TopologicalSorter(arrows).prepare()  # raises CycleError


@pytest.mark.parametrize("path", FILES, ids=module)
def test_nothing_is_imported_late(path: Path) -> None:
    tree = ast.parse(path.read_text())
    every = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    assert all(node in tree.body for node in every), "an import stands at the top"
    if path.name != "door.py":
        assert "import_module" not in path.read_text() and "__import__" not in path.read_text()


KERNELS = (ROOT / "spindle" / "compiler" / "kernels").iterdir()
ALL = [*FILES, *(ROOT / "tests").rglob("*.py"), *KERNELS]


@pytest.mark.parametrize("path", ALL, ids=lambda p: p.name)
def test_every_file_fits_in_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 350
    assert path.stem not in {"utils", "helpers", "common", "misc"}


def test_the_map_in_the_readme_is_the_house() -> None:
    lines = re.findall(r"^    (\S+\.py) +(\S.*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    said = {
        path.relative_to(PACKAGE).as_posix(): ast.get_docstring(ast.parse(path.read_text()))
        for path in FILES
    }
    assert dict(lines) == {name: (doc or "").splitlines()[0] for name, doc in said.items()}


def test_every_name_in_front_is_there_and_no_other() -> None:
    assert spindle.__all__ == sorted(NAMES)
    for name in NAMES:
        assert getattr(spindle, name) is not None
    assert dir(spindle) == sorted(NAMES)
    with pytest.raises(AttributeError, match="has no 'Nonsense'"):
        spindle.Nonsense  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize(
    "door",
    [
        "spindle",
        "spindle.data",
        "spindle.training",
        "spindle.compiler",
        "spindle.app",
        "spindle.app.later",
        "spindle.app.asked",
        "spindle.app.report",
    ],
)
def test_a_door_opens_on_what_its_stub_says(door: str) -> None:
    package = importlib.import_module(door)
    tree = ast.parse(Path(str(package.__file__)).with_suffix(".pyi").read_text())
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                try:
                    room = importlib.import_module(str(node.module))
                except ModuleNotFoundError as absent:
                    assert absent.name in EXTRAS  # the room opens where its guest is installed
                    continue
                assert alias.asname == alias.name
                assert node.module != f"{door}.{alias.name}", "a room would take the name's place"
                assert getattr(package, alias.name) is getattr(room, alias.name)


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def test_importing_spindle_is_light() -> None:
    code = "import time; t = time.process_time(); import spindle; print(time.process_time() - t)"
    assert min(float(run(code)) for _ in range(3)) < 0.15
    guests = run("import sys, spindle; print({'torch', 'numpy', 'PIL'} & set(sys.modules))")
    assert guests.strip() == "set()"


def test_an_absent_extra_says_how_to_get_it() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from spindle import training\n"
        "try: training.Network\n"
        "except ModuleNotFoundError as error: print(error)"
    )
    assert (
        run(code).strip() == "Network needs torch, which is not here: pip install 'spindle[train]'"
    )
