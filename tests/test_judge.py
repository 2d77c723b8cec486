"""What a judge keeps is written down and read back to the bit."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from spindle.data.judges.judge import TYPES, mean, pack, place, unpack


@pytest.mark.parametrize("kind", TYPES)
@given(data=st.data())
def test_arrays_come_back(kind: str, data: st.DataObject) -> None:
    array = data.draw(arrays(np.dtype(kind), array_shapes(min_dims=0, min_side=0)))
    back = unpack(json.loads(json.dumps(pack(array))))
    assert back.dtype == array.dtype and back.shape == array.shape
    assert back.tobytes() == array.tobytes()


def test_only_numbers_are_read() -> None:
    with pytest.raises(ValueError, match="no type of numbers"):
        unpack({"type": "|O", "shape": [1], "bytes": "AAAAAAAAAAA="})


def test_the_mean_of_what_is_defined() -> None:
    assert mean(np.array([1, np.nan, 2])) == 1.5
    assert mean(np.array([np.nan])) is None and mean(np.array([])) is None


def test_records_of_one_name_have_an_order() -> None:
    first, second = ("a", {"x": np.array([1.0])}), ("a", {"x": np.array([2.0])})
    assert place(first) != place(second) and sorted([second, first], key=place)
    assert place(("b", {})) > place(second)
