"""The folder of C builds by itself, and its example says what the network says."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spindle.compiler import folder
from spindle.compiler.targets import target
from spindle.model import atomic
from tests import trivial

PICTURE = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)  # sums 198, 210, 222
FOUND = {
    "zig": f"{sys.executable} -m ziglang cc" if find_spec("ziglang") else "",
    "clang": shutil.which("clang"),
    "gcc": shutil.which("gcc"),
}
COMPILERS = {name: command for name, command in FOUND.items() if command}
ANY = [command.split() for command in COMPILERS.values()][-1:]  # the quickest to begin
some_compiler = pytest.mark.skipif(not ANY, reason="there is no C compiler here")
SAID = {
    "classify": "420.0000  green\n198.0000  red\n-666.0000  blue\n",
    "pose": "-666.0000  red  x 198.000 y 420.000\n",
    "embed": "198 420 -666\n",
}


def need(program: str) -> None:
    if not shutil.which(program):
        pytest.skip(f"{program} is absent")


def seen(room: Path, program: str = "./main") -> subprocess.CompletedProcess[str]:
    """What the example says of the picture."""
    (room / "p.ppm").write_bytes(b"P6\n# drawn by a test\n4 3 255\n" + PICTURE.tobytes())
    words = [program, "weights.bin", "p.ppm"]
    return subprocess.run(words, cwd=room, capture_output=True, text=True)


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("task", SAID)
def test_it_builds_with_every_compiler_and_answers(
    task: str, compiler: str, tmp_path: Path
) -> None:
    need("make")
    room = folder.write(trivial.source(task=task), target("c"), tmp_path / "c")
    flags = "-O1 -Werror"
    subprocess.run(
        ["make", "-s", f"CC={COMPILERS[compiler]}", f"CFLAGS={flags}"], cwd=room, check=True
    )
    done = seen(room)
    assert (done.returncode, done.stdout) == (0, SAID[task]), done.stderr


@some_compiler
def test_boxes_and_masks_are_said_too(tmp_path: Path) -> None:
    mask = [{"name": "mask", "shape": [1, 1, 1], "dtype": "int32"}]
    box = [{"name": "boxes", "shape": [1, 1, 6], "dtype": "float32"}]
    for task, outputs, body, said in (
        ("segment", mask, "((int *)outputs[0])[0] = 2;", "100.0 %  blue\n"),
        ("detect", box, "for (int i = 0; i < 6; i++) ((float *)outputs[0])[i] = 1;",
         "1.0000  green  left 1.000 top 1.000 right 1.000 bottom 1.000\n"),
    ):  # fmt: skip
        source = trivial.source(task=task, outputs=outputs)
        room = folder.write(source, target("c"), tmp_path / task)
        code = "#include <stddef.h>\n" + (room / "model.h").read_text() + RUN.replace("BODY", body)
        (room / "model.c").write_text(code)
        words = [*ANY[0], "-std=c11", "main.c", "model.c", "-o", "main"]
        subprocess.run(words, cwd=room, check=True)
        assert seen(room).stdout == said


RUN = """
size_t model_arena(int width, int height) { return (size_t)(width * height); }
int model_run(const void *weights, void *arena, const uint8_t *rgb, int width, int height,
              void *const *outputs)
{
    (void)weights, (void)arena, (void)rgb, (void)width, (void)height;
    BODY
    return model_ok;
}
"""


def test_it_builds_with_cmake(tmp_path: Path) -> None:
    need("cmake")
    need("gcc")
    room = folder.write(trivial.source(), target("c"), tmp_path / "c")
    for words in (["-B", "build"], ["--build", "build"]):
        subprocess.run(["cmake", *words], cwd=room, check=True, capture_output=True)
    assert seen(room, "build/main").stdout == SAID["classify"]


@some_compiler
def test_bad_files_are_told(tmp_path: Path) -> None:
    room = folder.write(trivial.source(), target("c"), tmp_path / "c")
    words = [*ANY[0], "-std=c11", "main.c", "model.c", "-o", "main"]
    subprocess.run(words, cwd=room, check=True)
    (room / "longer.bin").write_bytes(bytes(4 * trivial.WEIGHTS.nbytes))
    for content, weights in (
        (b"P5 4 3 255\n" + bytes(36), "weights.bin"),
        (b"P6 4 3 255\n" + bytes(35), "weights.bin"),
        (b"P6 99999 99999 255\n", "weights.bin"),
        (b"P6 -4 3 255\n" + bytes(36), "weights.bin"),
        (b"", "weights.bin"),
        (b"P6 4 3 255\n" + bytes(36), "gone.bin"),
        (b"P6 4 3 255\n" + bytes(36), "longer.bin"),  # another network's
    ):
        (room / "p.ppm").write_bytes(content)
        done = subprocess.run(["./main", weights, "p.ppm"], cwd=room, capture_output=True)
        assert done.returncode == 1 and done.stderr and not done.stdout


def test_the_folder_holds_what_is_needed_and_no_more(tmp_path: Path) -> None:
    room = folder.write(trivial.source(), target("c"), tmp_path / "c")
    files = {path.relative_to(room).as_posix() for path in room.rglob("*") if path.is_file()}
    assert files == {
        "model.c", "model.h", "weights.bin", "main.c", "answer.h", "Makefile", "CMakeLists.txt",
        "kernels/simd.h", "kernels/walk.h",
    }  # fmt: skip
    assert (room / "weights.bin").read_bytes() == trivial.WEIGHTS.tobytes()


@pytest.mark.skipif(not shutil.which("make"), reason="make is absent")
def test_flags_of_whoever_makes_it_come_beside_those_it_needs(tmp_path: Path) -> None:
    room = folder.write(trivial.source(), target("x86-64-v3"), tmp_path / "c")
    words = ["make", "-n", "CFLAGS=-Os"]
    said = subprocess.run(words, cwd=room, capture_output=True, text=True, check=True).stdout
    for flag in ("-Os", "-std=c11", "-ffp-contract=off", "-march=x86-64-v3"):
        assert said.count(flag) == 3, flag


def test_headers_are_followed_to_the_end() -> None:
    assert folder.included('#include "kernels/walk.h"\n#include "other.h"\n') == {
        "kernels/walk.h", "kernels/simd.h"
    }  # fmt: skip


@pytest.mark.skipif(not shutil.which("gcc"), reason="gcc is absent")
def test_a_machine_that_reads_the_weights_backwards_is_refused(tmp_path: Path) -> None:
    room = folder.write(trivial.source(), target("c"), tmp_path / "c")
    big = ("-Wno-builtin-macro-redefined", "-D__BYTE_ORDER__=__ORDER_BIG_ENDIAN__")
    words = ["gcc", "-std=c11", *big, "-fsyntax-only", "model.c"]
    done = subprocess.run(words, cwd=room, capture_output=True, text=True)
    assert done.returncode and "the weights are little-endian" in done.stderr


def test_wider_vectors_are_asked_for(tmp_path: Path) -> None:
    room = folder.write(trivial.source(), target("x86-64-v3"), tmp_path / "c")
    for name in ("Makefile", "CMakeLists.txt", "model.h"):
        assert "-march=x86-64-v3" in (room / name).read_text()


def test_nothing_of_anybody_else_is_written_over(tmp_path: Path) -> None:
    room = tmp_path / "c"
    for _ in range(2):  # over our own we may
        folder.write(trivial.source(), target("c"), room)
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "model.h").write_text("#define THEIRS\n")
    with pytest.raises(ValueError, match="theirs is not empty and is no folder of ours"):
        folder.write(trivial.source(), target("c"), tmp_path / "theirs")
    with pytest.raises(ValueError, match="is a file: name a folder"):
        folder.write(trivial.source(), target("c"), room / "model.c")
    (tmp_path / "empty").mkdir()
    folder.write(trivial.source(), target("c"), tmp_path / "empty")


@pytest.mark.parametrize("done", range(5))
def test_what_a_full_disk_has_left_can_be_finished(
    tmp_path: Path, done: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, usual, written = tmp_path / "c", atomic.write, list[Path]()

    def full(path: Path, content: bytes) -> None:
        if len(written) == done:
            raise OSError(28, "No space left on device", str(path))
        written.append(path)
        usual(path, content)

    monkeypatch.setattr(atomic, "write", full)
    with pytest.raises(OSError, match="No space left"):
        folder.write(trivial.source(), target("c"), room)
    monkeypatch.setattr(atomic, "write", usual)
    folder.write(trivial.source(), target("c"), room)


@some_compiler
@settings(max_examples=5)
@given(st.lists(st.text(st.characters(blacklist_categories=["Cs"])), min_size=1, max_size=40))
def test_any_label_arrives_in_c(
    tmp_path_factory: pytest.TempPathFactory, labels: list[str]
) -> None:
    room = tmp_path_factory.mktemp("labels")
    lines = "".join(
        f"    fwrite({folder.quote(t)}, 1, {len(t.encode())}, stdout);\n" for t in labels
    )
    code = f"#include <stdio.h>\nint main(void)\n{{\n{lines}    return 0;\n}}\n"
    (room / "say.c").write_text(code)
    words = [*ANY[0], "-Werror", "-Wall", "say.c", "-o", "say"]
    subprocess.run(words, cwd=room, check=True)
    done = subprocess.run([room / "say"], capture_output=True)
    assert done.stdout == "".join(labels).encode()
