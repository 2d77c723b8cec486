"""What tests share: where the real data lies, and how hypothesis behaves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

settings.register_profile(
    "spindle",
    deadline=None,
    derandomize="CI" in os.environ,
    max_examples=int(os.environ.get("SPINDLE_EXAMPLES", "100")),
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("spindle")
torch.set_num_threads(1)  # on a busy machine its threads wait for each other, spinning


@pytest.fixture(autouse=True)
def no_page_weighs_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes seconds for every run that is taught; test_report_loss.py sees to it."""
    monkeypatch.setattr("spindle.app.report.writing.lost", lambda *_: None)


@pytest.fixture(scope="session")
def data() -> Path:
    """Real weights and pictures, where they are; they are no part of the repository."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.exists():
        pytest.skip(
            f"real weights and pictures are absent: there is no {folder.name} beside the repository"
        )
    return folder
