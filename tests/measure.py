"""How the code reads, in numbers: `python -m tests.measure [CHECKOUT] [--json]`, without importing any of it.

Measured are the packages `harness` and `generators`, each on its own.

files                 every `*.py`
files with content    those with a statement beside their docstring
lines                 of all files; median and longest are of files with content
definitions           functions and classes at the top level of a module, one of a name counted once in a module; with
                      constants also the names that are assigned there, but for `__all__` and the like
shared names          the share of definitions whose name at least one other module of the package defines at its top
                      level too; "own" leaves out, on both sides, names that are not ours to choose: those of
                      `CONTRACT_NAMES`, which a plug-in must have, and those under a decorator of a registry
                      (`@FUNCTIONS.value`, `@DUCKDB.spell`), which nobody imports
bare participles      functions at the top level whose whole name is one participle (`told`, `filled`, `spread`);
                      "own" leaves out those under a decorator of a registry
one importer          modules that exactly one other module of both packages imports, also for the type checker alone;
                      pieces are those of them with at most 80 lines
string operations     an operation of the plan that is named by a text, which no checker can see: a literal where a
                      function or class takes a parameter `operation`, in calls (`apply("add", x, y)`) and in patterns
                      (`case Call("add", ...)`)
comments              lines with a comment of people, `# type:` and other marks for tools left out; a trailing one has
                      code before it
imports, docstrings   the share of lines that import statements and docstrings take, those of constants included
"""

from __future__ import annotations

import ast
import io
import json
import re
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median

PACKAGES = ("harness", "generators")
PIECE_LINES = 80
CONTRACT_NAMES: Mapping[str, frozenset[str]] = {
    folder: frozenset(names.split())
    for folder, names in (
        ("harness/cli/commands", "command"),
        ("harness/detection/contents", "recognises read"),
        ("harness/detection/dialects", "open_writer"),
        ("harness/detection/engines", "connect REMOTE MOST_PROCESSES"),
        ("harness/detection/languages", "LANGUAGE"),
        ("harness/report/formats", "FORMAT"),
        ("harness/scenario/foreign_rules", "recognises read"),
        ("harness/serve/splunk", "ENDPOINTS"),
        ("harness/telemetry/formats", "recognises read write SUFFIX list_records event_texts"),
        ("harness/telemetry/lab", "connect"),
        ("harness/telemetry/platforms", "PLATFORM"),
        ("harness/telemetry/sensors", "SENSOR CHANNEL"),
        ("harness/telemetry/shapes", "SHAPES ENVELOPES"),
        ("harness/workbench/sessions", "run_session"),
    )
}
"""Names that every file of a folder of plug-ins must have, by the folder."""

IRREGULAR = frozenset(
    re.findall(
        r"\w+",
        """begun bent borne bought broken brought built burnt caught chosen dealt done drawn driven dug eaten fallen fed
        felt found fought frozen given gone grown heard held hidden hung kept known laid lain led left lent lost made
        meant met paid proven said seen sent shaken shown shrunk sold sought sown spent spoken spread sprung stolen
        stood struck stuck sworn taken taught thought thrown told torn understood won worn wound woven written""",
    )
)
"""Participles that end otherwise than others do. `cast`, `split` and `set` are verbs as they stand, so not here."""

NO_PARTICIPLES = frozenset(
    re.findall(
        r"\w+",
        "being bring ceiling embed exceed feed king need nothing ping proceed ring seed speed string substring thing "
        "tostring",
    )
)
REGISTRY = re.compile(r"[A-Z][A-Z0-9_]*\.\w+")
PRAGMA = re.compile(r"#\s*(?:type:|noqa|mypy:|ruff:|pragma|fmt:|!|-\*-)")


def is_participle(word: str) -> bool:
    """Whether a name is nothing but a participle: `told`, `filled`, `making`, `rebuilt`."""
    regular = len(word) > 3 and word.endswith(("ed", "ing")) and "_" not in word
    return word not in NO_PARTICIPLES and (regular or re.sub("^(?:re|un)", "", word) in IRREGULAR or word in IRREGULAR)


@dataclass(frozen=True, slots=True)
class Definition:
    """A name that a module defines at its top level."""

    module: str
    name: str
    constant: bool
    contract: bool
    registered: bool
    function: bool = False

    @property
    def own(self) -> bool:
        """Whether its name was ours to choose."""
        return not (self.contract or self.registered)


