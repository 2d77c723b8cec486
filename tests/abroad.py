"""Compiled models on machines that this one is not: ARM by an emulator, wasm by node."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from spindle.compiler import build
from spindle.compiler.source import Source
from spindle.compiler.targets import target

Outputs = dict[str, NDArray[Any]]
# a bare program: to build a C library for another machine first would take minutes
STATIC = ("-static", "-nostdlib", "-lcompiler_rt", "-Wl,-e,start")
CORTEX = ("-target", "thumb-linux-none", "-mcpu=cortex_m4", "-fomit-frame-pointer")
# reads pictures of one size from the standard input, writes the outputs of each
PROGRAM = """
#include "NAME.h"
extern const unsigned char spindle_weights[];
#if defined(__arm__)
enum { MAP = 192, READ = 3, WRITE = 4, END = 1 };
static long call(long number, long a, long b, long c, long d)
{
    register long r7 __asm__("r7") = number, r0 __asm__("r0") = a, r1 __asm__("r1") = b;
    register long r2 __asm__("r2") = c, r3 __asm__("r3") = d;
    register long r4 __asm__("r4") = -1, r5 __asm__("r5") = 0;
    __asm__ volatile("svc 0" : "+r"(r0) : "r"(r7), "r"(r1), "r"(r2), "r"(r3), "r"(r4), "r"(r5)
                     : "memory");
    return r0;
}
__asm__(".globl start; .thumb_func; start: mov r0, sp; b begin");
#else
enum { MAP = 222, READ = 63, WRITE = 64, END = 93 };
__asm__(".globl start; start: mov x0, sp; b begin");
static long call(long number, long a, long b, long c, long d)
{
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c, x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = -1, x5 __asm__("x5") = 0;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}
#endif
static void *pages(size_t size) { return (void *)call(MAP, 0, (long)size, 3, 0x22); }
static size_t moved(long how, long file, char *bytes, size_t size)
{
    size_t done = 0;
    for (long got = 1; done < size && got > 0; done += (size_t)got)
        got = call(how, file, (long)(bytes + done), (long)(size - done), 0);
    return done;
}
static size_t number(const char *word)
{
    size_t found = 0;
    for (; *word; word++)
        found = found * 10 + (size_t)(*word - '0');
    return found;
}
void begin(long *stack);
void begin(long *stack)
{
    char **words = (char **)(stack + 1);
    const size_t width = number(words[1]), height = number(words[2]), bytes = width * height * 3;
    const int outputs = (int)stack[0] - 3;
    uint8_t *rgb = pages(bytes);
    void *arena = pages(NAME_arena((int)width, (int)height)), *to[16];
    for (int i = 0; i < outputs; i++)
        to[i] = pages(number(words[3 + i]));
    while (moved(READ, 0, (char *)rgb, bytes) == bytes) {
        const int code = NAME_run(spindle_weights, arena, rgb, (int)width, (int)height, to);
        if (code)
            call(END, code, 0, 0, 0);
        for (int i = 0; i < outputs; i++)
            moved(WRITE, 1, to[i], number(words[3 + i]));
    }
    call(END, 0, 0, 0, 0);
}
"""
SCRIPT = """
const fs = require("fs");
const [path, name, width, height, ...sizes] = process.argv.slice(2);
const code = new WebAssembly.Module(fs.readFileSync(path));
if (WebAssembly.Module.customSections(code, "spindle").length != 1) process.exit(99);
const model = new WebAssembly.Instance(code, {}).exports;
const memory = model.memory, f = which => model[name + "_" + which];
let end = model.__heap_base.value;
function take(bytes) {
    const at = Math.ceil(end / 64) * 64;
    end = at + Number(bytes);
    const short = end - memory.buffer.byteLength;
    if (short > 0) memory.grow(Math.ceil(short / 65536));
    return at;
}
const pictures = fs.readFileSync(0), one = width * height * 3;
const arena = take(f("arena")(width, height)), rgb = take(one), to = sizes.map(take);
const outputs = take(4 * to.length);
new Uint32Array(memory.buffer, outputs, to.length).set(to);
for (let at = 0; at < pictures.length; at += one) {
    new Uint8Array(memory.buffer, rgb, one).set(pictures.subarray(at, at + one));
    const error = f("run")(f("weights")(), arena, rgb, width, height, outputs);
    if (error) process.exit(error);
    to.forEach((from, i) => fs.writeSync(1, Buffer.from(memory.buffer, from, Number(sizes[i]))));
}
"""


def on_arm(source: Source, pictures: NDArray[np.uint8], cpu: str = "") -> Outputs:
    """What a source for aarch64-linux says of pictures of one size, n x height x width x 3."""
    cpu = cpu or target("aarch64-linux").cpu
    machine = ("-target", "aarch64-linux-none", f"-mcpu={cpu}")
    return emulated(source, pictures, "qemu-aarch64", machine)


def on_cortex(source: Source, pictures: NDArray[np.uint8]) -> Outputs:
    """What plain C says on a microcontroller: 32 bits, no vectors but pairs of 16 bits."""
    return emulated(source, pictures, "qemu-arm", CORTEX)


def emulated(
    source: Source, pictures: NDArray[np.uint8], program: str, machine: tuple[str, ...]
) -> Outputs:
    needed(zig=True, program=program, package="qemu-user")
    with tempfile.TemporaryDirectory() as room:
        folder = Path(room)
        build.put(source, folder)
        (folder / "program.c").write_text(PROGRAM.replace("NAME", source.name))
        zig = build.find(target("aarch64-linux")).command
        words = (*zig, *machine, *build.STRICT, f"-I{build.HEADERS}", *STATIC)
        files = ("program.c", f"{source.name}.c", "weights.S", "-I.", "-o", "program")
        done = subprocess.run((*words, *files), cwd=room, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return read(source, pictures, [program, str(folder / "program")])


def in_wasm(source: Source, name: str, pictures: NDArray[np.uint8]) -> Outputs:
    """What a source for wasm32 or wasm32-relaxed says of pictures, in node."""
    needed(zig=True, program="node", package="nodejs")
    with tempfile.TemporaryDirectory() as room:
        path = build.build(source, target(name), Path(room) / "model.wasm")
        script = Path(room) / "run.cjs"
        script.write_text(SCRIPT)
        return read(source, pictures, ["node", str(script), str(path), source.name])


def needed(zig: bool, program: str, package: str) -> None:
    if zig and not find_spec("ziglang"):
        pytest.skip("ziglang, which compiles for other machines, is absent")
    if not shutil.which(program):
        pytest.skip(f"{program} is absent: apt-get install {package}")


def read(source: Source, pictures: NDArray[np.uint8], words: list[str]) -> Outputs:
    """The outputs that a program writes, picture by picture."""
    kind = np.dtype([
        (o["name"], np.dtype(o["dtype"]), tuple(o["shape"])) for o in source.info["outputs"]
    ])  # fmt: skip
    sizes = [str(kind[name].itemsize) for name in kind.names or ()]
    _, height, width, _ = pictures.shape
    words = [*words, str(width), str(height), *sizes]
    done = subprocess.run(words, input=pictures.tobytes(), capture_output=True)
    assert done.returncode == 0, f"{done.returncode}: {done.stderr.decode()}"
    found = np.frombuffer(done.stdout, kind)
    assert len(found) == len(pictures)
    return {name: found[name] for name in kind.names or ()}
