"""How is a network given away as C?  A folder with all that is needed to build it anywhere."""

from __future__ import annotations

import re
from math import prod
from pathlib import Path

import numpy as np

from spindle.compiler.source import Source
from spindle.compiler.targets import Target
from spindle.model import atomic

HOUSE = Path(__file__).parent
INCLUDED = re.compile(r'^ *# *include "([\w/.]+)"', re.MULTILINE)
OURS = "/* A network as C, written by Spindle."  # how our header begins
FLAGS = {
    "avx512": "-march=x86-64-v4",
    "avx2": "-march=x86-64-v3",
    "neon": "",
    "neon-i8mm": "-march=armv8.2-a+dotprod+i8mm",
    "wasm": "-msimd128",
    "wasm-relaxed": "-msimd128 -mrelaxed-simd",
    "plain": "",
}
ABOUT = """
 *
 * It wants {size}, and its task is to {task}; {rule}.
 *
 *   {name}.c, kernels/   the network; C11, no malloc, no stdio, no state of its own
 *   weights.bin         {weights:,} bytes, to be read into memory, or flash, at an address of 64
 *   main.c, answer.h    an example: ./main weights.bin picture.ppm
 *
 * Build it by make, by cmake -B build && cmake --build build, or as
 *   cc -std=c11 -O3 -ffp-contract=off {flags}main.c {name}.c -o main
 * It works in {arena:,} bytes that you give it, and in more for pictures that must be fitted.
 */
"""


def write(source: Source, target: Target, folder: Path) -> Path:
    """Writes the folder, over an older one of ours if it must."""
    free(folder, source.name)
    flags = FLAGS[target.isa.name]
    files = {  # the header first, by which we know a folder that a full disk has left unfinished
        f"{source.name}.h": header(source, flags) + source.h,
        f"{source.name}.c": source.c,
        "answer.h": answer(source),
    }
    for name in ("main.c", "Makefile", "CMakeLists.txt"):
        text = (HOUSE / "example" / name).read_text("utf-8").replace("model", source.name)
        files[name] = text.replace(" @FLAGS@", f" {flags}".rstrip())
    files |= {name: (HOUSE / name).read_text("utf-8") for name in included(source.c)}
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        atomic.write(folder / name, text.encode())
    atomic.write(folder / "weights.bin", source.weights)
    return folder


def free(folder: Path, name: str) -> None:
    """That nothing is lost if the folder is written."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ValueError(f"{folder} is a file: name a folder for the C")
    head = folder / f"{name}.h"
    ours = head.is_file() and head.read_bytes().startswith(OURS.encode())
    if any(folder.iterdir()) and not ours:
        raise ValueError(f"{folder} is not empty and is no folder of ours: choose another name")


def included(text: str) -> set[str]:
    """The headers that C text wants from kernels/, and those that they want."""
    found: set[str] = set()
    wanted = [name for name in INCLUDED.findall(text) if name.startswith("kernels/")]
    while wanted:
        if (name := wanted.pop()) not in found:
            found.add(name)
            more = INCLUDED.findall((HOUSE / name).read_text("utf-8"))
            wanted += [f"kernels/{inner.removeprefix('kernels/')}" for inner in more]
    return found


def header(source: Source, flags: str) -> str:
    """What the header says of the folder it stands in."""
    image = source.info["preprocessing"]
    rule = {"crop": "its middle is cut out", "pad": "it is filled up to that shape"}
    return OURS + ABOUT.format(
        name=source.name,
        size=f"a picture of {image['width']} x {image['height']}, RGB bytes",
        task=source.info["task"],
        rule=f"of a picture of another shape, {rule.get(image['fit'], 'all is squeezed into it')}",
        weights=len(source.weights),
        arena=source.arena,
        flags=f"{flags} " if flags else "",
    )


def answer(source: Source) -> str:
    """What the example must know of the answer, as C."""
    outputs, count = source.info["outputs"], source.info["classes"]
    rows, columns, channels = outputs[0]["shape"]
    names = source.info["labels"] or [f"class {number}" for number in range(count)]
    sizes = [prod(one["shape"]) * np.dtype(one["dtype"]).itemsize for one in outputs]
    lines = [
        "/* What do the numbers of the answer mean? */",
        "#include <stddef.h>",
        f"#define TASK_{source.info['task']}",
        f"#define WEIGHTS_BYTES ((size_t){len(source.weights)})",
        f"enum {{ OUTPUTS = {len(sizes)}, CLASSES = {len(names)} }};",
        f"enum {{ ROWS = {rows}, COLUMNS = {columns}, CHANNELS = {channels} }};",
        f"static const size_t output_bytes[OUTPUTS] = {{{', '.join(map(str, sizes))}}};",
    ]
    if names:
        quoted = ",\n".join(f"    {quote(name)}" for name in names)
        lines.append(f"static const char *const labels[CLASSES] = {{\n{quoted}}};")
    return "\n".join(lines) + "\n"


def quote(text: str) -> str:
    """A text as C has it: bytes of UTF-8, those that are no letters of ASCII in octal."""
    safe = (
        chr(byte) if 32 <= byte < 127 and byte not in b'"\\?' else f"\\{byte:03o}"
        for byte in text.encode()
    )
    return f'"{"".join(safe)}"'
