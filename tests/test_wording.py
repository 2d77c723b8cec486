"""Words are heard however they are spelt, and nothing else is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spindle.data.judges.wording import SYNONYMS, worded
from spindle.data.labels import VOC

labels = st.lists(st.text("abAB _7", max_size=6), min_size=1, max_size=8)


@given(labels)
def test_a_label_is_the_first_that_is_written_so(known: list[str]) -> None:
    words = worded(known)
    for label in known:
        assert words.number(label) == known.index(label)
    assert words.judged(np.arange(len(known))).tolist() == [known.index(label) for label in known]


def test_coco_and_voc_mean_the_same_things() -> None:
    voc, coco = worded(VOC), worded(list(SYNONYMS))
    for number, (theirs, ours) in enumerate(SYNONYMS.items()):
        assert voc.number(theirs) == VOC.index(ours)
        assert coco.number(ours) == number


def test_letters_of_two_sizes_are_two_classes_if_the_data_has_both() -> None:
    assert [worded("aA").number(word) for word in "aA"] == [0, 1]
    assert worded(["A", "left_knee"]).number("a") == 0
    assert worded(["A", "left_knee"]).number("Left Knee") == 1


def test_a_model_without_labels_speaks_in_numbers() -> None:
    words = worded(["cat", "dog", "class 0"])
    assert words.number("class 1") == 1 and words.number("point 2") == 2
    assert words.number("class 0") == 2  # the data's own word comes first
    assert words.number("class 3") == words.number("class -1") == words.number("cow") == -1


def test_only_some_are_judged() -> None:
    words = worded(["cat", "airplane", "dog"], {"aeroplane", "cow", "dog"})
    assert words.judged(np.array([-1, 0, 1, 2, 3])).tolist() == [-1, -1, 1, 2, -1]
    assert words.number("cat") == -1 and words.number("class 0") == -1
    with pytest.raises(ValueError, match="give labels that both know"):
        worded(["cat"], ["dog"])