@dataclass(frozen=True)
class Module:
    """A file of a package."""

    path: Path
    place: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def lines(self) -> int:
        return len(self.text.splitlines())

    @cached_property
    def name(self) -> str:
        return self.place.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @cached_property
    def has_content(self) -> bool:
        return any(not is_text(node) for node in self.tree.body)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))

    @cached_property
    def definitions(self) -> tuple[Definition, ...]:
        found: dict[str, Definition] = {}
        for node in self.tree.body:
            for name in defined_names(node):
                found.setdefault(name, self.definition(node, name))
        return tuple(found.values())

    def definition(self, node: ast.stmt, name: str) -> Definition:
        contract = any(self.place.startswith(f"{f}/") and name in names for f, names in CONTRACT_NAMES.items())
        decorators = getattr(node, "decorator_list", [])
        return Definition(
            self.name,
            name,
            constant=not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef),
            contract=contract,
            registered=any(REGISTRY.match(ast.unparse(d)) for d in decorators),
            function=isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef),
        )

    @cached_property
    def imported(self) -> set[str]:
        """Everything that import statements name, whether it is a module or something in one."""
        found = set()
        for node in self.nodes:
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
        return found

    @cached_property
    def comments(self) -> tuple[int, int]:
        """How many lines are a comment of people, and how many have one after code."""
        whole = trailing = 0
        if "#" in self.text:
            for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
                if token.type == tokenize.COMMENT and not PRAGMA.match(token.string):
                    alone = not token.line[: token.start[1]].strip()
                    whole, trailing = whole + alone, trailing + (not alone)
        return whole, trailing

    @cached_property
    def import_lines(self) -> int:
        return sum(length(n) for n in self.nodes if isinstance(n, ast.Import | ast.ImportFrom))

    @cached_property
    def docstring_lines(self) -> int:
        return sum(length(n) for n in self.nodes if isinstance(n, ast.stmt) and is_text(n))


def is_text(node: ast.stmt) -> bool:
    """Whether a statement is nothing but a text."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def length(node: ast.stmt) -> int:
    """How many lines a statement takes."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def defined_names(node: ast.stmt) -> list[str]:
    """The names that a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    names = [n for target in targets for n in (target.elts if isinstance(target, ast.Tuple) else [target])]
    return [n.id for n in names if isinstance(n, ast.Name) and not n.id.startswith("__")]


@dataclass(frozen=True)
class Package:
    """The files of one package; `outside` are modules beside it that may import them."""

    name: str
    modules: tuple[Module, ...]
    outside: tuple[Module, ...] = ()

    @cached_property
    def definitions(self) -> list[Definition]:
        return [d for m in self.modules for d in m.definitions]

    def modules_by_name(self, *, constants: bool = False, own: bool = False) -> dict[str, list[str]]:
        """The modules that define a name, for each name."""
        found: dict[str, list[str]] = defaultdict(list)
        for each in self.definitions:
            if (constants or not each.constant) and (each.own or not own):
                found[each.name].append(each.module)
        return found

    def shared_share(self, *, constants: bool = False, own: bool = False) -> tuple[int, int]:
        """How many definitions share their name with another module's, and of how many."""
        counts = [len(modules) for modules in self.modules_by_name(constants=constants, own=own).values()]
        return sum(n for n in counts if n > 1), sum(counts)

    @cached_property
    def participles(self) -> list[Definition]:
        """Functions whose whole name is a participle."""
        return [d for d in self.definitions if d.function and is_participle(d.name)]

    @cached_property
    def importers(self) -> dict[str, set[str]]:
        """The modules that import each module."""
        known = {m.name for m in self.modules}
        found: dict[str, set[str]] = {name: set() for name in known}
        for module in (*self.modules, *self.outside):
            for name in module.imported:
                target = name if name in known else name.rpartition(".")[0]
                if target in known and target != module.name:
                    found[target].add(module.name)
        return found

    @cached_property
    def singly_imported(self) -> list[Module]:
        """Modules with exactly one importer."""
        return [m for m in self.modules if len(self.importers[m.name]) == 1]

    @cached_property
    def pieces(self) -> list[Module]:
        """Those of them that are short."""
        return [m for m in self.singly_imported if m.lines <= PIECE_LINES]

    @cached_property
    def string_operations(self) -> dict[str, list[str]]:
        """Places where an operation is named by a text, in calls and in patterns."""
        takers = operation_takers(n for m in self.modules for n in m.nodes)
        found: dict[str, list[str]] = {"calls": [], "patterns": []}
        for module in self.modules:
            for node in module.nodes:
                if isinstance(node, ast.Call) and names_operation(node, takers):
                    found["calls"].append(f"{module.place}:{node.lineno}")
                elif isinstance(node, ast.MatchClass) and matches_operation(node, takers):
                    found["patterns"].append(f"{module.place}:{node.lineno}")
        return found


def operation_takers(nodes: Iterable[ast.AST]) -> dict[str, set[int]]:
    """Functions and classes with a parameter `operation`, and the places that it has in their calls."""
    found: dict[str, set[int]] = defaultdict(set)
    for node in nodes:
        if isinstance(node, ast.FunctionDef):
            places = [a.arg for a in (*node.args.posonlyargs, *node.args.args) if a.arg not in ("self", "cls")]
            names = [*places, *(a.arg for a in node.args.kwonlyargs)]
        elif isinstance(node, ast.ClassDef):
            places = names = [
                n for field in node.body if isinstance(field, ast.AnnAssign) for n in defined_names(field)
            ]
        else:
            continue
        if "operation" in names:
            found[node.name] |= {place for place, name in enumerate(places) if name == "operation"}
    return found


