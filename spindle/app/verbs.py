"""How does a function become a command?  Its signature is the flags, its docstring the help.

A parameter without a default is an argument, one before `/` an argument that may be left out, the
others are flags.  The docstring's first line
says what the verb does, its lines of the form `name: help` what each parameter means, and what
follows "Example:" is shown as it stands.  Where a verb takes the fields of a record as well, each
of them is a flag, and those that are given reach it by name.
"""

from __future__ import annotations

import argparse
import inspect
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from io import TextIOWrapper
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, NoReturn, Union, get_args, get_origin, get_type_hints

Verb = Callable[..., int]
SHORT = {"out": ["-o"]}  # as compilers have it
FIELDS = "fields_of"  # where a verb keeps the record whose fields it takes


def takes(record: Callable[[], type]) -> Callable[[Verb], Verb]:
    """The verb's **settings are fields of this record, which says their help itself.

    The record is asked for once the verb is: it may stand in a room that opens slowly.
    """

    def mark(verb: Verb) -> Verb:
        setattr(verb, FIELDS, record)
        return verb

    return mark


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
        parser = Parser("spindle", description=about)
        parser.add_argument("--version", action="version", version=f"spindle {version}")
        commands = parser.add_subparsers(
            dest="verb", required=True, metavar="VERB", parser_class=Parser
        )
        by_name = {verb.__name__.rstrip("_"): verb for verb in verbs}
        argv = sys.argv[1:] if argv is None else argv
        for name, verb in by_name.items():
            add(commands, name, verb, asked=name in argv[:1])
        given = vars(parser.parse_args(argv))
        verb = by_name[given.pop("verb")]
        asked = inspect.signature(verb).parameters.values()
        first = [given.pop(p.name) for p in asked if p.kind is p.POSITIONAL_ONLY]
        code = verb(*first, **given)
        sys.stdout.flush()  # here a full disk or a closed pipe can still be told
        return code
    except (ValueError, ModuleNotFoundError) as error:
        reason = str(error)
    except BrokenPipeError:  # whoever read our output has seen enough
        settle()
        return 1
    except OSError as error:
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


def settle() -> None:
    """Writes what is still unwritten, or drops it before Python stumbles over it at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def one_line(text: str) -> str:
    return " ".join(text.split())


def add(commands: Any, name: str, verb: Verb, asked: bool) -> None:
    about, _, example = inspect.cleandoc(verb.__doc__ or "").partition("\nExample:")
    parser = commands.add_parser(
        name, help=about.split("\n")[0].replace("%", "%%"), description=about.split("\n")[0],
        epilog=f"example:{example}", formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    hints, helps = get_type_hints(verb), dict(re.findall(r"^(\w+): (.+)$", about, re.MULTILINE))
    for parameter in inspect.signature(verb).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            if asked:
                add_fields(parser, getattr(verb, FIELDS)())
            continue
        say = helps[parameter.name].replace("%", "%%")
        settings: dict[str, Any] = {"help": say} | reading(hints[parameter.name])
        if parameter.kind is parameter.POSITIONAL_ONLY:
            settings |= {"nargs": "?", "default": parameter.default}
        if "default" in settings or parameter.default is parameter.empty:
            parser.add_argument(parameter.name, **settings)
        else:
            if settings.get("action") is None:
                settings.setdefault("metavar", parameter.name.upper())
            flags = ["--" + parameter.name.replace("_", "-"), *SHORT.get(parameter.name, ())]
            parser.add_argument(*flags, default=parameter.default, dest=parameter.name, **settings)


def add_fields(parser: argparse.ArgumentParser, record: Any) -> None:
    """A flag for each field of a record, in a group of their own."""
    group = parser.add_argument_group(record.__name__.lower(), inspect.cleandoc(record.__doc__))
    hints = get_type_hints(record)
    for field in fields(record):
        settings = reading(hints[field.name])
        if hints[field.name] is bool:
            settings = {"action": argparse.BooleanOptionalAction}
        else:
            settings.setdefault("metavar", field.name.upper())
        say = f"{field.metadata['help']} ({field.default})".replace("%", "%%")
        flag = "--" + field.name.replace("_", "-")
        group.add_argument(flag, default=argparse.SUPPRESS, dest=field.name, help=say, **settings)


def reading(hint: Any) -> dict[str, Any]:
    """How argparse is to read a value of this type."""
    if hint is bool:
        return {"action": "store_true"}
    if get_origin(hint) in (Union, UnionType):  # of something and None
        (hint,) = (choice for choice in get_args(hint) if choice is not NoneType)
    if get_origin(hint) is Literal:
        return {"choices": get_args(hint), "metavar": "|".join(get_args(hint))}
    if get_origin(hint) is list:
        return {"nargs": "+", "type": get_args(hint)[0]}
    return {"type": hint}
