"""A run's state comes back to the bit, is refused where it is another's, and never runs code."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from spindle.training import checkpoint

SETTINGS = {"rate": 0.1, "data": "photos"}


def test_a_state_comes_back_to_the_bit(tmp_path: Path) -> None:
    state = {"learner": {"w": torch.randn(3, 4)}, "progress": {"epoch": 2, "rows": [{"loss": 0.5}]}}
    checkpoint.save(tmp_path, state | {"settings": SETTINGS})
    found = checkpoint.load(tmp_path, SETTINGS)
    assert found is not None and found["progress"] == state["progress"]
    assert torch.equal(found["learner"]["w"], state["learner"]["w"])  # type: ignore[index]


def test_a_new_folder_has_no_state(tmp_path: Path) -> None:
    assert checkpoint.load(tmp_path, SETTINGS) is None


def test_another_runs_state_is_not_taken(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, {"settings": SETTINGS, "learner": {}})
    with pytest.raises(ValueError, match=r"begun with rate 0.1, not 0.2: say .* another --out"):
        checkpoint.load(tmp_path, SETTINGS | {"rate": 0.2})
    checkpoint.save(tmp_path, {"settings": SETTINGS})
    with pytest.raises(
        ValueError, match=r"not 0.2: it has ended; choose another --out .*--weights"
    ):
        checkpoint.load(tmp_path, SETTINGS | {"rate": 0.2})


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("touched"),))  # type: ignore[return-value]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", pickle.dumps({"settings": Evil()})])
def test_a_damaged_or_hostile_state_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / checkpoint.NAME).write_bytes(content)
    with pytest.raises(ValueError, match=r"state.pt is damaged: remove it"):
        checkpoint.load(tmp_path, SETTINGS)
    assert not Path("touched").exists()
