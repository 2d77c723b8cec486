"""Which ops does only a compiler know?  A convolution that adds a shortcut; another format."""

from __future__ import annotations

from dataclasses import dataclass, fields

from spindle.model.ops import Conv, Op, Shape, Tensor, one, require


@dataclass(frozen=True)
class Sum(Conv):
    """A convolution of its first input, to which its second is added."""

    @property
    def alone(self) -> Conv:
        """The convolution without the shortcut."""
        settings = {field.name: getattr(self, field.name) for field in fields(self)}
        return Conv(**settings | {"inputs": self.inputs[:1]})

    @property
    def shortcut(self) -> Tensor:
        return self.inputs[1]

    def shape(self) -> Shape:
        require(self, len(self.inputs) == 2, "takes what it convolves and what it adds")
        made = self.alone.shape()
        require(self, made == self.shortcut.shape, f"cannot add {self.shortcut.shape} to {made}")
        return made


@dataclass(frozen=True)
class Cast(Op):
    """Bytes as the numbers they stand for, or numbers as bytes."""

    def shape(self) -> Shape:
        require(self, self.grid != self.inputs[0].grid, "changes nothing")
        return one(self)
