"""What a field has to be for conditions to hold, and a text that is all of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace

from harness.record import record

WISHES_OF_A_FIELD = 200
"""Chosen: rules exclude some dozens of values of a field."""


@record(kw_only=True)
class Wish:
    """One test of a field's text: what `holds`, true or false, and texts that help to find one.

    `equal`, `prefix`, `suffix` and `inner` are parts of texts for which the test is true; `absent` asks for no field.
    """

    test: Callable[[str], bool] = lambda text: True
    holds: bool = True
    equal: tuple[str, ...] = ()
    prefix: str = ""
    suffix: str = ""
    inner: tuple[str, ...] = ()
    absent: bool = False

    def negate(self) -> Wish:
        """The wish that the test fails."""
        return replace(self, holds=not self.holds)

    def grants(self, text: str | None) -> bool:
        """Whether a text is what is wished; None is an absent field, of which no test is true or false."""
        if self.absent:
            return (text is None) == self.holds
        return text is not None and self.test(text) == self.holds

    def through(self, change: Callable[[str], str], *, before: str = "", after: str = "") -> Wish:
        """The wish for a text of which `change` makes what is wished here; it takes off `before` and `after`."""
        test = self.test
        return replace(
            self,
            test=lambda text: test(change(text)),
            equal=tuple(before + each + after for each in self.equal),
            prefix=before + self.prefix if self.prefix else "",
            suffix=self.suffix + after if self.suffix else "",
        )


@record
class FieldWishes:
    """Wishes by field, as far as conditions have been read."""

    by_field: Mapping[str, tuple[Wish, ...]] = field(default_factory=dict)

    def add(self, name: str, wish: Wish) -> FieldWishes | None:
        """With one wish more; None where no text can be all of it."""
        held = (*self.by_field.get(name, ()), wish)
        if len(held) > WISHES_OF_A_FIELD:
            return None
        grown = FieldWishes({**self.by_field, name: held})
        return grown if is_possible(name, held) else None


def is_possible(name: str, wishes: Sequence[Wish]) -> bool:
    """Whether some text, or no field, is all that is wished."""
    return any(True for _ in find_wished_texts(name, wishes))


def find_wished_texts(name: str, wishes: Sequence[Wish]) -> Iterator[str | None]:
    """Texts of a field that are all that is wished of it, the plainest first; None is no field."""
    if any(w.absent and w.holds for w in wishes):
        candidates: Iterator[str | None] = iter((None,))
    else:
        candidates = iter(dict.fromkeys(list_wished_texts(name, [w for w in wishes if w.holds and not w.absent])))
    yield from (text for text in candidates if all(w.grants(text) for w in wishes))


def list_wished_texts(name: str, wanted: Sequence[Wish]) -> Iterator[str]:
    """Texts that are put together of the parts that are wanted, then everyday ones."""
    for wish in wanted:
        yield from wish.equal
    prefix = max((w.prefix for w in wanted), key=len, default="")
    suffix = max((w.suffix for w in wanted), key=len, default="")
    inner = list(dict.fromkeys(part for w in wanted for part in w.inner))
    inner = [part for part in inner if not any(part != other and part in other for other in inner)]
    if prefix or suffix or inner:
        bare = [part for part in inner if part not in prefix and part not in suffix]
        for middle in ("", " ", "example", " example ", "\\"):
            for between in ("", " ", "\\", "/", ","):
                yield prefix + middle + between.join(bare) + (middle if bare else "") + suffix
                yield prefix + between.join(bare) + suffix
        for folder in ("C:\\Windows\\System32", "C:\\Program Files\\Vendor\\example", "a", "x."):
            yield folder + between_parts(prefix, bare) + suffix
    everyday = [default_text(name), "example", "1", "100", "0", "203.0.113.10", "C:\\Tools\\example.exe"]
    yield from everyday
    for wish in wanted:
        yield from (each + "1" for each in wish.equal)


def between_parts(prefix: str, inner: Sequence[str]) -> str:
    """Parts one behind the other."""
    return prefix + " ".join(inner)


EVERYDAY: tuple[tuple[str, str], ...] = (
    (r"^index$", "main"),
    (r"^sourcetype$", "xmlwineventlog"),
    (r"(^|_)(host|dest|computer|computername|dvc|workstation\w*)$|^aid$", "WS01"),
    (r"(?i)port$", "443"),
    (r"(?i)(ip|address|ip4|ipv4|aip|src|clientip)$", "203.0.113.10"),
    (r"(?i)(image|process_path|imagefilename|newprocessname|process_exec)$", "C:\\Tools\\example.exe"),
    (r"(?i)parent.*(name|basefilename)$", "explorer.exe"),
    (r"(?i)(process_name|filename|basefilename)$", "example.exe"),
    (r"(?i)command_?line$|^process$|_process$", "example.exe --run"),
    (r"(?i)(pid|process_?id\w*|logonid|sessionid|count|size|bytes)$", "4711"),
    (r"(?i)(user|username|account\w*|src_user)$", "alice"),
    # System fields of Windows' logs: readers take them as the numbers and the account that they are.
    (r"^(Opcode|Level|Task|Version|Keywords)$", "0"),
    (r"^(UserID|Security_ID|.*Sid)$", "S-1-5-21-1004336348-1177238915-682003330-1001"),
    (r"(?i)(guid|_id|id)$", "0f0e0d0c-0b0a-4908-8706-050403020100"),
    (r"(?i)(domain\w*|query\w*|hostname|url)$", "www.example.com"),
)
"""Everyday texts of fields by what their names look like."""


def default_text(name: str) -> str:
    """A text that nobody wonders about in a field of that name."""
    return next((text for pattern, text in EVERYDAY if re.search(pattern, name, re.I)), "example")
