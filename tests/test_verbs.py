"""A function becomes a command: signature to flags, docstring to help, error to one line."""

from __future__ import annotations

import errno
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Literal

import pytest

from spindle.app import cli, verbs
from spindle.app.verbs import parsers, reading, run, takes, words

CALLS: list[tuple[object, ...]] = []


def bake(
    what: str,
    eggs: list[str],
    heat: float | None = None,
    kind: Literal["cake", "bread"] = "cake",
    half_fat: bool = False,
    times: int = 1,
) -> int:
    """Bakes, at last.

    what: the thing
    eggs: how many, 100% fresh
    heat: degrees
    kind: of thing
    half_fat: less of it
    times: how often
    Example: kitchen bake bread 3
    """
    CALLS.append((what, eggs, heat, kind, half_fat, times))
    return 7


def called(*argv: str) -> int:
    return run((bake,), "A kitchen.", "1.2", argv)


def test_arguments_and_flags_arrive_with_their_types() -> None:
    CALLS.clear()
    assert called("bake", "pie", "1", "2") == 7
    flags = ["--heat", "2e2", "--kind", "bread", "--half-fat", "--times", "3"]
    assert called("bake", "pie", "1", *flags) == 7
    assert CALLS == [
        ("pie", ["1", "2"], None, "cake", False, 1),
        ("pie", ["1"], 200.0, "bread", True, 3),
    ]


def test_where_to_write_to_has_a_short_flag_too() -> None:
    written: list[str] = []

    def write(out: str = "there") -> int:
        """Writes.

        out: the file
        """
        written.append(out)
        return 0

    for argv in (["write"], ["write", "-o", "here"], ["write", "--out", "far"]):
        assert run((write,), "A pen.", "1", argv) == 0
    assert written == ["there", "here", "far"]


def test_help_is_the_docstring(capsys: pytest.CaptureFixture[str]) -> None:
    for argv, wanted in (
        (["--help"], ["A kitchen.", "Bakes, at last."]),
        (
            ["bake", "--help"],
            [
                "100% fresh",
                "--half-fat",
                "cake|bread",
                "kitchen bake bread 3",
                "how often (1)",
                "of thing (cake)",
                "less of it\n",
            ],
        ),
        (["--version"], ["spindle 1.2"]),
    ):
        with pytest.raises(SystemExit) as caught:
            called(*argv)
        assert caught.value.code == 0
        said = capsys.readouterr().out
        assert all(text in said for text in wanted)


