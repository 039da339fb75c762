"""Rules in the formats of others: Sigma, security_content, savedsearches.conf, LogScale's exports.

A rule inside such a file has a path of its own, whose suffix is its language as ever: `rule.yml.spl` is the SPL that
`rule.yml` holds or becomes, `savedsearches.conf/Name.spl` one of several. `read_rule` reads either.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Protocol

from harness.diagnostics import Finding, HarnessError, Placement, Source
from harness.late_pattern import late_pattern
from harness.record import record
from harness.scenario.conf import stanzas
from harness.scenario.document import Document, DocumentKey, load_all
from harness.scenario.scalar_places import ScalarPlacement, find_scalars, place_origin
from harness.scenario.sigma.choice import DEFAULT_CHOICE, SigmaChoice

if TYPE_CHECKING:
    from harness.scenario.sigma.collection import SigmaSubject

FOREIGN_RULES_FOLDER = Path(__file__).parent / "foreign_rules"
# An app's savedsearches.conf holds all of its rules; chosen.
LARGEST_FOREIGN_FILE = 16 << 20
# Names become paths in reports and on command lines.
UNSAFE = late_pattern(r"[^\w .()\[\],;+&@!%-]+")
KNOWN = (".yml", ".yaml", ".conf", ".json")


@record(kw_only=True)
class Published:
    """One rule of a foreign file: its query's text and what the file says about it, in our page's words.

    One with a `subject` is not what its author wrote but what a converter made of that Sigma rule; `error` is why it
    made nothing, `findings` what is to be said of its work, `conditions` the set-up of the platform that it writes for,
    `fields` the names that it gave to the rule's fields, `placement` where the text stands in the file.
    """

    name: str
    language: str
    text: str
    page: Mapping[str, Any] = field(default_factory=dict)
    subject: SigmaSubject | None = None
    error: HarnessError | None = None
    findings: tuple[Finding, ...] = ()
    conditions: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    placement: Placement | None = None


class RuleFormat(Protocol):
    """A format: one file in `formats/` with these two functions; it knows the language of what it holds."""

    def recognises(self, content: Any) -> bool:
        """Whether a document (plain data; of a conf file its stanzas by name) is written so; several are a tuple."""

    def read(self, path: Path, content: Any, choice: SigmaChoice) -> Sequence[Published]:
        """The rules of the document; raises HarnessError where they cannot be had."""


def list_rule_formats() -> tuple[RuleFormat, ...]:
    """All formats, in the order of their files."""
    names = sorted(m.name for m in iter_modules([str(FOREIGN_RULES_FOLDER)]))
    return tuple(import_module(f"harness.scenario.foreign_rules.{name}") for name in names)


def read_foreign_text(path: Path) -> Source:
    """The text of a file in which others publish rules."""
    try:
        if path.stat().st_size > LARGEST_FOREIGN_FILE:
            raise HarnessError("document-too-large", f"{path} is larger than {LARGEST_FOREIGN_FILE >> 20} MiB")
        # PowerShell and Notepad write the mark.
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise HarnessError("not-utf8", f"{path} is not UTF-8 at byte {error.start}") from error
    except OSError as error:
        raise HarnessError("unreadable", f"{path}: {(error.strerror or str(error)).lower()}") from error
    return Source(str(path), text)


def read_plain_data(source: Source) -> tuple[Any, Sequence[Document]]:
    """A YAML or JSON text as plain data, several documents as a tuple, with their places; a conf file's stanzas."""
    if source.name.endswith(".conf"):
        return {"savedsearches": dict(stanzas(source.text))}, ()
    documents = load_all(source)
    return documents[0].value if len(documents) == 1 else tuple(d.value for d in documents), documents


def format_of(content: Any) -> RuleFormat | None:
    """The format of a document, if it is one of these."""
    # No document is of two formats: their required keys differ.
    return next((f for f in list_rule_formats() if f.recognises(content)), None)


def read_published_rules(path: Path, choice: SigmaChoice = DEFAULT_CHOICE) -> tuple[tuple[Path, Published], ...]:
    """The rules of a foreign file with their own paths, unconverted ones too; empty for any other file."""
    if path.suffix not in KNOWN or (path.suffix == ".conf" and path.name != "savedsearches.conf"):
        return ()
    return read_unchanged_rules(path, choice, choice.fingerprint(path))


