"""A command line run in this process."""

import json
from dataclasses import dataclass

from click.testing import CliRunner

from harness.cli.main import main


@dataclass(frozen=True)
class Ran:
    """What a command line printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.out)
        return found


def detlab(*arguments: str) -> Ran:
    ran = CliRunner().invoke(main, [str(a) for a in arguments])
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
    return Ran(ran.exit_code, ran.stdout, ran.stderr)
