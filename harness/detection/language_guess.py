"""Which language a rule's text is written in, where no suffix tells."""

from __future__ import annotations

from harness.detection.language import Settings, Strictness, language, list_languages
from harness.diagnostics import HarnessError, Source


def guess_language(text: str) -> str:
    """The one language in which a text can be read; of several the one that finds least to object to.

    Raises HarnessError where that is none, or more than one.
    """
    objections: dict[str, int] = {}
    for name in list_languages():
        source = Source("<text>", text)
        try:
            query = language(name).parse(source, Strictness.LENIENT, Settings())
        except HarnessError as error:
            # What a text refers to is not at hand, which says nothing against its language.
            if error.code not in ("unknown-macro", "unknown-saved-query", "unknown-lookup"):
                continue
            objections[name] = 0
        else:
            objections[name] = len(query.deviations)
    fewest = [name for name, number in objections.items() if number == min(objections.values())]
    if len(fewest) != 1:
        known = ", ".join(list_languages())
        said = f"this could be {' or '.join(fewest)}" if fewest else f"this is read as none of {known}"
        raise HarnessError("unknown-language", said, help="say which with --language NAME")
    return fewest[0]
