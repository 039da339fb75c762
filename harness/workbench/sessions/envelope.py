"""The map of a rule's variants, as `detlab envelope` makes it, of a text that may not be saved."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection

from harness.cli.commands.envelope import build_subject, study_envelope
from harness.run_options import RunOptions
from harness.workbench.session_request import SessionRequest, SessionVoice

# As the command's options have them.
USUAL_START, USUAL_LENGTH = "2026-03-03T09:12:00Z", "8h"


def run_session(request: SessionRequest, chosen: RunOptions, orders: Connection, tell: SessionVoice) -> None:
    """Tells the map of a rule once; `x` and `y` of the wishes are its axes, as the command takes them."""
    wishes = request.wishes
    options = replace(chosen, texts={request.rule: request.text})
    made = partial(build_subject, scenario=None, behaviour=wishes.get("behaviour") or None, given={}, start=USUAL_START)
    found = study_envelope(
        request.rule,
        made=made,
        axes=(wishes.get("x") or None, wishes.get("y") or None),
        lasting=USUAL_LENGTH,
        tries=1,
        plot=None,
        chosen=options,
    )
    tell({"map": found.document})
