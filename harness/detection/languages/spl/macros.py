"""Macros and comments: text in, expanded text out; the standard ones."""

from __future__ import annotations

import re
from collections.abc import Mapping

from harness.detection.content import MACRO_STUB
from harness.detection.language import Settings
from harness.detection.languages.spl.lexer import LITERAL_STAR, QUOTED, ExpandedText
from harness.detection.languages.spl.macro_evaluation import evaluate_macro
from harness.diagnostics import Source, SourceError, Span, did_you_mean
from harness.late_pattern import late_pattern

# Macros are not expanded inside double quotes (reference/spl.md 3.5), and an escaped quote opens none.
MACRO_MARKS = late_pattern(rf"\\[\"\\]|{QUOTED}|```.*?```|`[^`]*`|`", re.S)
MACRO_CALL = late_pattern(r"\s*(?P<name>[^\s()]+?)\s*(?:\((?P<arguments>.*)\))?\s*", re.S)
ARGUMENT = late_pattern(r"\$([^$\s]+)\$")
MACRO_ARGUMENT_PIECE = late_pattern(rf"{QUOTED}|.", re.S)
NAMED_MACRO_ARGUMENT = late_pattern(r"\s*(?P<name>\w+)\s*=(?P<value>.*)", re.S)
FALSE_TEXTS = ("0", "false", "f", "")
# The product's own limit (reference/spl.md 3.1).
DEEPEST_MACRO = 100
# Text with the mark of a literal star in it would otherwise be read as one.
REPLACEMENT = "\ufffd"
# A megabyte, chosen: macros that double themselves reach it after 20 calls.
LONGEST_EXPANSION = 1 << 20

Macros = Mapping[str, Mapping[str, object]]


def expand_macros(source: Source, settings: Settings, *, strict: bool = False) -> ExpandedText:
    """The text with comments taken out and macros replaced by their definitions."""
    text = source.text.replace(LITERAL_STAR, REPLACEMENT)
    if "`" not in text:
        return ExpandedText(source, text, strict=strict)
    pieces: list[str] = []
    marks: list[tuple[int, int, int]] = []
    at = length = 0
    for found in MACRO_MARKS.finditer(text):
        mark = found.group()
        if mark[0] in '"\\':
            continue
        span = Span(source, found.start(), found.end())
        refuse_stray_quote(source, found)
        marks.append((length, at, -1))
        pieces.append(text[at : found.start()])
        length += found.start() - at
        replacement = " " if mark.startswith("```") and len(mark) > 3 else expansion(mark, settings, span, 1)
        marks.append((length, found.start(), found.end()))
        pieces.append(replacement)
        length += len(replacement)
        if length > LONGEST_EXPANSION:
            raise SourceError("macro-too-long", "the text is over a megabyte once its macros are expanded", span)
        at = found.end()
    marks.append((length, at, -1))
    pieces.append(text[at:])
    # An expansion of nothing has no place of its own.
    kept = [m for m, after in zip(marks, [*marks[1:], None], strict=True) if after is None or m[0] < after[0]]
    return ExpandedText(source, "".join(pieces), kept, strict=strict)


def refuse_stray_quote(source: Source, found: re.Match[str]) -> None:
    """Raises SourceError where a single quote stands directly before a macro and nothing closes it behind."""
    at, text = found.start() - 1, source.text
    if found.group().startswith("```") or not text.startswith("'", at) or text.startswith("'", found.end()):
        return
    # Behind a letter it is an apostrophe of free text.
    if at < 0 or (at > 0 and text[at - 1].isalnum()):
        return
    message = "a single quote before a macro is not closed, so that the macro would not be expanded"
    raise SourceError("unclosed-quote", message, source.span(at, at + 1), help="leave it out")


