"""How is a compiled network run?  A shared library, opened and called; numpy and nothing more."""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle.compiler import stamp
from spindle.compiler.targets import features, here

Array = NDArray[Any]
ERRORS = {
    1: "it was given no memory to work in",
    2: "this is no picture that it can read",
    3: "it was given no weights",
    4: "it was given no place for its answer",
    5: "it was not compiled for so many threads",
}
MOST_THREADS = 64


@dataclass(frozen=True)
class Memory:
    """Bytes that begin at an address of 64."""

    array: Array
    address: int
    size: int


def memory(size: int) -> Memory:
    array = np.empty(size + 64, np.uint8)
    return Memory(array, array.ctypes.data + -array.ctypes.data % 64, size)


class Library:
    """A compiled network; any number of threads may call it at once.

    `threads` share one picture, as many of them as it was compiled for; of a batch, each thread
    takes whole pictures.
    """

    def __init__(self, path: str | Path, threads: int = 1):
        if not 1 <= threads <= MOST_THREADS:
            raise ValueError(f"{threads} threads: take 1 to {MOST_THREADS}")
        self.path = Path(path)
        self.info = stamp.read(self.path)
        fitting(self.info, self.path)
        self.threads = threads
        self.code = opened(self.path)
        self.weights: int = self.code.model_weights()
        preprocessing = self.info["preprocessing"]
        self.size: tuple[int, int] = preprocessing["height"], preprocessing["width"]
        self.outputs = [
            (output["name"], tuple(output["shape"]), np.dtype(output["dtype"]))
            for output in self.info["outputs"]
        ]
        self._arenas: list[Memory] = []  # those that no call is using
        self._lock = threading.Lock()  # held by whoever uses the pool
        self._pool: Memory | None = None
        self._pool_of = 0  # the process whose threads are in it: a fork has none of them

    def run(self, images: Array) -> dict[str, Array]:
        """The outputs for one picture or a batch of them, bytes of the network's own size."""
        shape = (*self.size, 3)
        if images.shape[-3:] != shape or images.ndim not in (3, 4):
            raise ValueError(f"this network takes pictures of {shape}, these are {images.shape}")
        if images.ndim == 3:
            return self.picture(images)
        pixels = pixels_of(images)
        outputs = self._empty(len(pixels))
        self._batch(pixels, [outputs[name] for name, _, _ in self.outputs])
        return outputs

    def picture(self, pixels: Array) -> dict[str, Array]:
        """The outputs for one picture of any size, which is fitted to the network's."""
        if pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
            raise ValueError(f"a picture is height x width x 3, this is {pixels.shape}")
        outputs = self._empty(1)
        arrays = [outputs[name] for name, _, _ in self.outputs]
        pixels, shared = pixels_of(pixels), min(self.threads, self.info["threads"])
        if shared > 1 and self._lock.acquire(blocking=False):
            try:
                self._call(pixels, arrays, 0, self._workers(shared))
            finally:
                self._lock.release()
        else:
            self._call(pixels, arrays, 0)
        return {name: array[0] for name, array in outputs.items()}

    def _empty(self, number: int) -> dict[str, Array]:
        return {name: np.empty((number, *shape), kind) for name, shape, kind in self.outputs}

    def _batch(self, pixels: Array, outputs: list[Array]) -> None:
        """Each thread takes the next picture that none has taken."""
        places, failed = count(), list[BaseException]()

        def work() -> None:
            try:
                while (place := next(places)) < len(pixels) and not failed:
                    self._call(pixels[place], outputs, place)
            except BaseException as error:
                failed.append(error)

        others = [
            threading.Thread(target=work, daemon=True)
            for _ in range(min(self.threads, len(pixels)) - 1)
        ]
        for thread in others:
            thread.start()
        work()
        for thread in others:
            thread.join()
        if failed:
            raise failed[0]

    def _call(
        self, pixels: Array, outputs: list[Array], place: int, pool: Memory | None = None
    ) -> None:
        """One picture, its answers written to this place of the outputs."""
        high, wide, _ = pixels.shape
        to = (ctypes.c_void_p * len(outputs))(
            *(array.ctypes.data + place * array.strides[0] for array in outputs)
        )
        arena = self._arena(self.code.model_arena(wide, high))
        given = self.weights, arena.address, pixels.ctypes.data, wide, high, to
        error = (
            self.code.model_pooled(pool.address, *given) if pool else self.code.model_run(*given)
        )
        if error:
            reason = ERRORS.get(error, f"it gives the error {error}")
            raise ValueError(f"{self.path} cannot look at {wide} x {high} pixels: {reason}")
        self._arenas.append(arena)

    def _arena(self, size: int) -> Memory:
        try:
            arena = self._arenas.pop()
        except IndexError:
            return memory(size)
        return arena if arena.size >= size else memory(size)

    def _workers(self, threads: int) -> Memory:
        """The pool, begun when it is first wanted."""
        if self._pool is None or self._pool_of != os.getpid():
            self._pool, self._pool_of = memory(self.code.model_pool()), os.getpid()
            self.code.model_start(self._pool.address, threads)
            weakref.finalize(self, stop, self.code, self._pool, self._pool_of)
        return self._pool


def stop(code: ctypes.CDLL, pool: Memory, of: int) -> None:
    if os.getpid() == of:
        code.model_stop(pool.address)


def pixels_of(array: Array) -> Array:
    if array.dtype != np.uint8:
        raise ValueError(f"pictures are bytes, these are {array.dtype}")
    return np.ascontiguousarray(array)


def fitting(info: dict[str, Any], path: Path) -> None:
    """That a library is for this machine."""
    system, machine = here()
    if info["system"] == "wasm":
        raise ValueError(
            f"{path} is wasm, for a browser or node: compile for native to run it here"
        )
    if (info["system"], info["machine"]) != (system, machine):
        raise ValueError(
            f"{path} was compiled for {info['system']} on {info['machine']}, "
            f"this is {system} on {machine}: compile the model here"
        )
    if absent := sorted(set(info["needs"]) - features()):
        raise ValueError(
            f"{path} was compiled for a CPU with {', '.join(absent)}, which this one lacks: "
            "compile the model here, or with --target x86-64-v3"
        )


def opened(path: Path) -> ctypes.CDLL:
    """The library with the types of its functions said."""
    try:
        code = ctypes.CDLL(str(path.resolve()))
    except OSError as error:
        raise ValueError(f"{path} cannot be opened: {error}") from None
    pointer, number = ctypes.c_void_p, ctypes.c_int
    given = pointer, pointer, pointer, number, number, ctypes.POINTER(pointer)
    for name, result, takes in (
        ("weights", pointer, ()),
        ("arena", ctypes.c_size_t, (number, number)),
        ("run", number, given),
        ("pool", ctypes.c_size_t, ()),
        ("start", number, (pointer, number)),
        ("pooled", number, (pointer, *given)),
        ("stop", None, (pointer,)),
    ):
        function = getattr(code, f"model_{name}")
        function.restype, function.argtypes = result, takes
    return code
