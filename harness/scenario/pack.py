"""A pack: scenarios, rules and behaviours of one place; folders of rules with an index."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from harness.diagnostics import HarnessError

PACKAGE = Path(__file__).parents[1]
# Within a wheel; in a checkout the pack lies beside the package.
BUNDLED = PACKAGE / "bundled" if (PACKAGE / "bundled").is_dir() else PACKAGE.parent
DEFAULT = Path("scenarios")
NOT_SCENARIOS = frozenset({"worlds", "__pycache__"})
# So that a run started in / or a home folder ends soon; chosen.
MOST_FILES = 100_000
ON_REQUEST = "ON_REQUEST"
# From a variant's folder over technique and scenarios up to the one that holds the pack.
FOLDERS_UPWARDS = 4


def find_scenarios(paths: Sequence[Path], also: Callable[[Path], bool] = lambda _: False) -> list[Path]:
    """The scenario files under these paths, in order; without paths those of ./scenarios, else of the bundled pack.

    `also` says of any other YAML file in a folder whether it is wanted.
    """
    wanted = list(paths) or [DEFAULT if DEFAULT.is_dir() else BUNDLED / "scenarios"]
    found: list[Path] = []
    for path in wanted:
        if path.is_dir():
            found += (p for p in find_files(path, ".yaml", ".yml") if looks_like_scenario(p) or also(p))
        elif path.exists():
            found.append(path)
        else:
            hint = "`detlab list` shows what there is"
            raise HarnessError("no-such-path", f"there is no file or folder {path}", help=hint)
    return list(dict.fromkeys(found))


def split_on_request(found: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Of the files of a run that names none: those to judge, and the folders that are judged only when they are named.

    Such a folder holds a file ON_REQUEST, which says why.
    """
    folders = dict.fromkeys(folder for path in found for folder in path.parents if (folder / ON_REQUEST).is_file())
    left_out = list(folders)
    return [p for p in found if not any(folder in p.parents for folder in left_out)], left_out


def find_files(folder: Path, *suffixes: str) -> Iterator[Path]:
    """All files of these suffixes in a folder and below, in order of their names; links out of it are not followed."""
    seen = 0
    stack = [folder]
    while stack:
        current = stack.pop()
        # Files before folders and both by name: the order of verdicts is that of this walk.
        entries = sorted(current.iterdir(), key=lambda p: (p.is_dir(), p.name))
        wanted = (p for p in entries if p.suffix in suffixes and p.is_file())
        yield from (p for p in wanted if not p.is_symlink() or p.resolve().is_relative_to(folder.resolve()))
        # A link may lead out of the pack or back into it.
        below = [p for p in entries if p.is_dir() and not p.is_symlink() and not is_ignored_folder(p.name)]
        stack += reversed(below)
        seen += len(entries)
        if seen > MOST_FILES:
            raise HarnessError("too-many-files", f"{folder} holds more than {MOST_FILES} files")


def is_ignored_folder(name: str) -> bool:
    """Whether a folder holds no scenarios."""
    return name.startswith(".") or name in NOT_SCENARIOS


def looks_like_scenario(path: Path) -> bool:
    """Whether a YAML file has what only scenarios have, judged by its lines' beginnings and without reading YAML."""
    # rule.spl.yaml is the page of a rule.
    if Path(path.stem).suffix:
        return False
    keys: set[bytes] = set()
    with path.open("rb") as lines:
        # Not parsed: folders hold many YAML files, and a broken one must not stop the search.
        for line in lines.read(1 << 20).splitlines():
            if line[:1].isalpha():
                keys.add(line.split(b":", 1)[0])
    return b"activity" in keys and bool(keys & {b"simulate", b"replay", b"detonate"})


def find_rules(folders: Iterable[Path], suffixes: Sequence[str]) -> list[Path]:
    """The rule files in these folders and below."""
    wanted = tuple(f".{s.lstrip('.')}" for s in suffixes)
    return [path for folder in folders for path in find_files(folder, *wanted)]