def expansion(mark: str, settings: Settings, span: Span, depth: int) -> str:
    """What a macro call in backticks stands for, the macros inside it expanded too."""
    if len(mark) == 1:
        raise SourceError("unclosed-macro", "a backtick is not closed", span)
    if depth > DEEPEST_MACRO:
        raise SourceError("macro-too-deep", f"macros nested more than {DEEPEST_MACRO} deep", span)
    found = MACRO_CALL.fullmatch(mark[1:-1])
    if found is None:
        raise SourceError("bad-macro", "a macro call without a name", span)
    name, inside = found["name"], found["arguments"]
    arguments = [] if inside is None or not inside.strip() else split_macro_arguments(inside)
    # `comment("...")` expands to nothing (reference/spl.md 3.1); its argument may hold anything.
    if name == "comment":
        return " "
    body = definition(name, arguments, settings, span)
    if "`" not in body:
        return body
    pieces: list[str] = []
    at = length = 0
    for inner in MACRO_MARKS.finditer(body):
        text = inner.group()
        if text[0] in '"\\':
            continue
        pieces.append(body[at : inner.start()])
        pieces.append(" " if text.startswith("```") and len(text) > 3 else expansion(text, settings, span, depth + 1))
        length += len(pieces[-1]) + len(pieces[-2])
        if length > LONGEST_EXPANSION:
            raise SourceError("macro-too-long", "the text is over a megabyte once its macros are expanded", span)
        at = inner.end()
    return "".join([*pieces, body[at:]])


def split_macro_arguments(inside: str) -> list[str]:
    """The arguments between the commas that stand outside quotes and parentheses."""
    found, depth = [""], 0
    for piece in MACRO_ARGUMENT_PIECE.findall(inside):
        if piece == "," and depth <= 0:
            found.append("")
            continue
        depth += (piece == "(") - (piece == ")")
        found[-1] += piece
    return found


def definition(name: str, arguments: list[str], settings: Settings, span: Span) -> str:
    """The definition of a macro with its arguments filled in, computed where it is an eval expression."""
    macros = settings.macros
    # Overloads by the number of arguments are different macros (reference/spl.md 3.5).
    key = f"{name}({len(arguments)})" if arguments else name
    known = macros.get(key) or STANDARD.get(key)
    # Each ESCU detection ends with such a filter, delivered as `search *` (reference/spl.md 3.5).
    if known is None and not arguments and open_ended(name):
        return "search *"
    if known is None:
        raise build_unknown_macro_error(name, key, macros, span)
    if str(known.get("definition", "")).startswith(MACRO_STUB):
        message = f"the macro `{key}` is a stub: nobody has said what it stands for"
        hint = "write its definition where `detlab init` has left the stub, content/macros.conf"
        raise SourceError("macro-stub", message, span, help=hint)
    given = known.get("args") or ()
    names = [n.strip() for n in given.split(",") if n.strip()] if isinstance(given, str) else [str(n) for n in given]  # type: ignore[attr-defined]
    values = bind_macro_arguments(names, arguments, span)
    check_macro_arguments(known, values, settings, span)
    body = fill_macro_body(str(known.get("definition", "")), values)
    if str(known.get("iseval", "0")).strip().lower() in FALSE_TEXTS:
        return body
    result = evaluate_macro(body, span, settings)
    if not isinstance(result, str):
        message = f"the eval expression of macro `{key}` gives no text here"
        raise SourceError("bad-macro", message, span, help="let it give a text for each argument")
    return result


def build_unknown_macro_error(name: str, key: str, macros: Macros, span: Span) -> SourceError:
    """The error about a macro that there is not, or not with so many arguments."""
    heads = {k: k.partition("(")[2].rstrip(")") or "0" for k in [*macros, *STANDARD] if k.partition("(")[0] == name}
    counts = sorted({int(count) for count in heads.values() if count.isdigit()})
    if counts:
        several = " or ".join(map(str, counts)) + (" argument" if counts == [1] else " arguments")
        own = key.partition("(")[2].rstrip(")") or "0"
        return SourceError("macro-arguments", f"macro `{name}` takes {several}, not {own}", span)
    hint = did_you_mean(key, [*macros, *STANDARD]) or "name a macros.conf that has it: --macros FILE"
    return SourceError("unknown-macro", f"no macro is called `{key}`", span, help=hint)


