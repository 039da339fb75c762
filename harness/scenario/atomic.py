"""Atomic Red Team's YAML, unchanged: its types, and reading a file with every rule that the library itself has."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from harness.diagnostics import HarnessError, Source, SourceError, Span, did_you_mean
from harness.late_pattern import late_pattern
from harness.record import record
from harness.scenario.document import Document, DocumentKey, convert_document, load

SHORTEST_DISPLAY_NAME = 5
# The largest of 269 files of the library has 94 kB (at 9f85cf3e5).
LARGEST_ATOMIC = 4 << 20

# Rules of this file are those of the library's own validator (atomic_red_team/models.py).
PLACEHOLDER = late_pattern(r"#\{(.*?)\}")
TECHNIQUE_ID = late_pattern(r"T\d{4}(?:\.\d{3})?")
ARGUMENT = late_pattern(r"[\w-]{2,}")
GUID = late_pattern(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# What pydantic takes for a URL in that validator: a scheme and something behind it. A drive letter is no scheme.
URL = late_pattern(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#]\S*|[A-Za-z][A-Za-z0-9+.-]{2,}:[^\\\s]\S*")
DOMAIN_NAME = late_pattern(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9][A-Za-z0-9-]{0,61}[A-Za-z0-9]"
)


class Shell(StrEnum):
    """What runs a command; the steps of a manual test are read by a person."""

    POWERSHELL = "powershell"
    COMMAND_PROMPT = "command_prompt"
    SH = "sh"
    BASH = "bash"
    MANUAL = "manual"


class ArgumentType(StrEnum):
    """The type of an input argument; the library also spells it with a capital."""

    STRING = "string"
    PATH = "path"
    URL = "url"
    INTEGER = "integer"
    FLOAT = "float"

    @classmethod
    def _missing_(cls, value: object) -> ArgumentType | None:
        # 36 of the library's 1,772 types are String, Path or Url.
        lower = str(value).lower()
        return next((m for m in cls if m.value == lower and str(value) == lower.capitalize()), None)


class SupportedPlatform(StrEnum):
    """Where a test can run."""

    WINDOWS = "windows"
    MACOS = "macos"
    LINUX = "linux"
    OFFICE_365 = "office-365"
    AZURE_AD = "azure-ad"
    GOOGLE_WORKSPACE = "google-workspace"
    SAAS = "saas"
    IAAS = "iaas"
    CONTAINERS = "containers"
    IAAS_GCP = "iaas:gcp"
    IAAS_AZURE = "iaas:azure"
    IAAS_AWS = "iaas:aws"
    ESXI = "esxi"


class InputArgument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A parameter of a test; its default may be null, a number, or name other arguments."""

    description: str
    type: ArgumentType
    # A number stays as its author wrote it (Document.written): 0x10 is not 16 in a command.
    default: Any


