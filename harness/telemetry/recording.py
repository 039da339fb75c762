"""Recordings: folders that hold what hosts recorded of tests, checked against their manifest whenever they are read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from harness.diagnostics import HarnessError
from harness.telemetry.events.event import Telemetry, merge_telemetry
from harness.telemetry.format import read_telemetry

SCHEMA = 1
MANIFEST = "manifest.json"
# At one or two kilobytes a test some ten thousand of them.
LARGEST_MANIFEST = 16 << 20


class RecordedTest(msgspec.Struct, frozen=True, kw_only=True):
    """One test on one host as the manifest tells it; paths are within the recording, times ISO 8601 in UTC."""

    host: str
    technique: str
    number: int
    name: str
    mark: str
    status: str
    guid: str = ""
    title: str = ""
    arguments: dict[str, str] = {}
    exit_code: int | None = None
    cleaning: str = ""
    started: str | None = None
    ended: str | None = None
    events: str = ""
    raw: dict[str, str] = {}
    windows: dict[str, tuple[int, int]] = {}
    losses: tuple[str, ...] = ()
    caused: int = 0
    recorded: int = 0
    # Later versions may only add fields with a default: schema 1 stays readable.
    late: bool = False
    why: str = ""


class RecordedHost(msgspec.Struct, frozen=True, kw_only=True):
    """A host: the name it has itself and how far its clock is ahead, in seconds; times are already put right."""

    computer: str = ""
    offset: float = 0.0
    uncertainty: float = 0.0
    wire: str = ""
    elevated: bool = False


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a recording. `files` has the SHA-256 of every file but the manifest itself."""

    schema: int
    run: str
    lab: str
    created: str
    tool: str
    hosts: dict[str, RecordedHost]
    tests: tuple[RecordedTest, ...]
    files: dict[str, str]
    anonymised: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A recording whose files have the digests of its manifest."""

    path: Path
    manifest: Manifest

    def tests(self, technique: str = "", number: int | str | None = None) -> Iterator[RecordedTest]:
        """The tests of a technique; of one number, GUID or name, or all."""
        for test in self.manifest.tests:
            if technique in ("", test.technique) and number in (None, "", test.number, test.guid, test.title):
                yield test

    def telemetry(self, technique: str = "", number: int | str | None = None) -> Telemetry:
        """Telemetry of these tests on all hosts, the attack's events labelled. Raises HarnessError without any."""
        found = [t for t in self.tests(technique, number) if t.events]
        if not found:
            what = f"{technique}-{number}" if number not in (None, "") else technique or "any test"
            known = ", ".join(sorted({t.name for t in self.manifest.tests})) or "nothing"
            raise HarnessError("not-recorded", f"{self.path} has no events of {what}", help=f"it has {known}")
        parts = [read_telemetry(self.path / t.events) for t in found]
        return parts[0] if len(parts) == 1 else merge_telemetry(parts)


def is_recording(path: Path) -> bool:
    """Whether a path is a recording's folder."""
    return path.is_dir() and (path / MANIFEST).is_file()


def open_recording(path: Path) -> Recording:
    """The recording in a folder. Raises HarnessError where a file is missing or is not what was recorded."""
    manifest = read_manifest(path)
    for name, digest in manifest.files.items():
        file = path / name
        # Names come from a file that others may have written: links and `..` must not lead out.
        if not file.resolve().is_relative_to(path.resolve()) or not file.is_file():
            raise HarnessError(
                "damaged-recording", f"{path} has no {name}", help="record it again, or restore the file"
            )
        if digest_of(file) != digest:
            message = f"{file} is not what was recorded: its SHA-256 differs from the manifest's"
            raise HarnessError("damaged-recording", message, help="restore the file, or record the test again")
    return Recording(path=path, manifest=manifest)


def read_manifest(path: Path) -> Manifest:
    """The manifest of a recording. Raises HarnessError for another schema or damage."""
    file = path / MANIFEST
    try:
        if file.stat().st_size > LARGEST_MANIFEST:
            raise HarnessError("damaged-recording", f"{file} is larger than {LARGEST_MANIFEST >> 20} MiB")
        found: dict[str, Any] = json.loads(file.read_bytes())
        schema = found.get("schema")
        if schema != SCHEMA:
            message = f"{file} has schema {schema}, this detlab reads schema {SCHEMA}"
            raise HarnessError("recording-schema", message, help="use the detlab that wrote it")
        return msgspec.convert(found, Manifest)
    except OSError as error:
        raise HarnessError(
            "no-recording", f"{path} is no recording: {(error.strerror or str(error)).lower()}"
        ) from error
    except (ValueError, AttributeError, msgspec.ValidationError) as error:
        raise HarnessError("damaged-recording", f"{file} cannot be read: {error}") from error


def digest_of(file: Path) -> str:
    """The SHA-256 of a file."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
