"""The manual of error codes: what detlab says under a code, read from its own source, and a case that shows it.

Nobody keeps a list of codes: a code stands where it is raised, with its sentence and its hint, and is found there.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from harness.late_pattern import late_pattern
from harness.record import record
from harness.scenario.pack import BUNDLED, PACKAGE

CODE = late_pattern(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
SHOWN = late_pattern(r"^(error|warning|note)\[([a-z0-9-]+)\]", re.MULTILINE)
# What stands for a part of a message that is known only when it is raised.
BLANK = "..."
NAMED = ("code", "message")
SAYS_ERRORS = late_pattern(r"(?i)error|fail|refuse|reject|unsupported|finding|deviation|^add$|^__init__$")
ERRORS = ("HarnessError", "SourceError", "UnreachableError")
SpelledTexts = dict[str, tuple[str, ...]]


@record(kw_only=True)
class ErrorSentence:
    """One sentence that is said under a code: its hint, and the file and line that says it."""

    code: str
    message: str
    help: str | None
    file: str
    line: int


@record(kw_only=True)
class ErrorPage:
    """What there is to know of a code: its sentences, and a query that is answered so with the whole answer."""

    code: str
    sentences: tuple[ErrorSentence, ...]
    query: str | None
    answer: str | None


def find_sentences(code: str | None = None) -> list[ErrorSentence]:
    """All sentences of a code, or of all codes, in the order of files and lines."""
    found: list[ErrorSentence] = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if PACKAGE.parent != BUNDLED and BUNDLED in path.parents:
            continue
        text = path.read_text("utf-8")
        # Reading 600 files takes 20 ms, parsing them three seconds.
        if code is None or f'"{code}"' in text:
            name = path.relative_to(PACKAGE.parent).as_posix()
            found += (s for s in read_sentences(text, name) if code in (None, s.code))
    return found


def read_sentences(text: str, file: str) -> Iterator[ErrorSentence]:
    """The sentences of one file of source: calls among whose first words are a code and, behind it, a sentence."""
    tree = ast.parse(text)
    everywhere = read_texts(tree.body)
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    # The innermost function comes last, and what it names counts there.
    texts_at = {id(n): f for f in functions for n in ast.walk(f)}
    texts_of = {id(f): everywhere | read_texts(f.body) for f in functions}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = texts_at.get(id(node))
            texts = texts_of[id(function)] if function else everywhere
            yield from read_call(node, texts, file)


def read_call(call: ast.Call, texts: SpelledTexts, file: str) -> Iterator[ErrorSentence]:
    """The sentences that a call says, one for each code that it may give."""
    named = {k.arg: k.value for k in call.keywords if k.arg}
    parts = [spell_texts(part, texts) for part in (*call.args[:4], *(named[n] for n in NAMED if n in named))]
    for at, codes in enumerate(parts):
        sentences = next((said for said in parts[at + 1 : at + 3] if any(" " in text for text in said)), ())
        if codes and all(is_code(code, call, bool(sentences)) for code in codes):
            hints = spell_texts(named["help"], texts) if "help" in named else ()
            for code in codes:
                hint = " / ".join(hints) or None
                message = " / ".join(sentences) or BLANK
                yield ErrorSentence(code=code, message=message, help=hint, file=file, line=call.lineno)
            return


def is_code(text: str, call: ast.Call, has_sentence: bool) -> bool:
    """Whether a text is a code: words with hyphens, or one word that is given to what tells of errors by its name.

    A sentence that is made elsewhere is not found here; then the name of what is called has to say enough.
    """
    called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if not CODE.fullmatch(text) or called in ERRORS:
        return bool(CODE.fullmatch(text))
    enough = has_sentence + ("-" in text) + bool(SAYS_ERRORS.search(called))
    return enough > 1


def read_texts(body: list[ast.stmt]) -> SpelledTexts:
    """The texts that names stand for in statements: each name with all that is assigned to it."""
    found: SpelledTexts = {}
    for statement in body:
        for node in ast.walk(statement):
            match node:
                case (
                    ast.Assign(targets=[ast.Name() as target], value=value) | ast.NamedExpr(target=target, value=value)
                ):
                    pairs = [(target, value)]
                case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
                    pairs = [(t, v) for t, v in zip(targets, values, strict=False) if isinstance(t, ast.Name)]
                case _:
                    continue
            for target, value in pairs:
                found[target.id] = tuple(dict.fromkeys((*found.get(target.id, ()), *spell_texts(value, found))))
    return found


def spell_texts(node: ast.expr, texts: SpelledTexts) -> tuple[str, ...]:
    """A text as source spells it, with `...` for what is filled in, in all its variants; none for what is no text."""
    match node:
        case ast.Constant(value=str() as text):
            return (text,)
        case ast.JoinedStr(values=parts):
            return ("".join(str(p.value) if isinstance(p, ast.Constant) else BLANK for p in parts),)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            sides = [spell_texts(side, texts) for side in (left, right)]
            return tuple(a + b for a in sides[0] or (BLANK,) for b in sides[1] or (BLANK,)) if any(sides) else ()
        case ast.IfExp(body=body, orelse=orelse):
            return tuple(dict.fromkeys((*spell_texts(body, texts), *spell_texts(orelse, texts))))
        case ast.Name(id=name):
            return texts.get(name, ())
        case ast.Subscript(value=value):
            return spell_texts(value, texts)
        case ast.Dict(values=values):
            return tuple(dict.fromkeys(text for value in values for text in spell_texts(value, texts)))
    return ()


def find_pages() -> Path:
    """The conformance pages, of a checkout or of an installation."""
    carried = BUNDLED / "conformance"
    return carried if carried.is_dir() else BUNDLED / "tests" / "conformance"


def read_examples() -> dict[str, tuple[str, str]]:
    """For each code that a conformance page shows, the shortest query that is answered so and the answer."""
    found: dict[str, tuple[str, str]] = {}
    for path in sorted(find_pages().glob("*/*.md")):
        fence = re.compile(rf"^```{path.parent.name}\n(.*?)^```.*?^```error\n(.*?)^```", re.MULTILINE | re.DOTALL)
        for case in re.split(r"^## ", path.read_text("utf-8"), flags=re.MULTILINE)[1:]:
            if (shown := fence.search(case)) and (coded := SHOWN.search(shown[2])):
                query, answer = shown[1].rstrip("\n"), shown[2].rstrip("\n")
                if coded[2] not in found or len(query) < len(found[coded[2]][0]):
                    found[coded[2]] = (query, answer)
    return found


def list_error_pages(code: str | None = None) -> list[ErrorPage]:
    """The page of each code, or of one, in the order of their names; none for a code that is never said."""
    by_code: dict[str, list[ErrorSentence]] = {}
    for each in find_sentences(code):
        by_code.setdefault(each.code, []).append(each)
    examples = read_examples()
    nothing = (None, None)
    return [
        ErrorPage(code=name, sentences=tuple(said), query=shown[0], answer=shown[1])
        for name, said in sorted(by_code.items())
        for shown in [examples.get(name, nothing)]
    ]