def names_operation(call: ast.Call, takers: Mapping[str, set[int]]) -> bool:
    """Whether a call gives a literal text for an operation."""
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    if name not in takers:
        return False
    given = [call.args[place] for place in takers[name] if place < len(call.args)]
    given += [keyword.value for keyword in call.keywords if keyword.arg == "operation"]
    return any(isinstance(n, ast.Constant) and isinstance(n.value, str) for value in given for n in branches(value))


def branches(value: ast.expr) -> Iterator[ast.expr]:
    """An expression, or both values of a conditional one."""
    if isinstance(value, ast.IfExp):
        yield from (*branches(value.body), *branches(value.orelse))
    else:
        yield value


def matches_operation(pattern: ast.MatchClass, takers: Mapping[str, set[int]]) -> bool:
    """Whether a pattern asks for a literal text as the operation."""
    name = ast.unparse(pattern.cls).rpartition(".")[2]
    asked = [pattern.patterns[place] for place in takers.get(name, ()) if place < len(pattern.patterns)]
    asked += [p for n, p in zip(pattern.kwd_attrs, pattern.kwd_patterns, strict=True) if n == "operation" and name]
    return any(
        isinstance(part, ast.MatchValue) and isinstance(part.value, ast.Constant) and isinstance(part.value.value, str)
        for one in asked
        for part in ast.walk(one)
    )


def read_packages(checkout: Path, names: Sequence[str] = PACKAGES) -> dict[str, Package]:
    """The packages of a checkout."""
    modules = {
        name: tuple(
            Module(path, path.relative_to(checkout).as_posix(), path.read_text("utf-8"))
            for path in sorted((checkout / name).rglob("*.py"))
        )
        for name in names
    }
    return {
        name: Package(name, modules[name], tuple(m for n in names if n != name for m in modules[n])) for name in names
    }


def measure(package: Package) -> dict[str, float]:
    """Every number of a package, in the order in which they are shown; shares are of a hundred."""
    sizes = [m.lines for m in package.modules if m.has_content]
    lines = sum(m.lines for m in package.modules)
    whole, trailing = (sum(m.comments[i] for m in package.modules) for i in (0, 1))
    found: dict[str, float] = {
        "files": len(package.modules),
        "files with content": len(sizes),
        "lines": lines,
        "median lines": median(sizes) if sizes else 0,
        "longest file, lines": max(sizes, default=0),
    }
    for label, constants in (("functions and classes", False), ("with constants", True)):
        for kind, own in (("", False), (", own names", True)):
            shared, total = package.shared_share(constants=constants, own=own)
            found |= {f"{label}{kind}": total, f"{label}{kind}: shared names": shared}
            found[f"{label}{kind}: shared names %"] = percentage(shared, total)
    found["module functions"] = sum(d.function for d in package.definitions)
    found["bare participles"] = len(package.participles)
    found["bare participles, own names"] = sum(d.own for d in package.participles)
    found["modules with one importer"] = len(package.singly_imported)
    found[f"pieces: of these at most {PIECE_LINES} lines"] = len(package.pieces)
    found |= {f"string operations in {n}": len(places) for n, places in package.string_operations.items()}
    found["comment lines, whole"] = whole
    found["comment lines, trailing"] = trailing
    found["comment lines of 100"] = percentage(whole + trailing, lines)
    found["import lines %"] = percentage(sum(m.import_lines for m in package.modules), lines)
    found["docstring lines %"] = percentage(sum(m.docstring_lines for m in package.modules), lines)
    return found


def percentage(part: int, whole: int) -> float:
    """How many of a hundred, to two digits; 0 of nothing."""
    return round(100 * part / whole, 2) if whole else 0.0


def print_table(numbers: Mapping[str, Mapping[str, float]]) -> None:
    """Writes a line for each number and a column for each package."""
    labels = list(next(iter(numbers.values())))
    width = max(map(len, labels))
    print(" " * width, *(f"{name:>11}" for name in numbers))
    for label in labels:
        print(f"{label:<{width}}", *(f"{numbers[name][label]:>11,.6g}" for name in numbers))


def main(arguments: Sequence[str]) -> int:
    """Measures a checkout, this one unless another is named."""
    paths = [a for a in arguments if a != "--json"]
    checkout = Path(paths[0]) if paths else Path(__file__).parents[1]
    if len(paths) > 1 or not (checkout / PACKAGES[0]).is_dir():
        print(f"{' '.join(paths)} is no checkout with a folder `{PACKAGES[0]}`", file=sys.stderr)
        return 2
    numbers = {name: measure(package) for name, package in read_packages(checkout).items()}
    if "--json" in arguments:
        print(json.dumps(numbers, indent=2))
    else:
        print_table(numbers)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
