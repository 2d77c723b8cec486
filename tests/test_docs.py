"""Every block of code in docs/ runs: a page is a script, and its output is what the page shows.

A page has a folder of its own, with a copy of examples/ in it; its blocks run there in their order.
A block whose title is the name of a file is written to it.  One whose title begins with "needs"
wants what is not here, and is not run, though its commands must exist.  A block of text is what the
block before it says: "..." stands for anything, and if its title says so, numbers differ.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
BLOCK = re.compile(
    r'^(?P<indent> *)```(?P<kind>\w+)(?: title="(?P<title>[^"]*)")?\n(?P<text>.*?)^ *```$',
    re.MULTILINE | re.DOTALL,
)
FILE = re.compile(r"[\w./-]+\.\w+")
ROUGHLY = "your numbers will differ"
NUMBER = re.compile(r"\d[\d,.]*|[▏▎▍▌▋▊▉█]+")
RUN = {
    "bash": ("bash", "-eu", "-c"),
    "python": (sys.executable, "-W", "error", "-c"),
    "js": ("node", "--input-type=module", "-e"),
}
OUTSIDE = re.compile(r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=\"?(?:https?:)?//[^>]*>")
SAID = ("canonical", "alternate")  # links that are not followed to show a page


@dataclass(frozen=True)
class Block:
    kind: str
    title: str
    text: str
    line: int

    @property
    def needs(self) -> str:
        """What it wants that is not here; empty where it can be run."""
        if self.title.startswith("needs "):
            return self.title
        if self.kind in RUN and not shutil.which(RUN[self.kind][0]):
            return f"needs {RUN[self.kind][0]}"
        return ""

    @property
    def file(self) -> str:
        return self.title if FILE.fullmatch(self.title) else ""


def blocks(page: Path) -> list[Block]:
    text = page.read_text("utf-8")
    assert len(re.findall(r"^ *```", text, re.MULTILINE)) == 2 * len(BLOCK.findall(text)), page
    found = []
    for match in BLOCK.finditer(text):
        kept = match["text"].replace(f"\n{match['indent']}", "\n").removeprefix(match["indent"])
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(match["kind"], match["title"] or "", kept, line))
    return found


def name(page: Path) -> str:
    return page.relative_to(DOCS).with_suffix("").as_posix()


@pytest.mark.skipif(not find_spec("ziglang"), reason="ziglang is absent, which compiles")
@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p)], ids=name)
def test_a_page_is_a_script(page: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    told, missing = "", []
    for block in blocks(page):
        where = f"{page.name}:{block.line}"
        if block.file:
            (tmp_path / block.file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / block.file).write_text(block.text, "utf-8")
        elif block.kind == "text":
            assert same(block, told), f"{where} shows\n{block.text}\nbut it says\n{told}"
        elif block.needs:
            missing.append(f"{where} {block.needs}")
            told = "..." if block.title else ""
        else:
            told = run(block, tmp_path, where)
    if any("needs node" in reason for reason in missing):
        pytest.skip("; ".join(missing))


def run(block: Block, room: Path, where: str) -> str:
    assert block.kind in RUN, (
        f"{where}: give this {block.kind} the name of a file, or what it needs"
    )
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(
        [*RUN[block.kind], block.text], cwd=room, capture_output=True, text=True,
        env=os.environ | {"PATH": path, "COLUMNS": "100"},
    )  # fmt: skip
    assert done.returncode == 0, f"{where}\n{block.text}\n{done.stdout}{done.stderr}"
    return done.stdout


def same(block: Block, told: str) -> bool:
    """Whether a block shows what was told; "..." was told by what could not run."""
    shown = block.text
    if block.title.endswith(ROUGHLY):
        shown, told = (NUMBER.sub("#", text) for text in (shown, told))
    shown, told = (" ".join(text.split()) for text in (shown, told))
    pattern = re.escape(shown)
    for anything in (r"\ \.\.\.", r"\.\.\.\ ", r"\.\.\."):
        pattern = pattern.replace(anything, ".*")
    return told == "..." or re.fullmatch(pattern, told) is not None


NEEDING = [
    pytest.param(block, id=f"{name(page)}:{block.line}")
    for page in PAGES
    for block in blocks(page)
    if block.title.startswith("needs ")
]


@pytest.mark.parametrize("block", NEEDING)
def test_what_cannot_run_here_is_said_rightly(block: Block) -> None:
    if block.kind == "python":
        compile(block.text, block.title, "exec")
    if block.kind != "bash":
        return
    done = subprocess.run(["bash", "-n", "-c", block.text], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for verb, words in re.findall(r"^spindle (\w+)((?:.*\\\n)*.*)", block.text, re.MULTILINE):
        for flag in re.findall(r"(?<!\S)--[\w-]+", words.split("#")[0]):
            assert flag in help_of(verb), f"spindle {verb} has no {flag}"


@cache
def help_of(verb: str, flag: str = "--help") -> list[str]:
    """Its flags; those too that only --help-all shows."""
    words = [sys.executable, "-m", "spindle", verb, flag]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    flags = re.findall(r"--[\w-]+", done.stdout)
    return help_of(verb, "--help-all") if "--help-all" in flags and flag == "--help" else flags


def test_examples_that_pages_name_are_there() -> None:
    for page in PAGES:
        for path in re.findall(r"(?<![\w/])examples/[\w./-]*\.\w+", page.read_text("utf-8")):
            assert (ROOT / path).exists(), f"{page.name} names {path}"


@pytest.mark.skipif(not find_spec("mkdocs"), reason="mkdocs is absent: pip install 'spindle[docs]'")
def test_the_pages_build_and_ask_nobody_else(tmp_path: Path) -> None:
    """No font, script or picture comes from elsewhere; --strict turns broken links into errors."""
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pages = sorted(tmp_path.rglob("*.html"))
    assert len(pages) > len(PAGES)
    for page in pages:
        for tag in OUTSIDE.findall(page.read_text("utf-8")):
            assert any(f'rel="{kind}"' in tag for kind in SAID), f"{page.name} fetches {tag}"
    for style in tmp_path.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(?:https?:)?//", style.read_text("utf-8")), style.name
    index = json.loads((tmp_path / "search" / "search_index.json").read_text("utf-8"))
    assert any("inverted" in entry["text"] for entry in index["docs"])
