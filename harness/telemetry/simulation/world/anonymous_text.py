r"""Recorded texts as templates that name nobody: `C:\Users\ann\Q3.xlsx` becomes `{profile}\{document}.xlsx`.

A word is kept only if it is public: it stands in the world that comes with detlab, or in the name of a file of Windows.
All others become placeholders, whatever they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from ntpath import splitext

from harness.late_pattern import late_pattern
from harness.scenario.pack import BUNDLED
from harness.telemetry.simulation.identity import OF_WINDOWS, OTHER_IMAGES, read_more_images
from harness.telemetry.simulation.process_tree import HOSTED_SERVICES, TREE
from harness.telemetry.simulation.text_template import TEMPLATE_WORD

LINE_TOKEN = late_pattern(r'\s+|"[^"]*"|[^\s"]+')
GUID_ARGUMENT = late_pattern(r"\{?[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\}?")
ADDRESS_ARGUMENT = late_pattern(r"\d{1,3}(\.\d{1,3}){3}|[0-9a-fA-F]*:[0-9a-fA-F:]*:[0-9a-fA-F:.]*")
PATH_ARGUMENT = late_pattern(r"(?:\\\\\?\\|\\\?\?\\)?[A-Za-z]:\\.*|\\\\[^\\]+\\.*|%\w+%\\.*|\\Device\\.*")
OF_SEVERAL = late_pattern(r"\s[-/]\w|\.exe\s|\s[A-Za-z]:\\")
"""A text that is a command by itself, not a path with blanks."""
URL_ARGUMENT = late_pattern(r"[a-z][a-z0-9+.-]*://\S+")
RUN_OF_CHARACTERS = late_pattern(r"[A-Za-z]+|[0-9]+|[^A-Za-z0-9]+")
LONGEST_TEMPLATE = 400
"""Characters; what is longer is cut, as command lines with programs in them are."""

# Folders by the beginning of a path without its drive, in lower case; a user's folder ends with the user.
FOLDERS = (
    (r"windows\system32\drivers", r"{system32}\drivers"),
    (r"windows\system32\wbem", r"{system32}\wbem"),
    (r"windows\system32\windowspowershell\v1.0", r"{system32}\WindowsPowerShell\v1.0"),
    (r"windows\system32", "{system32}"),
    (r"program files (x86)", "{program_files_x86}"),
    (r"program files", "{program_files}"),
    (r"programdata", "{program_data}"),
    (r"windows", "{windows}"),
)
IN_PROFILE = (
    (r"appdata\local\temp", "{temp}"),
    (r"appdata\local", "{local}"),
    (r"appdata\roaming", "{roaming}"),
)


@cache
def public_words() -> frozenset[str]:
    """Words that are anybody's, in lower case: those of the world that comes with detlab, and of Windows' files."""
    folders = (BUNDLED / "scenarios" / "worlds", BUNDLED.parents[1] / "scenarios" / "worlds")
    texts = [p.read_text("utf-8") for folder in folders if folder.is_dir() for p in folder.glob("office.yaml")]
    texts += [*OF_WINDOWS, *OTHER_IMAGES, *read_more_images(), *TREE, *HOSTED_SERVICES]
    # Two letters and fewer are switches and endings; they name nobody.
    return frozenset(w.lower() for text in texts for w in re.findall(r"[A-Za-z]{3,}", text))


@cache
def known_programs() -> frozenset[str]:
    """Names of program files that are listed here, in lower case."""
    return frozenset({*OF_WINDOWS, *OTHER_IMAGES, *read_more_images(), *(n for n in TREE if n.endswith(".exe"))})


@dataclass(slots=True)
class Anonymizer:
    """Templates for recorded texts; `secrets` are names of people, hosts and domains, none of which is ever kept.

    Programs that nobody knows and names of hosts get invented ones, the same for the same.
    """

    secrets: frozenset[str] = frozenset()
    programs: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def word(self, text: str) -> str:
        """A run of letters, digits or signs: as it is where it is public."""
        if text.isdecimal():
            # A single digit tells nothing of anybody, and switches have them: /2, -v1.
            return text if len(text) == 1 else f"{{digits:{min(len(text), 20)}}}"
        if not text.isalpha():
            return "".join(c for c in text if c not in "{}")
        low = text.lower()
        if low in self.secrets:
            return "{word}"
        if len(text) <= 2 or low in public_words():
            return text
        return "{word}"

    def name(self, text: str) -> str:
        """A name of no known form, put together of its words."""
        if GUID_ARGUMENT.fullmatch(text):
            return "{{upper_guid}}" if text.startswith("{") else "{guid}"
        if text.lower() in public_words() and text.lower() not in self.secrets:
            return text
        if re.fullmatch(r"[0-9a-fA-F]{8,}", text) and not text.isalpha():
            return f"{{hex:{min(len(text), 64)}}}"
        if re.fullmatch(r"[A-Za-z0-9+/=_-]{24,}", text):
            return f"{{letters:{min(len(text), 64)}}}"
        parts = [self.word(w) for w in RUN_OF_CHARACTERS.findall(text)]
        # `Contoso2024Budget` is one word to whoever reads it.
        found = "".join(parts)
        return re.sub(r"(\{word\}){2,}", "{word}", found)

    def path(self, text: str) -> str:
        """A path: its folders by what they are, its file by its ending."""
        low = re.sub(r"^(\\\\\?\\|\\\?\?\\)", "", text)
        if low.startswith("\\\\"):
            return self.below("\\\\{file_server}", low.lstrip("\\").partition("\\")[2])
        if low.lower().startswith("\\device\\"):
            low = "C:\\" + "\\".join(low.split("\\")[3:])
        # Scripts double what they quote.
        drive, _, rest = re.sub(r"\\{2,}", r"\\", low).partition("\\")
        for begin, placeholder in FOLDERS:
            if rest.lower() == begin or rest.lower().startswith(begin + "\\"):
                return self.below(placeholder, rest[len(begin) :])
        if rest.lower().startswith("users\\"):
            inside = rest.split("\\", 2)[2] if rest.count("\\") > 1 else ""
            for begin, placeholder in IN_PROFILE:
                if inside.lower() == begin or inside.lower().startswith(begin + "\\"):
                    return self.below(placeholder, inside[len(begin) :])
            return self.below("{profile}", "\\" + inside if inside else "")
        start = drive if re.fullmatch(r"[A-Za-z]:", drive) else "C:"
        return self.below(start, "\\" + rest)

    def below(self, folder: str, rest: str) -> str:
        """The rest of a path below a folder."""
        return folder + "".join("\\" + self.component(c) for c in rest.split("\\") if c)

    def component(self, text: str) -> str:
        """One folder or file of a path."""
        stem, ending = splitext(text)
        if text.lower() in known_programs():
            return text
        known = ending if re.fullmatch(r"\.[A-Za-z0-9]{1,5}", ending) and ending[1:].lower() not in self.secrets else ""
        named = self.name(stem if known else text)
        return named + (known if known[1:].lower() in public_words() or len(known) <= 4 else ".{word}" if known else "")

    def program(self, path: str) -> str:
        """The image of a program: known files where they lie, others under an invented name."""
        file = path.rpartition("\\")[2].lower()
        if "\\" not in path:
            return (
                path if path in TREE else self.programs.setdefault(path.lower(), f"program{len(self.programs) + 1}.exe")
            )
        if file in known_programs():
            return self.path(path)
        invented = self.programs.setdefault(path.lower(), f"program{len(self.programs) + 1}.exe")
        folder = self.path(path).rpartition("\\")[0]
        return f"{TEMPLATE_WORD.sub(keep_fixed, folder)}\\{invented}"

    def line(self, text: str, image: str) -> str:
        """A command line: its program, switches that are public, and what kind of thing each other argument is."""
        found: list[str] = []
        for number, token in enumerate(LINE_TOKEN.findall(text.strip())[:80]):
            if token.isspace():
                found.append(" " * min(len(token), 2))
            elif number == 0 and self.is_image(token.strip('"'), image):
                found.append('"{image}"' if token.startswith('"') else "{image}")
            elif token.startswith('"'):
                found.append('"' + self.argument(token.strip('"')) + '"')
            else:
                found.append(self.argument(token))
        return cut_template("".join(found))

    @staticmethod
    def is_image(token: str, image: str) -> bool:
        """Whether a first word is the program itself, with or without folder and ending."""
        file = image.rpartition("\\")[2].lower()
        return token.rpartition("\\")[2].lower() in (file, file.removesuffix(".exe"))

    def argument(self, text: str) -> str:
        """One argument of a command line."""
        if URL_ARGUMENT.fullmatch(text):
            return "https://{word}.{word}.example/{word}"
        if " " in text and OF_SEVERAL.search(text):
            return "".join(t if t.isspace() else self.argument(t.strip('"')) for t in LINE_TOKEN.findall(text)[:40])
        if PATH_ARGUMENT.fullmatch(text):
            return self.path(text)
        if ADDRESS_ARGUMENT.fullmatch(text):
            return "10.{number:20-52}.{number:0-250}.{number:1-250}"
        if " " in text:
            return "".join(t if t.isspace() else self.argument(t) for t in LINE_TOKEN.findall(text)[:40])
        # A path behind a switch: /log:C:\\ProgramData\\x, 'C:\\x'.
        within = re.search(r"[A-Za-z]:\\", text)
        if within and within.start():
            return self.name(text[: within.start()]) + self.path(text[within.start() :])
        begin, sign, rest = text.partition("=")
        if sign and (URL_ARGUMENT.fullmatch(rest) or PATH_ARGUMENT.fullmatch(rest)):
            return self.name(begin) + "=" + self.argument(rest)
        return self.name(text)

    def host_name(self, text: str) -> str:
        """A DNS name under an invented one with as many labels; the same for the same."""
        key = text.lower().rstrip(".")
        if key not in self.names:
            labels = max(0, min(key.count("."), 4) - 1)
            self.names[key] = ".".join([f"n{len(self.names) + 1}", *["sub"] * max(0, labels - 1), "learned", "example"])
        return self.names[key]


def keep_fixed(match: re.Match[str]) -> str:
    """Placeholders that are the same on a host stay in a program's folder; what varies there is a folder called so."""
    return match[0] if match[1] not in ("word", "digits", "hex", "guid", "upper_guid", "letters", "document") else "app"


def cut_template(text: str) -> str:
    """The template within the longest length, not cut within a placeholder."""
    if len(text) <= LONGEST_TEMPLATE:
        return text
    kept = text[:LONGEST_TEMPLATE]
    return kept[: kept.rfind("{")] if kept.rfind("{") > kept.rfind("}") else kept


def collect_secrets(accounts: Iterable[str], computers: Iterable[str]) -> frozenset[str]:
    """Words of accounts, computers and domains, none of which may be kept."""
    public = {"nt", "authority", "system", "network", "service", "local", "window", "manager", "font", "driver", "host"}
    found: set[str] = set()
    for text in (*accounts, *computers):
        found |= {w.lower() for w in re.findall(r"[A-Za-z0-9]+", text)} | {text.lower()}
        found |= {w.lower() for w in re.findall(r"[A-Za-z]{3,}", text)}
    return frozenset(found - public)
