"""How is a network taught?  Every hyperparameter once: default, flag, help and record."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from spindle.data.augment import Crop, Variety
from spindle.model.heads import Task
from spindle.training.mixing import Mixing


def say(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class Recipe:
    """A way of teaching.  What stands here is what a few hundred pictures are well served by."""

    epochs: int = say(30, "how often every picture is seen")
    batch: int = say(32, "pictures in a step, on each machine")
    accumulate: int = say(1, "steps whose gradients are added up before the weights move")
    # the step
    optimizer: Literal["sgd", "rmsprop", "adamw"] = say("adamw", "what moves the weights")
    rate: float = say(1e-3, "the learning rate at its highest")
    momentum: float = say(0.9, "of sgd and rmsprop")
    decay: float = say(0.02, "weight decay; never of norms and biases")
    trunk_rate: float = say(1.0, "the trunk's learning rate as a share of the head's")
    block_rate: float = say(1.0, "each block's rate as a share of the one behind it")
    schedule: Literal["constant", "cosine", "poly", "exponential", "onecycle"] = say(
        "cosine", "how the rate goes on"
    )
    rate_decay: float = say(0.98, "of the exponential schedule, an epoch")
    warmup: float = say(1.0, "epochs in which the rate rises from nothing")
    clip: float = say(5.0, "the longest gradient; 0 for any")
    sharpness: float = say(0.0, "how far sharpness-aware minimization looks; 0 for not at all")
    # what is asked of the answer
    smoothing: float = say(0.0, "of labels: the share of all other classes together")
    balance: float = say(
        0.5, "of classes of pixels: 0 by how many they are, 1 each class as much as any other"
    )
    drop: float = say(-1.0, "dropout before the classifier; -1 for the head's own")
    average: float = say(0.999, "what a step keeps of the weights' moving average; 0 for none")
    temperature: float = say(2.0, "of a teacher's answers")
    teaching: float = say(0.5, "a teacher's share of the loss")
    # what may move
    freeze: str = say("", "the stage up to which nothing learns: block06 say, or trunk")
    norms: Literal["auto", "train", "frozen", "estimate"] = say(
        "auto", "batch norm: taught, frozen, or counted anew to judge by; auto: for small batches"
    )
    cached: bool = say(
        False, "only the end of a classifier learns, from features that are computed once"
    )
    # how pictures are varied
    crop: Literal["usual", Crop] = say(
        "usual", "the task's own way of looking at a part of a picture, or another's"
    )
    least: float = say(0.25, "the smallest part of a picture that a random crop takes")
    flip: float = say(0.5, "how often a picture is mirrored")
    turn: float = say(0.0, "degrees by which it is turned at most")
    colour: float = say(0.2, "how far brightness, contrast and saturation go; hue a quarter of it")
    policy: Literal["none", "wide", "rand"] = say("none", "TrivialAugment wide, or RandAugment")
    magnitude: int = say(9, "of RandAugment, of 30")
    erase: float = say(0.0, "how often a rectangle is erased")
    mixup: float = say(0.0, "alpha of mixup; 0 for none")
    cutmix: float = say(0.0, "alpha of cutmix; 0 for none")
    repeats: int = say(1, "how often an epoch shows each of fewer pictures, varied anew")
    # the run
    precision: Literal["auto", "float32", "bf16"] = say("auto", "bf16 by autocast; auto: on a GPU")
    judge_every: int = say(1, "epochs from one judging to the next")
    patience: int = say(0, "judgings without progress after which to stop; 0 for never")
    seed: int = say(0, "of everything that is drawn by lot")

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(Recipe).items():
            value = getattr(self, name)
            choices = get_args(hint) if get_origin(hint) is Literal else ()
            if choices and value not in choices:
                raise ValueError(f"{name} {value!r} is none of {', '.join(choices)}")
            low, high = BOUNDS.get(name, (0, float("inf")))
            if isinstance(value, int | float) and not low <= value <= high:
                raise ValueError(f"{name} {value} is out of range: {low} to {high}")


BOUNDS = {
    "epochs": (1, 10**6), "batch": (1, 10**6), "accumulate": (1, 10**6), "repeats": (1, 100),
    "judge_every": (1, 10**6), "momentum": (0, 0.9999), "average": (0, 0.999999),
    "smoothing": (0, 0.9), "drop": (-1, 0.95), "teaching": (0, 1), "temperature": (0.1, 100),
    "least": (0.01, 1), "flip": (0, 1), "turn": (0, 180), "colour": (0, 1), "erase": (0, 1),
    "magnitude": (0, 30), "rate": (1e-9, 1e3), "rate_decay": (0.01, 1), "warmup": (0, 1e4),
    "mixup": (0, 100), "cutmix": (0, 100), "decay": (0, 10), "sharpness": (0, 10), "clip": (0, 1e6),
    "trunk_rate": (0, 1e3), "block_rate": (0, 10), "seed": (0, 2**31 - 1), "patience": (0, 10**6),
    "balance": (0, 1),
}  # fmt: skip

FINETUNE = Recipe()
# RMSProp as the paper's code has it; 5.5 million steps of 96 on one machine are 412 epochs
PAPER = Recipe(
    epochs=412, batch=96, optimizer="rmsprop", rate=0.045, decay=4e-5, schedule="exponential",
    warmup=0, clip=0, smoothing=0.1, average=0.9999, least=0.05, colour=0.125,
)  # fmt: skip
# torchvision's second weights, 72.154: eight machines of 128
MODERN = Recipe(
    epochs=600, batch=128, optimizer="sgd", rate=0.5, decay=2e-5, warmup=5, clip=0, smoothing=0.1,
    average=0.99998, least=0.08, colour=0, policy="wide", erase=0.1, mixup=0.2, cutmix=1.0,
    repeats=4,
)  # fmt: skip
# the Object Detection configuration: steps of 24, RMSProp with eps 1, x 0.95 each 800720 steps
SSDLITE = Recipe(
    epochs=600, batch=24, optimizer="rmsprop", rate=0.004, decay=4e-5, schedule="exponential",
    rate_decay=0.9997, warmup=0, clip=0, average=0.9999, colour=0, least=0.1,
)  # fmt: skip
# train_aug: 30,000 steps of 16
DEEPLAB = Recipe(
    epochs=45, batch=16, optimizer="sgd", rate=0.007, decay=4e-5, schedule="poly", warmup=0, clip=0,
    average=0, colour=0, balance=0,
)  # fmt: skip
# as published, these two begin with weights that know pictures
POSE = Recipe(epochs=210, batch=64, rate=5e-4, decay=0.0, turn=40.0, colour=0.1)
REID = Recipe(
    epochs=60, batch=64, rate=3.5e-4, decay=5e-4, warmup=5, smoothing=0.1, erase=0.5, colour=0.1
)
# what the end of a trunk learns by; its rate and its epochs by cross-validation (LOG.md)
FROZEN = Recipe(
    cached=True, epochs=4, batch=64, rate=4e-4, decay=0.0, warmup=0.4, drop=0.5, norms="frozen",
    crop="none", colour=0, average=0,
)  # fmt: skip
# with the rounding of bytes; the network knows all but that, so it listens to itself in float most
AWARE = Recipe(
    epochs=2, rate=5e-5, decay=0.0, warmup=0.1, drop=0.0, average=0.99, least=0.5, colour=0.1,
    teaching=0.9, precision="float32",
)  # fmt: skip
QUICK = Recipe(
    epochs=20, batch=64, rate=1e-2, schedule="onecycle", warmup=0, drop=0.0, decay=0.01, least=0.5,
    average=0.99,
)  # fmt: skip
TINY = replace(QUICK, epochs=2, batch=8, colour=0, average=0)
RECIPES = {
    "paper": PAPER, "modern": MODERN, "finetune": FINETUNE, "ssdlite": SSDLITE, "deeplab": DEEPLAB,
    "pose": POSE, "reid": REID, "frozen": FROZEN, "aware": AWARE, "quick": QUICK, "tiny": TINY,
}  # fmt: skip
CROPS: dict[Task, Crop] = {
    "classify": "random", "detect": "ssd", "segment": "scale", "pose": "person", "embed": "shift",
}  # fmt: skip
VARIETIES: dict[Crop, Variety] = {
    "none": Variety(),
    "random": Variety("random"),
    "ssd": Variety("ssd", scale=(0.5, 1.0)),
    "scale": Variety("scale", scale=(0.5, 2.0), step=0.25),  # DeepLab's
    "person": Variety("person", scale=(0.65, 1.35), shift=0.1),
    "shift": Variety("shift", shift=0.08),  # ten pixels of 128
}


def usual(task: Task, begun: bool) -> str:
    """The recipe for a task where none is named: with somebody's weights, or from nothing."""
    return {"pose": "pose", "embed": "reid"}.get(task, "finetune") if begun else "quick"


def named(name: str, **changes: Any) -> Recipe:
    """A recipe by its name, with changes."""
    if name not in RECIPES:
        raise ValueError(f"there is no recipe {name!r}: choose one of {', '.join(RECIPES)}")
    return replace(RECIPES[name], **changes)


SMALL = 16  # pictures in a step, over all machines: of fewer, norms keep what is not so


def counts_anew(recipe: Recipe, world: int) -> bool:
    """Whether batch norm is judged by statistics of the weights as they are then."""
    small = recipe.norms == "auto" and recipe.batch * world < SMALL
    return small or recipe.norms == "estimate"


def variety(recipe: Recipe, task: Task) -> Variety:
    """How this recipe's lessons look at their pictures."""
    crop = CROPS[task] if recipe.crop == "usual" else recipe.crop
    looks = replace(VARIETIES[crop], flip=recipe.flip, turn=recipe.turn)
    return replace(looks, least=recipe.least)


def mixing(recipe: Recipe) -> Mixing:
    """What it does to whole batches."""
    return Mixing(**{field.name: getattr(recipe, field.name) for field in fields(Mixing)})
