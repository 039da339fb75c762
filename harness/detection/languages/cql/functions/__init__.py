"""The functions of CQL by family: each file of this folder is imported, which fills the table."""

from importlib import import_module
from pkgutil import iter_modules

FAMILIES = tuple(import_module(f"{__name__}.{name}") for name in sorted(m.name for m in iter_modules(__path__)))
"""The modules in the order of their names."""
