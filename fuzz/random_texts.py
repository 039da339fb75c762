"""One target under hypothesis: texts made of pieces of real ones, for machines without atheris."""

from __future__ import annotations

import re
from collections.abc import Sequence
from time import monotonic

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st

from fuzz.targets import hold

PIECES = re.compile(r"\w+|\s+|[^\w\s]")
# Chosen, no source.
MOST_PIECES = 5_000


def fuzz(target: str, seeds: Sequence[str], seconds: float) -> int:
    """How many texts were tried; raises at the smallest one that breaks a promise."""
    pieces = sorted({p for seed in seeds for p in PIECES.findall(seed)})[:MOST_PIECES] or ["a"]
    some = st.sampled_from(pieces)
    mixed = st.lists(some | st.text(max_size=4), max_size=40).map("".join)
    cut = st.builds(
        # Real texts with a stretch replaced reach further than texts made up from pieces.
        lambda s, a, b, t: s[:a] + t + s[b:],
        st.sampled_from(seeds or ["a"]),
        *[st.integers(0, 400)] * 2,
        mixed,
    )
    ends = monotonic() + seconds
    tried = 0

    @settings(
        max_examples=100,
        # `hold` has a bound of its own, and machines of CI are slow at times.
        deadline=None,
        database=None,
        verbosity=Verbosity.quiet,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(mixed | cut)
    def one(text: str) -> None:
        nonlocal tried
        tried += 1
        if monotonic() < ends:
            hold(target, text)

    while monotonic() < ends:
        one()
    return tried
