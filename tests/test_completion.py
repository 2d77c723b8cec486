"""What the scripts offer is what the program takes, asked in each shell that is here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import get_args

import pytest

from spindle.app.cli import VERBS, main
from spindle.app.completion import Shell, quoted, script
from spindle.app.verbs import Word

WORDS = {
    "bake": (
        "Bakes, and doesn't burn.",
        [
            Word(("-o", "--out"), (), False, "where to"),
            Word(("--kind",), ("cake", "bread"), False, "of thing"),
            Word(("--hot",), (), True, "hotter, it's said"),
            Word((), (), False, "what"),
        ],
    ),
    "wait": (
        "Waits.",
        [Word((), ("short", "long"), False, "how"), Word(("--hard",), (), True, "")],
    ),
}
ASKED = {
    "spindle ": {"bake", "wait"},
    "spindle b": {"bake"},
    "spindle bake --": {"--out", "--kind", "--hot"},
    "spindle bake thing --h": {"--hot"},
    "spindle bake --kind ": {"cake", "bread"},
    "spindle bake --hot --kind c": {"cake"},
    "spindle wait ": {"short", "long"},
    "spindle wait l": {"long"},
    "spindle wait long --": {"--hard"},
}
BASH = """
source "$1"; read -ra COMP_WORDS <<<"$2"
[[ "$2" == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _spindle; printf '%s\\n' "${COMPREPLY[@]}"
"""


def offered(shell: str, path: Path, line: str) -> set[str]:
    command = {
        "bash": ["bash", "--norc", "-c", BASH, "bash", str(path), line],
        "fish": ["fish", "--no-config", "-c", f"source {path}; complete -C {quoted(line)}"],
    }[shell]
    done = subprocess.run(command, capture_output=True, text=True, cwd=path.parent, check=True)
    assert done.stderr == ""
    return {found.split("\t")[0] for found in done.stdout.splitlines() if found}


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_a_shell_completes_what_is_typed(shell: Shell, tmp_path: Path) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not here")
    (path := tmp_path / "script").write_text(script(shell, WORDS))
    for line, wanted in ASKED.items():
        assert offered(shell, path, line) - {"script"} == wanted, line


def test_zsh_reads_its_script(tmp_path: Path) -> None:
    if not shutil.which("zsh"):
        pytest.skip("zsh is not here")
    (path := tmp_path / "script").write_text(script("zsh", WORDS))
    code = (
        f"autoload -Uz compinit; compinit -u -d {tmp_path}/d; source {path}; echo $_comps[spindle]"
    )
    done = subprocess.run(["zsh", "-f", "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("_spindle\n", "")


@pytest.mark.parametrize("shell", get_args(Shell))
def test_the_verb_knows_every_verb(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    said = capsys.readouterr().out
    assert all(verb in said for verb in VERBS)
    assert "threshold" in said and "judge-every" in said


def test_bash_completes_the_program_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not shutil.which("bash"):
        pytest.skip("bash is not here")
    main(["completion", "bash"])
    (path := tmp_path / "script").write_text(capsys.readouterr().out)
    assert offered("bash", path, "spindle pre") == {"predict"}
    assert offered("bash", path, "spindle predict m.so --thresh") == {"--threshold"}
    assert offered("bash", path, "spindle train data --task se") == {"segment"}
    assert offered("bash", path, "spindle train data --judge") == {"--judge-every"}