def bind_macro_arguments(names: list[str], arguments: list[str], span: Span) -> dict[str, str]:
    """The values of a macro's arguments, which stand in its order or all are named."""
    by_name = [NAMED_MACRO_ARGUMENT.fullmatch(a) for a in arguments]
    given = {m["name"]: unquote_macro_argument(m["value"]) for m in by_name if m is not None}
    if arguments and len(given) == len(arguments) and set(given) <= set(names):
        return given
    return dict(zip(names, map(unquote_macro_argument, arguments), strict=False))


def check_macro_arguments(
    known: Mapping[str, object], values: Mapping[str, str], settings: Settings, span: Span
) -> None:
    """Refuses arguments for which the macro's own validation is false, or a text, which then is the error."""
    validation = str(known.get("validation") or "").strip()
    if not validation:
        return
    result = evaluate_macro(fill_macro_body(validation, values), span, settings)
    # validate() is null where all of its conditions hold.
    if result is True or (result is None and validation.lower().startswith("validate")):
        return
    message = result if isinstance(result, str) else str(known.get("errormsg") or "the macro's validation is false")
    raise SourceError("macro-validation", message[:300], span)


def fill_macro_body(body: str, values: Mapping[str, str]) -> str:
    """A text with the values in the places of their names."""
    return ARGUMENT.sub(lambda m: values.get(m[1], m[0]), body) if values else body


def unquote_macro_argument(argument: str) -> str:
    """An argument without blanks around it and without one pair of quotes."""
    text = argument.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1].replace('\\"', '"')
    return text


Definition = Mapping[str, object]


def define_standard_macro(definition: str, *args: str) -> Definition:
    """A macro in the shape of a macros file."""
    return {"definition": definition, "args": args}


# Macros of CIM and ESCU that nearly every published detection calls (reference/spl.md 3.5); sources end alike whether
# rendered as XML or not.
STANDARD: Mapping[str, Definition] = {
    "drop_dm_object_name(1)": define_standard_macro('rename "$object$.*" as *', "object"),
    "security_content_ctime(1)": define_standard_macro(
        'convert timeformat="%Y-%m-%dT%H:%M:%S" ctime($field$)', "field"
    ),
    "security_content_summariesonly": define_standard_macro(
        "summariesonly=false allow_old_summaries=true fillnull_value=null"
    ),
    "summariesonly": define_standard_macro("summariesonly=false"),
    "cim_corporate_web_domain_search(1)": define_standard_macro("()", "field"),
    "cim_corporate_email_domain_search(1)": define_standard_macro("()", "field"),
    "ctime(1)": define_standard_macro('convert timeformat="%m/%d/%Y %H:%M:%S" ctime($field$)', "field"),
    "indextime": define_standard_macro("*"),
    "threathunting_index": define_standard_macro("index=threathunting"),
    "windows-security": define_standard_macro('(source="*WinEventLog:Security" OR sourcetype="*WinEventLog:Security")'),
    "sysmon": define_standard_macro('source="*WinEventLog:Microsoft-Windows-Sysmon/Operational"'),
    "wineventlog_security": define_standard_macro('source="*WinEventLog:Security"'),
    "powershell": define_standard_macro('source="*WinEventLog:Microsoft-Windows-PowerShell/Operational"'),
}
"""By name, with the number of arguments where there are any; a macros file wins over these."""

OPEN_ENDED = ("_filter", "_whitelist", "_allowlist")


def open_ended(name: str) -> bool:
    """Whether a macro is by convention a place for a site's own exclusions, empty as delivered."""
    return name.endswith(OPEN_ENDED)
