"""Recordings: folders that hold what hosts recorded of tests, checked against their manifest whenever they are read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from harness.diagnostics import HarnessError
from harness.record import record
from harness.telemetry.events.event import Telemetry, merge_telemetry
from harness.telemetry.format import read_telemetry

SCHEMA = 1
MANIFEST = "manifest.json"
TEST_MANIFEST = "test.json"
# At one or two kilobytes a test some ten thousand of them.
LARGEST_MANIFEST = 16 << 20


class RevealedSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A secret whose value stands in recorded events: where it is kept, and how often it occurs in which files."""

    env: str = ""
    keyring: str = ""
    user: str = ""
    files: dict[str, int] = {}


class RecordedTest(msgspec.Struct, frozen=True, kw_only=True):
    """One test on one host as the manifest tells it; paths are within the recording, times ISO 8601 in UTC.

    `definition` is the hash of the atomic as it was, `secrets` the names of the secrets in each argument.
    """

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
    definition: str = ""
    secrets: dict[str, tuple[str, ...]] = {}
    revealed: tuple[RevealedSecret, ...] = ()


class RecordedHost(msgspec.Struct, frozen=True, kw_only=True):
    """A host: the name it has itself and how far its clock is ahead, in seconds; times are already put right."""

    computer: str = ""
    offset: float = 0.0
    uncertainty: float = 0.0
    wire: str = ""
    elevated: bool = False


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a recording. `files` has the SHA-256 of every file but the manifest itself.

    `complete` is whether the run came to its end, so that no test is missing.
    """

    schema: int
    run: str
    lab: str
    created: str
    tool: str
    hosts: dict[str, RecordedHost]
    tests: tuple[RecordedTest, ...]
    files: dict[str, str]
    anonymised: bool = False
    complete: bool = True


@record(kw_only=True)
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
        parts = [read_telemetry(resolve_file(self.path, t.events)) for t in found]
        return parts[0] if len(parts) == 1 else merge_telemetry(parts)


def is_recording(path: Path) -> bool:
    """Whether a path is a recording's folder, of a run that came to its end or not."""
    return path.is_dir() and ((path / MANIFEST).is_file() or any(list_test_manifests(path)))


def list_test_manifests(path: Path) -> list[Path]:
    """The manifests of single tests, which are written when each has ended."""
    return sorted(path.glob(f"*/*/{TEST_MANIFEST}"))


def open_recording(path: Path) -> Recording:
    """The recording in a folder. Raises HarnessError where a file is missing, is another one or is not inside."""
    manifest = read_manifest(path) if (path / MANIFEST).is_file() else merge_test_manifests(path)
    for name, digest in manifest.files.items():
        file = resolve_file(path, name)
        if not file.is_file():
            raise HarnessError(
                "damaged-recording", f"{path} has no {name}", help="record it again, or restore the file"
            )
        if digest_of(file) != digest:
            message = f"{file} is not what was recorded: its SHA-256 differs from the manifest's"
            raise HarnessError("damaged-recording", message, help="restore the file, or record the test again")
    for test in manifest.tests:
        for name in (test.events, *test.raw.values()):
            if name and name not in manifest.files:
                message = f"{path} names `{name}` for {test.name}, which is not among its files: it has no hash"
                raise HarnessError("damaged-recording", message, help="restore the manifest, or record the test again")
    return Recording(path=path, manifest=manifest)


def resolve_file(path: Path, name: str) -> Path:
    """A file of a recording by the name that the manifest has for it. Raises HarnessError for one that leads out."""
    parts = name.split("/")
    if not name or "\0" in name or "\\" in name or any(part in ("", ".", "..") for part in parts):
        message = f"{path} names the file `{name}`, which is not inside the recording"
        raise HarnessError("damaged-recording", message, help="restore the manifest, or record the test again")
    file = path
    for part in parts:
        file = file / part
        if file.is_symlink():
            message = f"{file} is a symbolic link: what a recording holds is in the recording itself"
            raise HarnessError("damaged-recording", message, help="put the file itself there")
    return file


def read_manifest(path: Path) -> Manifest:
    """The manifest of a recording."""
    return read_manifest_file(resolve_file(path, MANIFEST), path)


def merge_test_manifests(path: Path) -> Manifest:
    """The manifest of a run that was cut off: what the manifests of its tests say together."""
    found = [
        read_manifest_file(resolve_file(path, f.relative_to(path).as_posix()), path) for f in list_test_manifests(path)
    ]
    if not found:
        what = "it has no manifest" if path.is_dir() else "no such folder"
        raise HarnessError("no-recording", f"{path} is no recording: {what}")
    first = found[0]
    for other in found:
        if (other.run, other.lab) != (first.run, first.lab):
            raise HarnessError("damaged-recording", f"{path} holds tests of the runs {first.run} and {other.run}")
    tests = sorted((t for m in found for t in m.tests), key=lambda t: (t.host, t.started or "", t.number))
    hosts = {name: host for m in found for name, host in m.hosts.items()}
    files = {name: digest for m in found for name, digest in m.files.items()}
    return msgspec.structs.replace(first, tests=tuple(tests), hosts=hosts, files=files, complete=False)


def read_manifest_file(file: Path, path: Path) -> Manifest:
    """The manifest in a file, which may be of a whole run or of one test."""
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
    except (ValueError, AttributeError, RecursionError, msgspec.ValidationError) as error:
        raise HarnessError("damaged-recording", f"{file} cannot be read: {error}") from error


def format_revealed(test: RecordedTest) -> Iterator[str]:
    """Which secrets stand in the events of a test, where and how often, for people."""
    for secret in test.revealed:
        name = secret.env or " ".join(p for p in (secret.keyring, secret.user) if p) or "without a name"
        places = ", ".join(f"{n} {'time' if n == 1 else 'times'} in {file}" for file, n in secret.files.items())
        yield f"the secret {name} occurs {places}: keep the recording as safe as the secret, or change the secret"


def digest_of(file: Path) -> str:
    """The SHA-256 of a file."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
