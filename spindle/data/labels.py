"""The names of the classes and points that published weights speak of."""

from __future__ import annotations

import re
from collections.abc import Sequence

VOC = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
)  # fmt: skip

KEYPOINTS = (
    "nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder",
    "left elbow", "right elbow", "left wrist", "right wrist", "left hip", "right hip", "left knee",
    "right knee", "left ankle", "right ankle",
)  # fmt: skip

# the limbs of KEYPOINTS, each from one point to another
LIMBS = (
    (0, 1), (0, 2), (1, 3), (2, 4), (5, 6), (5, 7), (7, 9), (6, 8), (8, 10), (5, 11), (6, 12),
    (11, 12), (11, 13), (13, 15), (12, 14), (14, 16),
)  # fmt: skip

OTHER_SIDE = {"left": "right", "right": "left", "l": "r", "r": "l"}
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[^A-Za-z]+")  # leftEye, l_eye, "left eye", eye.L
SIDE = re.compile(r"left|right", re.IGNORECASE)
NUMBER = re.compile(r"(?:point|keypoint|kpt?|joint)?[ _-]?\d+", re.IGNORECASE)


def mirror(labels: Sequence[str]) -> tuple[int, ...]:
    """For each of these names the place of the one it is in a mirror: the left eye's is the right.

    A name whose other side is not there is its own.  Of numbers in place of names nobody knows
    what they are in a mirror: of these there is none.
    """
    if all(map(NUMBER.fullmatch, labels)):
        return ()
    places = {label.lower(): place for place, label in enumerate(labels)}
    pairs = []
    for place, label in enumerate(labels):
        by_word = "".join(OTHER_SIDE.get(word.lower(), word) for word in WORD.findall(label))
        by_part = SIDE.sub(lambda side: OTHER_SIDE[side[0].lower()], label)  # lefteye
        other = places.get(by_word.lower(), place)
        pairs.append(places.get(by_part.lower(), place) if other == place else other)
    return tuple(o if pairs[o] == place else place for place, o in enumerate(pairs))
