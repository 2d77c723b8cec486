from spindle.compiler.library import Library as Library
from spindle.compiler.pipeline import Layer as Layer
from spindle.compiler.pipeline import compile as compile
from spindle.compiler.pipeline import explain as explain
from spindle.compiler.targets import target as target

__all__: list[str]
