"""The examples run, and say what the predictor says of the same pictures."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow

import spindle
from spindle import compiler
from spindle.compiler import folder
from spindle.compiler.targets import target
from spindle.data.synthetic import scene
from spindle.model import weights
from spindle.model.family import mobilenet_v2
from spindle.model.heads import HEADS
from spindle.model.weights import Model
from tests.settled import settled

EXAMPLES = Path(__file__).parents[1] / "examples"
TOLD = {  # a head for each task, and the names of its answers
    "classifier": ("circle", "square", "a \u201ctriangle\u201d"),
    "ssdlite": ("circle", "square", "triangle"),
    "deeplab": ("background", "circle", "square"),
    "pose-light": ("head", "hip", "hand"),
    "embedding": (),
}
SIZES = (90, 60), (41, 70), (64, 49)  # of pictures, width and height
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Werror")
zig = pytest.mark.skipif(not find_spec("ziglang"), reason="ziglang is absent, which compiles")
gcc = pytest.mark.skipif(not shutil.which("gcc"), reason="gcc is absent")


def model(head: str) -> Model:
    """A network of random numbers whose answers are of ordinary size."""
    graph = mobilenet_v2(0.1, (49, 65), head, classes=len(TOLD[head]))
    return Model(graph, settled(graph), HEADS[head].task, TOLD[head])


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model files, and pictures of several sizes."""
    room = tmp_path_factory.mktemp("examples")
    for head in ("classifier", "embedding"):
        weights.save(model(head), room / f"{head}.safetensors")
    (room / "pictures").mkdir()
    for number, size in enumerate(SIZES):
        Pillow.fromarray(picture(size)).save(room / "pictures" / f"{number}.png")
    return room


def picture(size: tuple[int, int]) -> NDArray[np.uint8]:
    return scene(3, size[1], size[0]).picture


def said(words: list[Any], room: Path, **options: Any) -> str:
    done = subprocess.run(list(map(str, words)), cwd=room, capture_output=True, **options)
    assert done.returncode == 0, done.stderr.decode()
    return str(done.stdout.decode())


# python


def test_pictures_are_sorted_by_what_is_seen(room: Path, tmp_path: Path) -> None:
    files = room / "classifier.safetensors", room / "pictures"
    told = said([sys.executable, EXAMPLES / "python" / "sort.py", *files, tmp_path], room)
    network = spindle.load(files[0])
    for path in files[1].iterdir():
        result = network(path)
        assert isinstance(result, spindle.Classification)
        label, score = result.classes[0]
        home = tmp_path / (label if score >= 0.8 else "unsure") / path.name
        assert home.read_bytes() == path.read_bytes()
    assert sum(int(line.split()[0]) for line in told.splitlines()) == len(SIZES)


def test_the_most_alike_is_the_same_picture(room: Path) -> None:
    shutil.copy(room / "pictures" / "1.png", room / "asked.png")
    words = [room / "embedding.safetensors", "asked.png", "pictures"]
    told = said([sys.executable, EXAMPLES / "python" / "alike.py", *words], room).splitlines()
    assert told[0] == "1.000 1.png" and len(told) == len(SIZES)


@pytest.mark.parametrize("example", ["sort", "alike"])
def test_a_model_of_another_task_is_refused(example: str, room: Path) -> None:
    other = room / f"{'embedding' if example == 'sort' else 'classifier'}.safetensors"
    words = [sys.executable, EXAMPLES / "python" / f"{example}.py", other, "pictures/0.png", "x"]
    if example == "sort":
        words[3] = "pictures"
    else:
        words[4] = "pictures"
    done = subprocess.run(list(map(str, words)), cwd=room, capture_output=True, text=True)
    assert done.returncode == 1 and "does not" in done.stderr and "Traceback" not in done.stderr


# C


