"""What a batch of masks costs: rare classes as much as is asked, and at any scale."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from spindle.data.samples import VOID
from spindle.model.family import mobilenet_v2
from spindle.training.losses import loss_for

GRAPH = mobilenet_v2(0.1, 64, "deeplab", 4)


@pytest.mark.parametrize("balance", [0.5, 1.0])
def test_rare_classes_count_for_more(balance: float) -> None:
    loss = loss_for(GRAPH, "segment", balance=balance)
    logits, mask = torch.randn(2, 4, 8, 8), torch.zeros(2, 8, 8, dtype=torch.uint8)
    mask[:, 3:], mask[0, 0, :3], mask[1, :2] = 1, 2, VOID  # the fourth class is not there at all
    counts = torch.bincount(mask[mask != VOID].long(), minlength=4)
    weight = 1 / counts.clamp(min=1) ** balance
    judge = nn.functional.cross_entropy(logits, mask.long(), weight, ignore_index=VOID)
    assert torch.isclose(loss({"logits": logits}, {"mask": mask})[0], judge)
    assert float(loss({"logits": logits}, {"mask": torch.full_like(mask, VOID)})[0]) == 0


def test_a_mask_finer_than_the_answer_is_answered_all_the_same() -> None:
    answer = torch.zeros(1, 4, 2, 2)
    answer[:, 2] = 20
    total, _ = loss_for(GRAPH, "segment")(
        {"logits": answer}, [{"mask": np.full((16, 16), 2, np.uint8)}]
    )
    assert float(total) < 1e-3
