"""Stubs of macros that a rule calls and nobody has defined: named, and refused until somebody fills them in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness.detection.content import MACRO_STUB
from harness.detection.language import Settings, Strictness, language
from harness.diagnostics import SourceError, Span
from harness.late_pattern import late_pattern
from harness.report.console import format_count
from harness.run_options import RunOptions
from harness.scenario.conf import stanzas
from harness.scenario.rule import read_rule

STUB_FILE = Path("content/macros.conf")
UNKNOWN_MACRO = "unknown-macro"
# A rule of security_content calls at most six.
MOST_STUBS = 50
CALLED = late_pattern(r"`(?P<name>[^`(]+)(?:\((?P<count>\d+)\))?`")
STUB = """\
# A stub by `detlab init`: {rule} calls this macro,
# and nobody has said what it stands for. Copy its definition from your Splunk (Settings > Advanced search > Search
# macros) over the text behind `definition =`; until then the rule is refused.
[{name}]
{arguments}definition = {stub} what `{name}` stands for
"""


def list_missing_macros(rule: Path, options: RunOptions, settings: Settings) -> Iterator[str]:
    """The macros that a rule calls and that there are not, by name and number of arguments: `mine`, `mine(2)`."""
    read = read_rule(rule, choice=options.sigma)
    known: Mapping[str, Mapping[str, object]] = settings.macros
    for _ in range(MOST_STUBS):
        try:
            language(read.language).parse(read.query, Strictness.LENIENT, replace(settings, macros=known))
        except SourceError as error:
            called = CALLED.search(error.message) if error.code == UNKNOWN_MACRO else None
            if called is None:
                return
            key = called[0].strip("`")
            yield key
            # Anything that can stand in a search, so that the next missing one is found.
            arguments = [f"a{n}" for n in range(int(called["count"] or 0))]
            known = {**known, key: {"definition": "*", "args": arguments}}
        else:
            return


def write_macro_stubs(rule: Path, missing: Sequence[str], at: Span) -> SourceError:
    """Adds stubs to the project's file of macros; the error, at the first call, that tells what is to be done now."""
    there = STUB_FILE.read_text("utf-8") if STUB_FILE.is_file() else ""
    defined = {name for name, _ in stanzas(there)}
    stubs = []
    for name in missing:
        count = int((re.search(r"\((\d+)\)$", name) or ["", "0"])[1])
        arguments = f"args = {', '.join(f'a{n + 1}' for n in range(count))}\n" if count else ""
        if name not in defined:
            stubs.append(STUB.format(rule=rule.name, name=name, arguments=arguments, stub=MACRO_STUB))
    STUB_FILE.parent.mkdir(exist_ok=True)
    before = [there.rstrip() + "\n"] if there else []
    STUB_FILE.write_text("\n".join([*before, *stubs]), encoding="utf-8", newline="\n")
    names = ", ".join(f"`{name}`" for name in missing)
    said = f"{rule.name} calls {format_count(len(missing), 'macro')} that nobody has defined: {names}"
    hint = f"say what each stands for in {STUB_FILE}, then `detlab init --force {rule}`"
    return SourceError(UNKNOWN_MACRO, said, at, help=hint)