@pytest.mark.parametrize(
    "argv",
    [
        [], ["fry"], ["bake"], ["bake", "pie"], ["bake", "pie", "1", "--heat", "hot"],
        ["bake", "pie", "1", "--kind", "soup"], ["bake", "pie", "1", "--times", "1.5"],
        ["bake", "pie", "1", "--oven"], ["bake", "pie", "1", "--x\ny"], ["fry\nfish"],
        ["bake", "pie", "1", "--times"],
    ],
)  # fmt: skip
def test_a_wrong_call_gets_one_line_and_exit_2(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        called(*argv)
    out, err = capsys.readouterr()
    assert caught.value.code == 2 and out == ""
    assert err.startswith("spindle") and err.count("\n") == 1 and "--help shows how" in err


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("this\nis  wrong"), "spindle: this is wrong\n"),
        (ModuleNotFoundError("torch is absent"), "spindle: torch is absent\n"),
        (FileNotFoundError(2, "No such file", "a.jpg"), "spindle: a.jpg: No such file\n"),
        (OSError("strange"), "spindle: the system: strange\n"),
        (MemoryError(), "spindle: there is not memory enough for a network of this size\n"),
    ],
)
def test_what_goes_wrong_is_one_line_and_exit_2(
    error: Exception, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> int:
        """Fails."""
        raise error

    assert run((fail,), "", "1", ["fail"]) == 2
    assert capsys.readouterr() == ("", said)


def test_a_mistake_of_ours_is_not_hidden() -> None:
    def fail() -> int:
        """Fails."""
        raise KeyError("ours")

    with pytest.raises(KeyError):
        run((fail,), "", "1", ["fail"])


def test_an_interrupt_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    def wait() -> int:
        """Waits."""
        raise KeyboardInterrupt

    assert run((wait,), "", "1", ["wait"]) == 130
    assert capsys.readouterr() == ("", "")


def test_a_pipe_that_windows_calls_invalid_is_closed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def talk() -> int:
        """Talks."""
        raise OSError(errno.EINVAL, "Invalid argument")

    assert run((talk,), "", "1", ["talk"]) == 2 and "Invalid" in capsys.readouterr().err
    monkeypatch.setattr(verbs, "os", SimpleNamespace(name="nt"))
    monkeypatch.setattr(verbs, "settle", lambda: None)
    assert run((talk,), "", "1", ["talk"]) == 1 and capsys.readouterr() == ("", "")


PROGRAM = """
import sys
from spindle.app.verbs import reading, run
def talk(lines: int) -> int:
    '''Talks a lot about 100 % of it.

    lines: how many
    '''
    for number in range(lines):
        print(number, "käse █")
    return 0
sys.exit(run((talk,), "About.", "1", sys.argv[1:]))
"""


def shell(line: str) -> tuple[int, str, str]:
    """Runs `line`, in which $TALK is the program."""
    talk = f'"{sys.executable}" -W error -c "$PROGRAM"'
    environment = {"PROGRAM": PROGRAM, "PATH": "/usr/bin:/bin", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        ["bash", "-c", "set -o pipefail; " + line.replace("$TALK", talk)],
        env=environment, capture_output=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize("ask", ["talk 3", "talk 100000", "--help", "--version", "talk --help"])
def test_a_closed_pipe_is_quiet(ask: str) -> None:
    code, out, err = shell(f"(sleep 0.3; $TALK {ask}) | exec 0<&-; true")
    assert (code, out, err) == (0, "", "")


@pytest.mark.parametrize("lines", [3, 100_000])
def test_a_full_disk_is_told_of_once(lines: int) -> None:
    code, _, err = shell(f"$TALK talk {lines} >/dev/full")
    assert (code, err) == (2, "spindle: the system: No space left on device\n")


def test_a_terminal_of_few_letters_gets_what_it_can_show() -> None:
    code, out, err = shell("PYTHONIOENCODING=ascii $TALK talk 1")
    assert (code, out, err) == (0, "0 k?se ?\n", "")


@pytest.mark.parametrize(
    ("ask", "code"), [("talk 3 >&-", 0), ("talk x 2>&-", 2), ("--help >&-", 0)]
)
def test_closed_streams_break_nothing(ask: str, code: int) -> None:
    assert shell(f"$TALK {ask}")[0] == code


def test_the_verb_decides_the_exit() -> None:
    verbs: list[tuple[Callable[[], int], int]] = []
    for code in (0, 1, 5):

        def end(code: int = code) -> int:
            """Ends.

            code: the exit
            """
            return code

        verbs.append((end, code))
    assert [run((verb,), "", "1", ["end"]) for verb, _ in verbs] == [0, 1, 5]


def test_a_choice_may_be_left_unsaid() -> None:
    assert reading(Literal["crop", "pad"] | None)["choices"] == ("crop", "pad")
    assert reading(float | None) == {"type": float}


@dataclass(frozen=True)
class Oven:
    """How it is heated."""

    heat: float = field(default=200.0, metadata={"help": "degrees"})
    grill: bool = field(default=False, metadata={"help": "from above"})
    wood: str = field(default="", metadata={"help": "to burn"})
    kind_of_fan: Literal["none", "hot"] = field(default="none", metadata={"help": "of air"})


@takes(lambda: Oven, "out", "heat")
def roast(what: str, out: str = "plate", rare: bool = False, **said: object) -> int:
    """Roasts.

    what: the thing
    out: where to
    rare: not long
    Example: kitchen roast --heat 250
    """
    CALLS.append((what, out, rare, said))
    return 0


def helped(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    with pytest.raises(SystemExit) as caught:
        run((bake, roast), "A kitchen.", "1.2", argv)
    assert caught.value.code == 0
    return capsys.readouterr().out


def test_help_shows_what_is_common_and_the_rest_when_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    short = helped(capsys, "roast", "--help")
    assert "usage: spindle roast WHAT [flags]" in short
    assert "--heat X" in short and "degrees (200.0)" in short and "--out OUT" in short
    assert "--help-all" in short and "there is more (--help-all)" in short
    assert not any(flag in short for flag in ("--rare", "--grill", "--wood", "--kind-of-fan"))
    whole = helped(capsys, "roast", "--help-all")
    assert "How it is heated." in whole and "none|hot" in whole and "--no-grill" in whole
    assert "to burn\n" in whole and "()" not in whole and "--rare" in whole


def test_what_help_does_not_show_can_be_said() -> None:
    CALLS.clear()
    argv = ["roast", "goose", "--rare", "--wood", "oak", "--kind-of-fan", "hot", "--no-grill"]
    assert run((roast,), "", "1", argv) == 0
    said = {"wood": "oak", "kind_of_fan": "hot", "grill": False}
    assert CALLS.pop() == ("goose", "plate", True, said)


def test_the_program_says_what_its_exits_mean(capsys: pytest.CaptureFixture[str]) -> None:
    said = helped(capsys, "--help")
    for code in (0, 1, 2, 130):
        assert f"\n  {code} " in said
    assert "usage: spindle bake WHAT EGGS ... [flags]" in helped(capsys, "bake", "--help")


def test_words_are_all_that_may_follow() -> None:
    said, known = words((bake, roast))["roast"]
    assert said == "Roasts." and [word.says for word in known if not word.flags] == ["the thing"]
    flags = {flag: word for word in known for flag in word.flags}
    assert {"--help", "--help-all", "-o", "--out", "--rare", "--heat", "--no-grill"} <= set(flags)
    assert flags["--kind-of-fan"].choices == ("none", "hot") and flags["--rare"].alone
    assert not flags["--heat"].alone


@pytest.mark.parametrize("verb", [None, *cli.VERBS])
def test_help_fits_a_screen_and_has_an_example(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, verb: str | None
) -> None:
    for columns in ("80", "100"):
        monkeypatch.setenv("COLUMNS", columns)
        with pytest.raises(SystemExit) as caught:
            cli.main([*([verb] if verb else []), "--help"])
        lines = (out := capsys.readouterr().out).splitlines()
        assert caught.value.code == 0 and len(lines) <= 40 and "()" not in out
        assert not verb or lines[-1].startswith("example: ")
        assert all(len(line) <= 100 for line in lines)


def test_every_example_is_understood() -> None:
    """The words after it, that is: what they name need not be here."""
    for name, verb in ((name, verb()) for name, verb in cli.VERBS.items()):
        example = (verb.__doc__ or "").partition("Example:")[2].strip()
        argv = re.sub(r"^source <\((.*)\)$", r"\1", example).split()
        assert argv[:2] == ["spindle", name]
        parser, _ = parsers({name: verb}, "", "", [name], True)
        assert parser.parse_args(argv[1:]).verb == name