# pySigma takes milliseconds a rule, and each rule of a file is asked for by its own path.
@lru_cache(maxsize=64)
def read_unchanged_rules(path: Path, choice: SigmaChoice, fingerprint: Hashable) -> tuple[tuple[Path, Published], ...]:
    """The same for files that have not changed since."""
    content, documents = read_plain_data(read_foreign_text(path))
    found = format_of(content)
    if found is None:
        return ()
    rules = place_rules(found.read(path, content, choice), documents)
    # One rule a language: the file's name tells them apart. Else each needs its own.
    if len({r.language for r in rules}) == len(rules):
        return tuple((path.with_name(f"{path.name}.{r.language}"), r) for r in rules)
    return tuple(zip(distinguish_rule_paths(path, rules), rules, strict=True))


def place_rules(rules: Sequence[Published], documents: Sequence[Document]) -> list[Published]:
    """The rules with their places: where a text stands, of a converted one the detection or correlation."""
    placed = []
    for rule, node in zip(rules, find_scalars(documents, [r.text for r in rules]), strict=True):
        if rule.subject is not None:
            placed.append(replace(rule, placement=place_origin(rule.subject.origin)))
        elif node is not None:
            span = node.span
            placed.append(replace(rule, placement=ScalarPlacement(span.source, span.start, span.end, rule.text)))
        else:
            placed.append(rule)
    return placed


def distinguish_rule_paths(folder: Path, rules: Sequence[Published]) -> Iterator[Path]:
    """A path for each rule of a file that holds several."""
    seen: dict[tuple[str, str], int] = {}
    for rule in rules:
        name = UNSAFE.sub("_", rule.name).strip(" .")[:120] or "rule"
        # By language, so that the conversions of one rule have one name.
        number = seen[name, rule.language] = seen.get((name, rule.language), 0) + 1
        yield folder / f"{name} ({number}).{rule.language}" if number > 1 else folder / f"{name}.{rule.language}"


def rule_paths(path: Path, choice: SigmaChoice = DEFAULT_CHOICE) -> list[Path]:
    """The paths of the rules that a foreign file holds; none for any other file.

    `rule.yml.spl` is all SPL of a file with several rules. Raises the first reason where nothing could be converted.
    """
    found = list_published(path, choice)
    converted = [own for own, rule in found if rule.error is None]
    for _, rule in found:
        if rule.error is not None and not converted:
            raise rule.error
    return converted


@record(kw_only=True)
class Refusal:
    """A rule of a foreign file that no converter made anything of, and why."""

    path: Path
    error: HarnessError
    subject: SigmaSubject | None


def list_refusals(path: Path, choice: SigmaChoice = DEFAULT_CHOICE) -> list[Refusal]:
    """The rules that a path means and that have no query."""
    published = list_published(path, choice)
    return [Refusal(path=own, error=rule.error, subject=rule.subject) for own, rule in published if rule.error]


def list_published(path: Path, choice: SigmaChoice) -> list[tuple[Path, Published]]:
    """The rules that a path means: of a whole file, or of one language of a file with several."""
    if path.is_file():
        return list(read_published_rules(path, choice))
    holder = container(path)
    found = read_published_rules(holder, choice) if holder else ()
    if holder != path.with_suffix("") or any(own == path for own, _ in found):
        return []
    return [(own, rule) for own, rule in found if f".{rule.language}" == path.suffix]


def container(path: Path) -> Path | None:
    """The foreign file that a rule's path leads into, if there is one."""
    if path.exists():
        return None
    for candidate in (path.with_suffix(""), path.parent):
        if candidate.suffix in KNOWN and candidate.is_file():
            return candidate
    return None


def find_published_rule(path: Path, choice: SigmaChoice = DEFAULT_CHOICE) -> Published | None:
    """The published rule at a path inside a foreign file. Raises the reason where it could not be converted."""
    holder = container(path)
    if holder is None:
        return None
    found = dict(read_published_rules(holder, choice))
    if path not in found:
        hint = f"it holds {', '.join(p.name for p in list(found)[:5])}" if found else "`detlab list readers`"
        raise HarnessError("no-such-rule", f"{holder} holds no rule {path.name}", help=hint)
    error = found[path].error
    if error is not None:
        raise error
    return found[path]


def as_texts_tuple(value: Any) -> tuple[str, ...]:
    """A text or a list as texts."""
    items = value if isinstance(value, list) else [value] if value not in (None, "") else []
    return tuple(str(i).strip() for i in items if i is not None)


def find_at_keys(content: Any, *keys: DocumentKey) -> Any:
    """A part of plain data; None where it is not there."""
    for key in keys:
        if isinstance(content, dict) and key in content:
            content = content[key]
        else:
            return None
    return content