@pytest.fixture(scope="module")
def emitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The classifier as a folder of C."""
    source = compiler.compile(model("classifier"), target("c"))
    return folder.write(source, target("c"), tmp_path_factory.mktemp("c") / "model")


@gcc
def test_a_video_is_watched(emitted: Path, tmp_path: Path) -> None:
    if not shutil.which("make"):
        pytest.skip("make is absent")
    example = shutil.copytree(EXAMPLES / "c", tmp_path / "c")
    said(["make", f"MODEL={emitted}", "CFLAGS=-O0 -Werror"], example)
    network = spindle.Predictor(model("classifier"))
    video = [scene(seed, 60, 90).picture for seed in range(30)]
    video.sort(key=lambda frame: str(network(frame)).split(" ")[0])  # so that it changes once
    told = said(
        ["./watch", emitted / "weights.bin", 90, 60],
        example,
        input=b"".join(frame.tobytes() for frame in video),
    )

    believed: dict[str, float] = {}
    expected: list[tuple[int, str, float]] = []
    for number, frame in enumerate(video):
        result = network(frame)
        assert isinstance(result, spindle.Classification)
        for label, chance in result.classes:
            before = believed.get(label, chance)
            believed[label] = 0.8 * before + 0.2 * chance
        top = max(believed, key=lambda label: believed[label])
        if not expected or expected[-1][1] != top:
            expected.append((number, top, believed[top]))
    assert len(expected) > 1, "the video must show something else"
    lines = [line.split(" ", 1) for line in told.splitlines()]
    assert [(int(n), text.rsplit(" ", 1)[0]) for n, text in lines] == [e[:2] for e in expected]
    scores = [float(text.rsplit(" ", 1)[1]) for _, text in lines]
    assert np.allclose(scores, [e[2] for e in expected], atol=0.006)
    for wrong in ([], ["90", "0"], ["-1", "60"]):
        words = ["./watch", str(emitted / "weights.bin"), *wrong]
        done = subprocess.run(words, cwd=example, capture_output=True, text=True)
        assert done.returncode == 1 and "watch: say" in done.stderr


# Android, as far as it goes without its tools: the C between Kotlin and the network

CPP = EXAMPLES / "android" / "app" / "src" / "main" / "cpp"
# of the real header what the example uses, in an order of its own
JNI = """
#include <stddef.h>
#include <stdint.h>
#define JNIEXPORT __attribute__((visibility("default")))
#define JNICALL
#define JNI_ABORT 2
typedef int32_t jint;
typedef jint jsize;
typedef float jfloat;
typedef unsigned char jboolean;
typedef void *jobject;
typedef jobject jstring, jintArray, jfloatArray;
struct functions;
typedef const struct functions *JNIEnv;
struct functions {
    jstring (*NewStringUTF)(JNIEnv *, const char *);
    jsize (*GetArrayLength)(JNIEnv *, jobject);
    jint *(*GetIntArrayElements)(JNIEnv *, jintArray, jboolean *);
    void (*ReleaseIntArrayElements)(JNIEnv *, jintArray, jint *, jint);
    jfloatArray (*NewFloatArray)(JNIEnv *, jsize);
    void (*SetFloatArrayRegion)(JNIEnv *, jfloatArray, jsize, jsize, const jfloat *);
};
"""
# a Java machine that knows one picture and one answer
MACHINE = """
#include <jni.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
jstring Java_org_spindle_example_Network_info(JNIEnv *env, jobject self);
jfloatArray Java_org_spindle_example_Network_run(JNIEnv *env, jobject self, jintArray pixels,
                                                 jint width, jint height);
static jint words[1 << 16], count, lent;
static float answer[64];
static jsize answers;
static jstring text(JNIEnv *env, const char *text) { (void)env; return (void *)(size_t)text; }
static jsize length(JNIEnv *env, jobject of) { (void)env, (void)of; return count; }
static jint *lend(JNIEnv *env, jintArray of, jboolean *copied)
{
    (void)env, (void)of, (void)copied;
    lent++;
    return words;
}
static void back(JNIEnv *env, jintArray of, jint *from, jint how)
{
    (void)env, (void)of, (void)from;
    lent -= how == JNI_ABORT;
}
static jfloatArray made(JNIEnv *env, jsize size) { (void)env; answers = size; return answer; }
static void set(JNIEnv *env, jfloatArray to, jsize from, jsize size, const jfloat *floats)
{
    (void)env;
    memcpy((float *)to + from, floats, (size_t)size * sizeof(float));
}
int main(int arguments, char **given)
{
    static const struct functions all = {text, length, lend, back, made, set};
    JNIEnv env = &all;
    if (arguments < 3)
        return 2;
    const int width = atoi(given[1]), height = atoi(given[2]);
    for (int c; (c = getchar()) != EOF; count++) {
        const int green = getchar(), blue = getchar();
        words[count] = (jint)(0xff000000u | (unsigned)(c << 16 | green << 8 | blue));
    }
    puts(Java_org_spindle_example_Network_info(&env, NULL));
    if (Java_org_spindle_example_Network_run(&env, NULL, words, width, height + 1))
        return 3; /* that picture had too few pixels */
    if (!Java_org_spindle_example_Network_run(&env, NULL, words, width, height) || lent)
        return 4;
    for (int i = 0; i < answers; i++)
        printf("%.9g\\n", (double)answer[i]);
    return 0;
}
"""


@gcc
def test_kotlin_gets_the_chances(emitted: Path, tmp_path: Path) -> None:
    (tmp_path / "jni.h").write_text(JNI)
    (tmp_path / "machine.c").write_text(MACHINE)
    files = [CPP / "network.c", CPP / "weights.S", emitted / "model.c", "machine.c"]
    flags = ["-std=c11", "-O0", "-ffp-contract=off", *WARNINGS, "-fsanitize=address,undefined"]
    said(["gcc", *flags, "-I.", f"-I{emitted}", *files, "-o", "machine"], tmp_path)
    network = spindle.Predictor(model("classifier"))
    for size in SIZES:
        told = said(["./machine", *size], tmp_path, input=picture(size).tobytes()).splitlines()
        assert json.loads(told[0])["labels"] == list(TOLD["classifier"])
        result = network(picture(size))
        assert isinstance(result, spindle.Classification)
        chances = [dict(result.classes)[label] for label in TOLD["classifier"]]
        assert np.allclose([float(line) for line in told[1:]], chances, atol=1e-5)


@zig
def test_the_library_of_the_app_builds_for_a_phone(tmp_path: Path) -> None:
    arm = target("aarch64-linux")
    room = folder.write(compiler.compile(model("classifier"), arm), arm, tmp_path / "model")
    (tmp_path / "jni.h").write_text(JNI)
    words = [sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-linux-musl", "-std=c11"]
    for path in (CPP / "network.c", CPP / "weights.S", room / "model.c"):
        flags = WARNINGS if path.suffix == ".c" else ()
        said([*words, *flags, "-c", "-I.", f"-I{room}", path, "-o", f"{path.stem}.o"], tmp_path)
    assert b"Java_org_spindle_example_Network_run" in (tmp_path / "network.o").read_bytes()
