"""How does a function become a command?  Its signature is the flags, its docstring the help.

A parameter without a default is an argument, one before `/` an argument that may be left out, the
others are flags.  The docstring's first line
says what the verb does, its lines of the form `name: help` what each parameter means, and what
follows "Example:" is shown as it stands.  Where a verb takes the fields of a record as well, each
of them is a flag, and those that are given reach it by name.
"""

from __future__ import annotations

import argparse
import errno
import inspect
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from io import TextIOWrapper
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, NoReturn, Union, get_args, get_origin, get_type_hints

from spindle.app.progress import clean

Verb = Callable[..., int]
SHORT = {"out": ["-o"]}  # as compilers have it
FIELDS, COMMON = "fields_of", "common"  # where a verb keeps the record, and its common flags
ALL = "--help-all"
VALUES = {int: "N", float: "X"}  # what a flag of this type takes
EXITS = """exit codes:
  0    done
  1    done, but with something amiss in the data: a picture that cannot be read, what check found
  2    not done, for a reason that is said in one line: a wrong word, file or setting
  130  stopped by Ctrl-C; the same command goes on where that can be"""


def takes(record: Callable[[], type], *common: str) -> Callable[[Verb], Verb]:
    """The verb's **settings are fields of this record, which says their help itself.

    The record is asked for once the verb is: it may stand in a room that opens slowly.  Where
    flags are named as common, the help shows no others unless all are asked for.
    """

    def mark(verb: Verb) -> Verb:
        setattr(verb, FIELDS, record)
        setattr(verb, COMMON, common)
        return verb

    return mark


@dataclass(frozen=True)
class Word:
    """What may follow a verb: a flag, or an argument that has none."""

    flags: tuple[str, ...]
    choices: tuple[str, ...]  # of its value
    alone: bool  # no value follows
    says: str


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {one_line(message)} ({self.prog} --help shows how)\n")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        settle()
        super().exit(status, message)


def run(verbs: Sequence[Verb], about: str, version: str, argv: Sequence[str] | None = None) -> int:
    """Calls the verb that the command line names; a ValueError is the user's to read."""
    try:
        open_streams()
        argv = sys.argv[1:] if argv is None else argv
        by_name = named(verbs)
        parser, _ = parsers(by_name, about, version, argv[:1], ALL in argv)
        given = vars(parser.parse_args(argv))
        verb = by_name[given.pop("verb")]
        asked = inspect.signature(verb).parameters.values()
        first = [given.pop(p.name) for p in asked if p.kind is p.POSITIONAL_ONLY]
        code = verb(*first, **given)
        sys.stdout.flush()  # here a full disk or a closed pipe can still be told
        return code
    except (ValueError, ModuleNotFoundError) as error:
        reason = str(error)
    except OSError as error:
        if cut(error):
            settle()
            return 1
        reason = f"{error.filename or 'the system'}: {error.strerror or error}"
    except MemoryError:
        reason = "there is not memory enough for a network of this size"
    except KeyboardInterrupt as stopped:  # by hand, or by whoever ends processes here
        if str(stopped):
            print(f"spindle: {one_line(str(stopped))}", file=sys.stderr)
        return 130
    print(f"spindle: {one_line(reason)}", file=sys.stderr)
    settle()
    return 2


def open_streams() -> None:
    """Somewhere to print to, even where it is closed or knows few letters."""
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def cut(error: OSError) -> bool:
    """Whether whoever read our output has seen enough, as this system says it."""
    windows = os.name == "nt" and error.errno == errno.EINVAL and not error.filename
    return windows or isinstance(error, BrokenPipeError)