class Dependency(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must be there before a test: how to see whether it is (exit code 0), and how to get it."""

    description: str
    prereq_command: str
    get_prereq_command: str | None = None


class Executor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a test is run and undone."""

    name: Shell
    command: str = ""
    cleanup_command: str | None = None
    steps: str = ""
    elevation_required: bool = False


class AtomicTest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One test as the library writes it."""

    name: str
    description: str
    supported_platforms: tuple[SupportedPlatform, ...]
    executor: Executor
    auto_generated_guid: str | None = None
    input_arguments: dict[str, InputArgument] = {}
    dependencies: tuple[Dependency, ...] | None = ()
    # Left out it is the test's own executor; null is refused.
    dependency_executor_name: Shell | msgspec.UnsetType = msgspec.UNSET
    test_number: str | None = None


class Technique(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of the library: the tests of one technique, each of which is read by itself."""

    attack_technique: str
    display_name: str
    atomic_tests: tuple[Any, ...]


@record(kw_only=True)
class Atomic:
    """A test with its address (technique and number, from 1) and the document it was read from."""

    technique: str
    number: int
    test: AtomicTest
    document: Document

    @property
    def name(self) -> str:
        """`T1053.005-2`, as the library's own runner writes it."""
        return f"{self.technique}-{self.number}"

    @property
    def guid(self) -> str:
        """Its GUID in lower case, or nothing where the library has not given one yet."""
        return (self.test.auto_generated_guid or "").lower()

    @property
    def digest(self) -> str:
        """The SHA-256 of what the test does: its fields in order of their names, without its place in a file."""
        return sha256(msgspec.json.encode(self.test, order="sorted")).hexdigest()

    @property
    def manual(self) -> bool:
        """Whether a person has to do it."""
        return self.test.executor.name is Shell.MANUAL

    @property
    def dependency_shell(self) -> Shell:
        """What runs the commands of its dependencies."""
        own = self.test.dependency_executor_name
        return self.test.executor.name if isinstance(own, msgspec.UnsetType) else own

    def place(self, *keys: DocumentKey) -> Span:
        """Where a part is written: `place("executor", "command")`."""
        return self.document.span(("atomic_tests", self.number - 1, *keys))

    def commands(self) -> Iterator[tuple[tuple[DocumentKey, ...], str]]:
        """Every text in which arguments may stand, with its path."""
        for key in ("command", "cleanup_command", "steps"):
            text = getattr(self.test.executor, key)
            if text:
                yield ("executor", key), text
        for i, dependency in enumerate(self.test.dependencies or ()):
            for key in ("prereq_command", "get_prereq_command"):
                text = getattr(dependency, key)
                if text:
                    yield ("dependencies", i, key), text


def read_atomics(path: Path, *, name: str | None = None) -> tuple[Atomic, ...]:
    """The tests in a file of the library. Raises SourceError at the line that the library would not accept."""
    return take_whole(read_each_atomic(path, name=name))


def take_whole(found: Iterable[Atomic | SourceError]) -> tuple[Atomic, ...]:
    """The tests; raises what is wrong with the first that cannot be read."""
    tests = []
    for each in found:
        if isinstance(each, SourceError):
            raise each
        tests.append(each)
    return tuple(tests)


def read_each_atomic(path: Path, *, name: str | None = None) -> tuple[Atomic | SourceError, ...]:
    """For each test of a file the test or what is wrong with it. Raises HarnessError where no test can be read."""
    shown = name or str(path)
    try:
        if path.stat().st_size > LARGEST_ATOMIC:
            raise HarnessError("document-too-large", f"{shown} is larger than {LARGEST_ATOMIC >> 20} MiB")
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise HarnessError("not-utf8", f"{shown} is not UTF-8 at byte {error.start}") from error
    except OSError as error:
        raise HarnessError("unreadable", f"{shown}: {error.strerror}") from error
    source = Source(shown, text)
    # The library's runner looks for this ending alone.
    if path.suffix != ".yaml":
        place = source.span(0, len(source.line(1)))
        raise SourceError(
            "file-name", f"the library reads no file that ends in `{path.suffix}`", place, help="call it .yaml"
        )
    return parse_each_atomic(source)


def parse_atomics(source: Source) -> tuple[Atomic, ...]:
    """The tests in a text of the library's form. Raises SourceError where one cannot be read."""
    return take_whole(parse_each_atomic(source))


def parse_each_atomic(source: Source) -> tuple[Atomic | SourceError, ...]:
    """For each test of a text the test or what is wrong with it; raises SourceError for the text as a whole."""
    document = load(source)
    technique = convert_document(document, Technique)
    if not TECHNIQUE_ID.fullmatch(technique.attack_technique):
        refuse_at(
            document,
            ("attack_technique",),
            "technique-id",
            "a technique is T and four digits, as in T1053 or T1053.005",
        )
    if not technique.atomic_tests:
        refuse_at(document, ("atomic_tests",), "too-short", "a technique has at least one test")
    guids: dict[str, Span] = {}
    return tuple(
        read_test(document, technique.attack_technique, number, guids)
        for number in range(1, len(technique.atomic_tests) + 1)
    )


def read_test(document: Document, technique: str, number: int, guids: dict[str, Span]) -> Atomic | SourceError:
    """One test of a document, or what is wrong with it; `guids` are those of the tests before it."""
    try:
        test = convert_document(document, AtomicTest, ("atomic_tests", number - 1))
        atomic = Atomic(technique=technique, number=number, test=test, document=document)
        check_atomic(atomic)
    except SourceError as error:
        return error
    if atomic.guid in guids:
        line = document.source.position(guids[atomic.guid].start)[0]
        place = atomic.place("auto_generated_guid")
        return SourceError("reused-guid", "two tests have this GUID", place, help=f"the other is in line {line}")
    if atomic.guid:
        guids[atomic.guid] = atomic.place("auto_generated_guid")
    return atomic


def refuse_at(
    document: Document, keys: tuple[DocumentKey, ...], code: str, message: str, help: str | None = None
) -> None:
    """Raises an error at a path's place."""
    raise SourceError(code, message, document.span(keys), help=help)


def check_atomic(atomic: Atomic) -> None:
    """The library's rules about one test that types cannot say."""
    test, document, at = atomic.test, atomic.document, ("atomic_tests", atomic.number - 1)
    for key in ("name", "description", "supported_platforms"):
        if not getattr(test, key):
            refuse_at(document, (*at, key), "too-short", f"`{key}` is empty")
    if test.auto_generated_guid is not None and not GUID.fullmatch(test.auto_generated_guid):
        refuse_at(document, (*at, "auto_generated_guid"), "guid", "a GUID has 8, 4, 4, 4 and 12 hexadecimal digits")
    check_executor(atomic)
    check_arguments(atomic)


def check_executor(atomic: Atomic) -> None:
    """A manual test has steps, any other a command; `sudo` means elevation."""
    executor, at = atomic.test.executor, ("atomic_tests", atomic.number - 1, "executor")
    # The least lengths here and above are the library's.
    if atomic.manual and len(executor.steps) < 10:
        refuse_at(
            atomic.document,
            (*at, "name"),
            "missing-field",
            "`steps` is missing: a manual test tells a person what to do",
        )
    if not atomic.manual and not executor.command.strip():
        refuse_at(atomic.document, (*at, "name"), "missing-field", "`command` is missing")
    unix = {SupportedPlatform.LINUX, SupportedPlatform.MACOS} & set(atomic.test.supported_platforms)
    if unix and not executor.elevation_required:
        for key in ("command", "cleanup_command"):
            if "sudo" in (getattr(executor, key) or ""):
                place = find_text_span(atomic.place("executor", key), "sudo")
                raise SourceError("elevation", "`sudo` needs elevation", place, help="set `elevation_required: true`")


def list_texts(atomic: Atomic) -> Iterator[tuple[tuple[DocumentKey, ...], str]]:
    """Every text in which arguments may stand, defaults of others included, with its path."""
    yield from atomic.commands()
    for name, argument in atomic.test.input_arguments.items():
        if isinstance(argument.default, str):
            yield ("input_arguments", name, "default"), argument.default


def list_used_arguments(atomic: Atomic) -> frozenset[str]:
    """The names that placeholders of a test name."""
    return frozenset(name for _, text in list_texts(atomic) for name in PLACEHOLDER.findall(text))


def check_arguments(atomic: Atomic) -> None:
    """Every placeholder is an argument, every default is of its type."""
    known = atomic.test.input_arguments
    for keys, text in list_texts(atomic):
        for name in PLACEHOLDER.findall(text):
            if name not in known:
                place = find_text_span(atomic.place(*keys), f"#{{{name}}}")
                message = f"no input argument is called `{name}`"
                raise SourceError("unknown-argument", message, place, help=did_you_mean(name, known))
    for name, argument in known.items():
        keys = ("input_arguments", name)
        if not ARGUMENT.fullmatch(name):
            place = atomic.document.key(("atomic_tests", atomic.number - 1, *keys))
            raise SourceError("argument-name", "an argument's name is two or more letters, digits, _ and -", place)
        written = atomic.document.written(("atomic_tests", atomic.number - 1, *keys, "default"))
        wrong = describe_argument_misfit(argument.type, argument.default, written)
        if wrong:
            raise SourceError("argument-type", f"`{name}` {wrong}", atomic.place(*keys, "default"))


def describe_argument_misfit(type: ArgumentType, value: Any, written: str | None) -> str | None:
    """Why a value is not of an argument's type, if it is not; null is of every type."""
    if value is None or (isinstance(value, str) and PLACEHOLDER.search(value)):
        return None
    if type in (ArgumentType.STRING, ArgumentType.PATH):
        # YAML 1.1, which the library reads, has 1e5 for a text: a number needs a point there.
        exponent = isinstance(value, float) and "." not in (written or ".")
        return None if isinstance(value, str) or exponent else "is not text: quote it"
    if type is ArgumentType.INTEGER:
        whole = isinstance(value, int) and not isinstance(value, bool)
        return None if whole or re.fullmatch(r"\s*[-+]?\d+\s*", str(value)) else "is not a whole number"
    if type is ArgumentType.FLOAT:
        return None if isinstance(value, int | float) and not isinstance(value, bool) else "is not a number"
    return None if is_location(str(value)) else "is not a URL, a domain or an address"


def is_location(text: str) -> bool:
    """Whether a text is a URL, a domain name or an IP address."""
    if URL.fullmatch(text) or DOMAIN_NAME.fullmatch(text):
        return True
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def find_text_span(span: Span, text: str) -> Span:
    """The first place of a text in a stretch, or the stretch itself."""
    at = span.source.text.find(text, span.start, span.end)
    return span if at < 0 else span.source.span(at, at + len(text))
