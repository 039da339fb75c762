"""Arguments of commands sorted out: options by name, other words in order.

Reference: reference/spl.md 6.1
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from harness.detection.languages.spl.registry import FieldEffect
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import (
    EvalExpression,
    GeneralArguments,
    Option,
    ParenthesisedCondition,
    Pipeline,
    Stage,
    StatisticsArguments,
    Template,
    Word,
)
from harness.diagnostics import SourceError, did_you_mean
from harness.record import record


@record
class OptionValues:
    """Options by lower-case name, each read as what a command takes it for."""

    options: Mapping[str, Option]

    def word(self, name: str) -> Word | None:
        """The value of an option, if it was given."""
        found = self.options.get(name)
        return found.value if found is not None and isinstance(found.value, Word) else None

    def text(self, name: str, default: str) -> str:
        """The text of an option."""
        word = self.word(name)
        return default if word is None else word.text

    def flag(self, name: str, default: bool = False) -> bool:
        """An option that is yes or no."""
        word = self.word(name)
        return default if word is None else parse_truth_word(word)

    def number(self, name: str, default: int) -> int:
        """An option that is a whole number."""
        word = self.word(name)
        return default if word is None else parse_whole_word(word)

    def decimal(self, name: str, default: float) -> float:
        """An option that is a number."""
        word = self.word(name)
        if word is None:
            return default
        # float() would take `nan`, `1_000` and blanks.
        if not re.fullmatch(r"[-+]?(\d+(\.\d*)?|\.\d+)", word.text):
            raise SourceError("bad-option", f"`{word.text[:40]}` is not a number", word.span)
        return float(word.text)

    def choice(self, name: str, default: str, *choices: str) -> str:
        """An option that is one of several words."""
        word = self.word(name)
        if word is None:
            return default
        if word.text.lower() not in choices:
            help = did_you_mean(word.text, choices) or f"`{name}` is {' or '.join(choices)}"
            raise SourceError("bad-option", f"`{name}` has no value `{word.text[:40]}`", word.span, help=help)
        return word.text.lower()


@record
class BoundOptions(OptionValues):
    """The arguments of one stage: its options, `words` and `pipelines` in order."""

    stage: Stage
    words: tuple[Word, ...]
    pipelines: tuple[Pipeline, ...]
    others: tuple[ParenthesisedCondition | Template | EvalExpression, ...]

    def without_effect(self, scope: Scope, *names: str) -> None:
        """Tells of options that change how a search head works and not what it finds."""
        for name in names:
            if name in self.options:
                scope.session.note("no-effect", f"`{name}` has no effect here", self.options[name].span)

    def at_most(self, count: int) -> None:
        """Raises SourceError at the first word that the command has no place for."""
        if len(self.words) > count:
            word = self.words[count]
            message = f"`{self.stage.name}` has no place for `{word.text[:40]}`"
            raise SourceError("surplus-argument", message, word.span)

    def error(self, code: str, message: str, help: str | None = None) -> SourceError:
        """An error about the whole stage."""
        return SourceError(code, message, self.stage.span, help=help)


def bind_options(stage: Stage, *known: str) -> BoundOptions:
    """The arguments of a stage; an option that the command does not have is an error."""
    items = stage.arguments.items if isinstance(stage.arguments, GeneralArguments) else ()
    options: dict[str, Option] = {}
    words: list[Word] = []
    for item in items:
        if isinstance(item, Word):
            words.append(item)
        elif isinstance(item, Option):
            name = item.name.lower()
            if name not in known and "*" not in known:
                hint = did_you_mean(name, known) or (f"options are {', '.join(known)}" if known else None)
                raise SourceError("unknown-option", f"`{stage.name}` has no option `{item.name}`", item.span, help=hint)
            options[name] = item
    pipelines = tuple(i for i in items if isinstance(i, Pipeline))
    others = tuple(i for i in items if not isinstance(i, Word | Option | Pipeline))
    return BoundOptions(options, stage, tuple(words), pipelines, others)


def find_unnamed_effect(stage: Stage) -> FieldEffect:
    """What becomes of fields that are not named where a command that names none works on all of them."""
    items = stage.arguments.items if isinstance(stage.arguments, GeneralArguments) else ()
    return "keeps" if any(isinstance(i, Word) for i in items) else "remakes"


def split_clauses(words: tuple[Word, ...], *keywords: str) -> dict[str, list[Word]]:
    """Words by the keyword before them; those before any keyword under the empty one."""
    found: dict[str, list[Word]] = {"": []}
    current = ""
    for word in words:
        # Keywords of commands have any case, and a quoted one is a name (reference/spl.md 3.2).
        if not word.quoted and word.text.lower() in keywords:
            current = word.text.lower()
            found.setdefault(current, [])
        else:
            found[current].append(word)
    return found


def parse_renames(words: list[Word]) -> list[tuple[Word, Word]]:
    """`a AS b c AS d e` as pairs; a name without AS stands for itself."""
    pairs: list[tuple[Word, Word]] = []
    at = 0
    while at < len(words):
        if at + 2 < len(words) and words[at + 1].text.lower() == "as" and not words[at + 1].quoted:
            pairs.append((words[at], words[at + 2]))
            at += 3
        else:
            pairs.append((words[at], words[at]))
            at += 1
    return pairs


def read_options(arguments: StatisticsArguments) -> OptionValues:
    """The options of a statistical command; of one that is given again the first counts."""
    return OptionValues({o.name: o for o in reversed(arguments.options)})


def split_leading_count(words: Sequence[Word], default: int) -> tuple[int, list[Word]]:
    """The number that may stand before fields, and the words behind it."""
    if words and words[0].text.isdecimal() and not words[0].quoted:
        return parse_whole_word(words[0]), list(words[1:])
    return default, list(words)


def parse_truth_word(word: Word) -> bool:
    """The truth value of t, true, 1, f, false, 0."""
    # reference/spl.md 3.2; `yes` and `y` are seen in published searches.
    if word.text.lower() in ("t", "true", "1", "yes", "y"):
        return True
    if word.text.lower() in ("f", "false", "0", "no", "n"):
        return False
    raise SourceError("bad-option", f"`{word.text}` is neither true nor false", word.span, help="write true or false")


def parse_whole_word(word: Word) -> int:
    """A whole number."""
    # Nine digits fit into the 32 bits of Splunk's limits; more would only be a mistake.
    if not re.fullmatch(r"-?\d{1,9}", word.text):
        raise SourceError("bad-option", f"`{word.text[:40]}` is not a whole number", word.span)
    return int(word.text)
