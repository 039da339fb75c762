"""The rules of the project, told once."""

from __future__ import annotations

from multiprocessing.connection import Connection

from harness.run_options import RunOptions
from harness.supervisor import unit_of_work
from harness.workbench.project_rules import describe_rules
from harness.workbench.session_request import SessionRequest, SessionVoice


def run_session(request: SessionRequest, chosen: RunOptions, orders: Connection, tell: SessionVoice) -> None:
    """Tells the rules of a folder."""
    with unit_of_work(chosen.limits.seconds):
        tell({"rules": list(describe_rules(request.root))})
