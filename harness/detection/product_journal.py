"""What was made on products for trials and is not removed yet: noted on the disk before it is made."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from harness.detection.engine import list_engines
from harness.diagnostics import HarnessError
from harness.late_pattern import late_pattern
from harness.output_file import write_file
from harness.record import record
from harness.telemetry.lab.journal import state_folder

FOLDER = "products"
# A note is some hundred bytes.
LARGEST_NOTE = 1 << 16
RUN_NAME = late_pattern(r"detlab_[a-z0-9]{1,32}")


@record(kw_only=True)
class MadeThere:
    """What a run makes: by which engine, at which address (no token), under which beginning of all its names."""

    engine: str
    address: str
    name: str
    repository: str = ""
    ca: str = ""


def note_made(made: MadeThere) -> None:
    """Notes what is about to be made; when this returns it is on the disk, so that no crash can hide it."""
    folder = state_folder() / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HarnessError("unwritable", f"{folder}: {error.strerror}") from error
    write_file(folder / f"{made.name}.json", json.dumps(asdict(made)).encode())


def forget_made(name: str) -> None:
    """Takes the note away: what it names is gone."""
    (state_folder() / FOLDER / f"{name}.json").unlink(missing_ok=True)


def list_made() -> list[MadeThere]:
    """Everything that is still noted, in the order of names. A note that is not ours is left alone."""
    found = []
    for path in sorted((state_folder() / FOLDER).glob("detlab_*.json")):
        made = read_note(path)
        if made is not None:
            found.append(made)
    return found


def read_note(path: Path) -> MadeThere | None:
    """One note; None of a file that holds none."""
    try:
        if path.stat().st_size > LARGEST_NOTE:
            return None
        fields = json.loads(path.read_text("utf-8"))
        made = MadeThere(**{name: str(value) for name, value in fields.items()})
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    # The name goes into a search and into addresses that are deleted.
    return made if RUN_NAME.fullmatch(made.name) and path.stem == made.name and made.engine in list_engines() else None