def find_pack_root(path: Path) -> Path:
    """The folder of the pack that a scenario is of: the one with the `scenarios/` that holds it, else its own.

    The nearest such `scenarios/` counts, at most three folders above the scenario.
    """
    above = list(path.resolve().parents)[:FOLDERS_UPWARDS]
    return next((folder.parent for folder in above if folder.name == DEFAULT.name), path.resolve().parent)


def refuse_link_out(path: Path, root: Path) -> Path:
    """The path itself; raises HarnessError where a link in it leads out of a folder."""
    if not path.resolve().is_relative_to(root.resolve()):
        hint = "copy what it leads to, or name that itself"
        raise HarnessError("outside", f"`{path}` is a link that leads out of {root}", help=hint)
    return path


def behaviour_folders(path: Path) -> list[Path]:
    """Folders with behaviours for a scenario: `generators/` of its pack, then that of the bundled pack.

    Not of any folder further up: it is Python and runs, and above a pack anybody's files may lie.
    """
    bundled = BUNDLED / "generators"
    root = find_pack_root(path)
    own = root / "generators"
    if not own.is_dir() or own.resolve() == bundled.resolve():
        return [bundled] if bundled.is_dir() else []
    return [refuse_link_out(own, root), bundled]


def find_behaviours(folders: Sequence[Path]) -> dict[str, Path]:
    """The files of behaviours in these folders by name, one behaviour a file; of equal names the first counts."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.py")):
            if not path.stem.startswith("_"):
                # Only a link leads elsewhere, and asking where costs more than all the rest.
                inside = refuse_link_out(path, folder) if path.is_symlink() else path
                # A scenario's own folder comes before the bundled one, so it can put its behaviour in place of ours.
                found.setdefault(path.stem, inside)
    return found


def list_generators(scenarios: Iterable[Path]) -> list[Path]:
    """The folders `generators/` of the packs that these scenarios are of."""
    own = dict.fromkeys(find_pack_root(path) / "generators" for path in scenarios)
    return [folder for folder in own if folder.is_dir()]


LONGEST_NAME = 255
"""Bytes of one part of a path, as every common file system has it."""


def resolve_beside(scenario: Path, name: str) -> Path:
    """The file that a scenario names: beside it, or in one of the three folders above it.

    Raises HarnessError for a name or a link that leads elsewhere: a scenario is input and may be hostile.
    """
    # File systems end a name at a NUL and at 255 bytes, and answer for others in words of their own.
    if "\0" in name or any(len(part.encode()) > LONGEST_NAME for part in Path(name).parts):
        shown = name if len(name) <= 60 else f"{name[:60]}..."
        raise HarnessError("no-such-file", f"no file can be called `{shown}`, of {len(name)} characters")
    if Path(name).is_absolute() or ".." in Path(name).parts:
        hint = "name a file beside the scenario or in a folder above it"
        raise HarnessError("outside", f"`{name}` leads out of the scenario's folders", help=hint)
    for folder in list(scenario.resolve().parents)[:FOLDERS_UPWARDS]:
        # `rule.yml.spl` is the SPL that a file `rule.yml` holds, `rule.yml/Title.spl` one of its rules.
        holders = (folder / name, (folder / name).with_suffix(""), (folder / name).parent)
        if (folder / name).is_file() or (Path(name).suffix and any(each.is_file() for each in holders)):
            return shorten_to_relative(refuse_link_out(folder / name, widest_root(scenario, folder)))
    return refuse_link_out(scenario.parent / name, widest_root(scenario, scenario.parent))


def widest_root(scenario: Path, folder: Path) -> Path:
    """Of a folder and the pack of a scenario the one that holds the other."""
    root = find_pack_root(scenario)
    return root if folder.resolve().is_relative_to(root) else folder


def shorten_to_relative(path: Path) -> Path:
    """The path as seen from the working folder, where that is shorter."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
