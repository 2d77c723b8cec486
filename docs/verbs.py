"""What does every command take?  Its own help, put into the page about commands as it is built."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import Any

from spindle.app.cli import VERBS


def on_page_markdown(markdown: str, **_: Any) -> str:
    """A line <!-- verbs --> becomes a chapter for each verb."""
    if "<!-- verbs -->" not in markdown:
        return markdown
    chapters = (f"## {verb}\n\n```text\n{help_of(verb)}```\n" for verb in VERBS)
    return markdown.replace("<!-- verbs -->", "\n".join(chapters))


def help_of(verb: str) -> str:
    """All of it, where the first page of help says that there is more."""
    page = said(verb, "--help")
    return said(verb, "--help-all") if "--help-all" in page else page


def said(verb: str, flag: str) -> str:
    words = [sys.executable, "-m", "spindle", verb, flag]
    plain = os.environ | {"COLUMNS": "80", "NO_COLOR": "1"}
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=plain)
    return re.sub("\x1b\\[[0-9;]*m", "", done.stdout)
