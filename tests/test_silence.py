"""Nothing is printed, from Python or from C, and a failure is one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings

import pytest

from spindle.app.exports.silence import quietly, silence


def test_nothing_is_heard_and_afterwards_all_is(capfd: pytest.CaptureFixture[str]) -> None:
    with silence():
        print("from Python")
        print("a complaint", file=sys.stderr)
        os.write(1, b"from C")
        subprocess.run(["echo", "from another process"], check=True)
        warnings.warn("of the future", FutureWarning, stacklevel=1)
    print("heard")
    os.write(2, b"heard too")
    out, err = capfd.readouterr()
    assert (out, err) == ("heard\n", "heard too")


def test_a_failure_is_one_sentence(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=r"^the .pte says KeyError: 'a b'$"), quietly("the .pte"):
        print("much")
        raise KeyError("a b")
    with pytest.raises(ValueError, match="says RuntimeError: one two$"), quietly("it"):
        raise RuntimeError("one\n   two")
    with pytest.raises(KeyboardInterrupt), quietly("it"):
        raise KeyboardInterrupt
    os.write(1, b"heard")
    assert capfd.readouterr().out == "heard"
