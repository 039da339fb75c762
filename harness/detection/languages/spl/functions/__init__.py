"""Eval functions by family; importing this fills the table with those of every file in this folder."""

from importlib import import_module
from pkgutil import iter_modules

for name in sorted(m.name for m in iter_modules(__path__)):
    import_module(f"{__name__}.{name}")
