"""Which formats of events there are, without the libraries that read them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from pkgutil import iter_modules

FORMATS_FOLDER = Path(__file__).parent / "formats"


@cache
def list_formats(function: str) -> tuple[str, ...]:
    """Names of the files in `formats/` that define this function."""
    # Their text tells, so that listing what can be written imports no reader's library.
    definition = re.compile(rf"^def {function}\(", re.M)
    names = sorted(m.name for m in iter_modules([str(FORMATS_FOLDER)]))
    return tuple(n for n in names if definition.search((FORMATS_FOLDER / f"{n}.py").read_text("utf-8")))
