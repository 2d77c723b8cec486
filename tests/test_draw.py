"""Many pictures are seen on one sheet, each whole and in its place."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as Pillow

from spindle.app.draw import contact_sheet, draw_result
from spindle.data.results import Classification


def test_a_result_is_drawn() -> None:
    said, picture = Classification((("ant", 0.9),)), Pillow.new("RGB", (30, 20))
    assert draw_result(picture, said).tobytes() == said.draw(picture).tobytes()


@pytest.mark.parametrize("count", [0, 1, 3, 9])
def test_a_contact_sheet_shows_them_all(count: int) -> None:
    pictures = [Pillow.new("RGB", (10 + 300 * i, 400), (200, 10 * i, 0)) for i in range(count)]
    sheet = np.asarray(contact_sheet(pictures, columns=4, side=100))
    assert sheet.shape == (-(-count // 4) * 100, 100 * max(min(count, 4), 1), 3)
    for i in range(count):
        row, column = divmod(i, 4)
        middle = sheet[row * 100 + 50, column * 100 + 50]
        assert middle.tolist() == [200, 10 * i, 0]
