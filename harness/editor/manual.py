"""The manual of a language as an editor shows it: signature, meaning, examples, and what runs showed of it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from harness.detection.language import ReferenceEntry, Settings, Strictness, SupportState, language
from harness.detection.plan.expressions import Kind
from harness.detection.reference import reference
from harness.diagnostics import Source, SourceError
from harness.late_pattern import late_pattern

OPTIONS_IN_HINT = late_pattern(r"options are (.+)")
# A name that no option has.
NO_OPTION = "no_such_option"


@lru_cache(maxsize=8)
def read_manual(name: str) -> dict[str, tuple[ReferenceEntry, ...]]:
    """The entries of a language by their names in lower case: a name may be a command and a function."""
    found: dict[str, tuple[ReferenceEntry, ...]] = {}
    for entry in reference(name).entries:
        found[entry.name.lower()] = (*found.get(entry.name.lower(), ()), entry)
    return found


def find_entry(name: str, word: str, *, command: bool) -> ReferenceEntry | None:
    """The entry of a word: a command, else a function; a percentile stands under its bare name."""
    manual = read_manual(name)
    entries = manual.get(word.lower()) or manual.get(word.lower().rstrip("0123456789.")) or ()
    wanted = [e for e in entries if (e.kind == "command") == command]
    return next(iter(wanted), None)


def list_entries(name: str, *, commands: bool) -> Iterator[ReferenceEntry]:
    """The commands of a language, or its functions, that a run does not refuse."""
    for entries in read_manual(name).values():
        for entry in entries:
            if (entry.kind == "command") == commands and entry.state is not SupportState.REFUSED:
                yield entry


def render_entry(name: str, entry: ReferenceEntry) -> str:
    """An entry as Markdown."""
    parts = [f"```{name}\n{entry.signature or entry.name}\n```", entry.summary or entry.because]
    if entry.manual:
        parts.append(entry.manual)
    parameters = list_call_parameters(name, entry)
    if parameters:
        word = "Options" if entry.kind == "command" else "Parameters"
        parts.append(f"{word}: {', '.join(f'`{p}`' for p in parameters)}")
    if entry.examples:
        lines = "\n".join(f"{call} -> {value}" for call, value in entry.examples)
        parts.append(f"```{name}\n{lines}\n```")
    parts.append(describe_state(name, entry))
    if entry.reference:
        parts.append(f"*{entry.reference}*")
    return "\n\n".join(parts)


def describe_state(name: str, entry: ReferenceEntry) -> str:
    """What becomes of a rule that uses it, as `detlab docs` says it."""
    evidence = ", ".join(f"{number} {word}" for word, number in sorted(entry.evidence.items())) or "none"
    because = f": {entry.because}" if entry.because and entry.summary != entry.because else ""
    return f"{entry.kind}, **{entry.state}**{because}; evidence: {evidence} (`detlab docs {entry.name}`)"


def list_call_parameters(name: str, entry: ReferenceEntry) -> tuple[str, ...]:
    """What may be named in a call of it."""
    if entry.parameters or entry.kind != "command":
        return entry.parameters
    return probe_options(name, entry.name)


@lru_cache(maxsize=512)
def probe_options(name: str, command: str) -> tuple[str, ...]:
    """The options of a command as it says them itself, where it is given one that it does not have."""
    query = Source(command, f"search * | {command} {NO_OPTION}=1")
    try:
        language(name).parse(query, Strictness.LENIENT).plan({"_time": Kind.NUMBER, "_raw": Kind.TEXT}, Settings())
    except SourceError as error:
        found = OPTIONS_IN_HINT.search(error.help or "")
        return tuple(found[1].split(", ")) if found else ()
    return ()


def render_parameter(name: str, entry: ReferenceEntry, parameter: str) -> str:
    """A parameter as Markdown: its name and what it belongs to."""
    return f"`{parameter}`: a parameter of\n\n{render_entry(name, entry)}"
