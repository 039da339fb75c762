"""A rule: the published text of a query, byte for byte, and what its page says about it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness.diagnostics import Finding, HarnessError, Source, Span
from harness.scenario.document import convert_document, load
from harness.scenario.foreign_rule import find_published_rule
from harness.scenario.inline_rule import INLINE_RULES
from harness.scenario.pack import refuse_link_out
from harness.scenario.sigma.choice import DEFAULT_CHOICE, SigmaChoice

if TYPE_CHECKING:
    from harness.scenario.sigma.collection import SigmaSubject

# Published rules have some kilobytes; chosen.
LARGEST_RULE = 1 << 20


class Metadata(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the page beside a rule says; everything but the title may be left out."""

    title: str
    id: str = ""
    description: str = ""
    author: str = ""
    license: str = ""
    technique: str = ""
    tactic: str = ""
    level: str = ""
    confidence: str = ""
    platform: str = ""
    data_sources: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    false_positives: tuple[str, ...] = ()
    references: tuple[str, ...] = ()


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A query to be judged: its text and its page. `language` is the suffix of its file.

    `subject` is the Sigma rule that it was converted from, `findings` what is to be said of the conversion, `fields`
    the names that it gave to the rule's fields.
    """

    path: Path
    language: str
    query: Source
    page: Metadata
    subject: SigmaSubject | None = None
    findings: tuple[Finding, ...] = ()
    fields: Mapping[str, tuple[str, ...]] = {}

    @property
    def name(self) -> str:
        """The file's name, which scenarios use."""
        return self.path.name


def read_rule(
    path: Path, *, used_at: Span | None = None, name: str | None = None, choice: SigmaChoice = DEFAULT_CHOICE
) -> Rule:
    """The rule in a file; `<file>.yaml` beside it is its page. `used_at` is the place that names it."""
    shown = name or str(path)
    if published := find_published_rule(path, choice):
        return Rule(
            path=path,
            language=published.language,
            query=Source(shown, published.text, published.placement),
            page=msgspec.convert(published.page, Metadata),
            subject=published.subject,
            findings=published.findings,
            fields=published.fields,
        )
    if path in INLINE_RULES:
        query = INLINE_RULES[path]
        return Rule(path=path, language=path.suffix.lstrip("."), query=query, page=Metadata(title=query.name))
    try:
        if path.stat().st_size > LARGEST_RULE:
            raise HarnessError("rule-too-large", f"{shown} is larger than {LARGEST_RULE >> 20} MiB")
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        raise HarnessError("no-such-rule", f"there is no file {shown}", help=nearby(path)) from error
    except IsADirectoryError as error:
        raise HarnessError("no-such-rule", f"{shown} is a folder") from error
    except UnicodeDecodeError as error:
        raise HarnessError("not-utf8", f"{shown} is not UTF-8 at byte {error.start}") from error
    except OSError as error:
        raise HarnessError("unreadable", f"{shown}: {error.strerror}") from error
    # Notepad and PowerShell's Out-File write a mark, which is no part of the query; further ones are.
    query = Source(shown, text.removeprefix("\ufeff"))
    return Rule(path=path, language=path.suffix.lstrip(".").lower(), query=query, page=read_page(path))


def read_page(path: Path) -> Metadata:
    """The page beside a rule's file, or one that has the file's name for a title."""
    # server.spl.yaml, not server.yaml: one name may have a rule in each language.
    page = path.with_name(path.name + ".yaml")
    if not page.is_file():
        return Metadata(title=path.stem)
    text = refuse_link_out(page, page.parent).read_text("utf-8")
    return convert_document(load(Source(str(page), text)), Metadata)


def nearby(path: Path) -> str | None:
    """Rules that are in the folder where one was looked for."""
    if not path.parent.is_dir():
        return None
    found = sorted(p.name for p in path.parent.iterdir() if p.suffix == path.suffix)
    return f"in {path.parent} there is {', '.join(found[:5])}" if found else None