def settle() -> None:
    """Writes what is still unwritten, or drops it before Python stumbles over it at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def one_line(text: str) -> str:
    return clean(" ".join(text.split()))


def named(verbs: Sequence[Verb]) -> dict[str, Verb]:
    return {verb.__name__.rstrip("_"): verb for verb in verbs}


def parsers(
    verbs: Mapping[str, Verb], about: str, version: str, asked: Sequence[str], whole: bool
) -> tuple[Parser, dict[str, Parser]]:
    """The parser of the program and of each verb; those asked for know all their flags."""
    parser = Parser(
        "spindle", usage="spindle VERB ...", description=about, formatter_class=formatter,
        epilog=f"spindle VERB --help shows an example of each.\n\n{EXITS}",
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"spindle {version}")
    commands = parser.add_subparsers(
        dest="verb", required=True, metavar="VERB", title="verbs", prog="spindle",
        parser_class=Parser,
    )  # fmt: skip
    return parser, {
        name: add(commands, name, verb, name in asked, whole) for name, verb in verbs.items()
    }


def formatter(prog: str) -> argparse.HelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=21)


def add(commands: Any, name: str, verb: Verb, asked: bool, whole: bool) -> Parser:
    about, _, example = inspect.cleandoc(verb.__doc__ or "").partition("\nExample:")
    parser: Parser = commands.add_parser(
        name, help=about.split("\n")[0].replace("%", "%%"), description=about.split("\n")[0],
        epilog=f"example:{example}", formatter_class=formatter,
    )  # fmt: skip
    hints, helps = get_type_hints(verb), dict(re.findall(r"^(\w+): (.+)$", about, re.MULTILINE))
    usage, common = [f"spindle {name}"], getattr(verb, COMMON, ())
    if common:
        parser.add_argument(ALL, action="help", help="every flag there is")
    common = () if whole else common
    for parameter in inspect.signature(verb).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            if asked:
                add_fields(parser, getattr(verb, FIELDS)(), common)
            continue
        say = f"{helps[parameter.name]}{usual(parameter.default)}".replace("%", "%%")
        settings: dict[str, Any] = {"help": say} | reading(hints[parameter.name])
        title = parameter.name.upper()
        if parameter.kind is parameter.POSITIONAL_ONLY:
            settings |= {"nargs": "?", "default": parameter.default}
            usage.append(f"[{title}]")
        elif parameter.default is parameter.empty:
            usage.append(f"{title} ..." if "nargs" in settings else title)
        if "default" in settings or parameter.default is parameter.empty:
            settings.setdefault("metavar", title)
            parser.add_argument(parameter.name, **settings)
        else:
            if settings.get("action") is None:
                settings.setdefault("metavar", VALUES.get(settings["type"], title.split("_")[-1]))
            flags = [*SHORT.get(parameter.name, ()), "--" + parameter.name.replace("_", "-")]
            if common and parameter.name not in common:
                settings["help"] = argparse.SUPPRESS
            parser.add_argument(*flags, default=parameter.default, dest=parameter.name, **settings)
    parser.usage = " ".join([*usage, "[flags]"]).replace("%", "%%")
    return parser


def usual(default: Any) -> str:
    """What a flag is if it is not said, where it is anything."""
    said = isinstance(default, int | float | str) and not isinstance(default, bool)
    return f" ({default})" if said and default != "" else ""


def add_fields(parser: Parser, record: Any, common: Sequence[str]) -> None:
    """A flag for each field of a record, in a group of their own."""
    about, name = inspect.cleandoc(record.__doc__), record.__name__.lower()
    title = f"{name}, of which there is more ({ALL})" if common else name
    group = parser.add_argument_group(title, None if common else about)
    hints = get_type_hints(record)
    for field in fields(record):
        settings = reading(hints[field.name])
        if hints[field.name] is bool:
            settings = {"action": argparse.BooleanOptionalAction}
        else:
            title = field.name.split("_")[-1].upper()
            settings.setdefault("metavar", VALUES.get(settings["type"], title))
        said = "" if field.default in ("", ()) else f" ({field.default})"
        say = f"{field.metadata['help']}{said}".replace("%", "%%")
        if common and field.name not in common:
            say = argparse.SUPPRESS
        flag = "--" + field.name.replace("_", "-")
        group.add_argument(flag, default=argparse.SUPPRESS, dest=field.name, help=say, **settings)


def words(verbs: Sequence[Verb]) -> dict[str, tuple[str, list[Word]]]:
    """What each verb says of itself, and all that may follow it."""
    by_name = named(verbs)
    _, made = parsers(by_name, "", "", [*by_name], whole=True)
    return {
        name: (
            parser.description or "",
            [
                Word(
                    tuple(action.option_strings),
                    tuple(map(str, action.choices or ())),
                    action.nargs == 0,
                    (action.help or "").replace("%%", "%"),
                )
                for action in parser._actions
            ],
        )
        for name, parser in made.items()
    }


def reading(hint: Any) -> dict[str, Any]:
    """How argparse is to read a value of this type."""
    if hint is bool:
        return {"action": "store_true"}
    if get_origin(hint) in (Union, UnionType):  # of something and None
        (hint,) = (choice for choice in get_args(hint) if choice is not NoneType)
    if get_origin(hint) is Literal:
        return {"type": str, "choices": get_args(hint), "metavar": "|".join(get_args(hint))}
    if get_origin(hint) is list:
        return {"nargs": "+", "type": get_args(hint)[0]}
    return {"type": hint}
