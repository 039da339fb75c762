"""Behaviours of a pack: a function a file, found by name; parameters in the type that the function asks for."""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from hashlib import blake2b
from importlib.util import module_from_spec, spec_from_file_location
from math import isfinite
from pathlib import Path
from types import ModuleType, NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

from harness.diagnostics import HarnessError, did_you_mean
from harness.late_pattern import late_pattern
from harness.record import record
from harness.scenario.pack import BUNDLED, find_behaviours
from harness.telemetry.events.text_columns import parse_address
from harness.telemetry.simulation.activity import Activity

DURATION_UNIT_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
DURATION_TERM = late_pattern(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)")
# Ten years, as the longest world; numpy's microseconds would reach further.
LONGEST_DURATION = 3650 * 86400


@record
class Between:
    """Bounds of a number, both included."""

    least: float
    most: float

    def __str__(self) -> str:
        return f"from {self.least} to {self.most}"


# Below MOST_MOMENTS_AT_ONCE, so that one absurd parameter is refused at its own place.
Count = Annotated[int, Between(0, 1_000_000)]
Port = Annotated[int, Between(0, 65535)]
Fraction = Annotated[float, Between(0, 1)]


@record(kw_only=True)
class BehaviourParameter:
    """A parameter of a behaviour: name, annotation, default."""

    name: str
    annotation: Any
    default: object
    required: bool

    @property
    def kind(self) -> str:
        """Its type as a person would say it."""
        return describe_annotation(self.annotation)

    def typed(self, value: object) -> Any:
        """The value in its type. Raises ValueError with what it must be, and what it was."""
        return convert_to_annotation(value, self.annotation)


def convert_to_annotation(value: object, annotation: Any) -> Any:
    """A document's value in the type of an annotation. Raises ValueError that names the expected type."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return convert_within_bounds(value, arguments[0], arguments[1:])
    if origin in (Union, UnionType):
        if value is None and NoneType in arguments:
            return None
        return convert_to_annotation(value, next(a for a in arguments if a is not NoneType))
    if origin is Literal:
        return value if value in arguments else refuse_parameter_value(value, annotation)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            return refuse_parameter_value(value, annotation)
        return tuple(convert_to_annotation(v, arguments[0]) for v in value)
    return SIMPLE[annotation](value) if annotation in SIMPLE else refuse_parameter_value(value, annotation)


def convert_within_bounds(value: object, annotation: Any, constraints: tuple[object, ...]) -> Any:
    """The value in its type and within its constraints: `Between`, or an address. Raises ValueError."""
    found = convert_to_annotation(value, annotation)
    for constraint in constraints:
        if isinstance(constraint, Between) and not constraint.least <= found <= constraint.most:
            raise ValueError(f"a number {constraint}, not {found}")
        if constraint == "address":
            try:
                parse_address(found)
            except ValueError:
                raise ValueError(f"an IPv4 or IPv6 address, not `{shorten_value(found)}`") from None
    return found


def refuse_parameter_value(value: object, annotation: Any) -> Any:
    """Raises ValueError that says what is expected."""
    raise ValueError(f"{describe_annotation(annotation)}, not `{shorten_value(value)}`")


def shorten_value(value: object) -> str:
    """A value of at most 40 characters for an error message."""
    text = str(value)
    return text if len(text) <= 40 else text[:37] + "..."


def require_integer(value: object) -> int:
    """A whole number; a truth value is none."""
    # bool is an int in Python; `true` in a document is not meant as 1.
    return value if isinstance(value, int) and not isinstance(value, bool) else int(refuse_parameter_value(value, int))


def real(value: object) -> float:
    """A finite number; a truth value is none."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    return float(value) if good and isinstance(value, int | float) else float(refuse_parameter_value(value, float))


def require_text(value: object) -> str:
    """Text; a bare number of a document is the text that was written."""
    return (
        str(value)
        if isinstance(value, str | int | float) and not isinstance(value, bool)
        else str(refuse_parameter_value(value, str))
    )


def require_truth(value: object) -> bool:
    """True or false, nothing else."""
    return value if isinstance(value, bool) else bool(refuse_parameter_value(value, bool))


def parse_duration(value: object) -> timedelta:
    """A duration: `30s`, `10m`, `2h`, `1h30m`, `500ms`, `1d`."""
    if isinstance(value, timedelta):
        return value
    written = str(value).strip() if isinstance(value, str) else ""
    # Longer than any sum of units; and it keeps the pattern's work small.
    parts = DURATION_TERM.findall(written) if len(written) < 40 else []
    if not parts or DURATION_TERM.sub("", written).strip():
        raise ValueError(f"a duration such as `30s`, `10m` or `1h30m`, not `{shorten_value(value)}`")
    length = sum(float(number) * DURATION_UNIT_SECONDS[unit] for number, unit in parts)
    if length > LONGEST_DURATION:
        raise ValueError(f"a duration of at most 3650 days, not `{shorten_value(value)}`")
    return timedelta(seconds=length)


SIMPLE: dict[Any, Callable[[object], Any]] = {
    int: require_integer,
    float: real,
    str: require_text,
    bool: require_truth,
    timedelta: parse_duration,
}

ANNOTATION_WORDS = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    timedelta: "a duration",
}


def describe_annotation(annotation: Any) -> str:
    """A type as a person would say it."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        bounds = [str(c) for c in arguments[1:] if isinstance(c, Between)]
        return "an address" if "address" in arguments[1:] else " ".join([describe_annotation(arguments[0]), *bounds])
    if origin in (Union, UnionType):
        return describe_annotation(next(a for a in arguments if a is not NoneType))
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments))
    if origin is tuple:
        return f"a list, each {describe_annotation(arguments[0])}"
    return ANNOTATION_WORDS.get(annotation, str(annotation))


@record(kw_only=True)
class Behaviour:
    """Something that people or software do: a function that yields what happens, and its parameters."""

    name: str
    summary: str
    path: Path
    function: Callable[..., Iterator[Activity]]
    parameters: Mapping[str, BehaviourParameter]

    def arguments(self, given: Mapping[str, object]) -> dict[str, object]:
        """The given parameters in the types that the function asks for. Raises HarnessError naming the parameter."""
        for name in given:
            if name not in self.parameters:
                known = ", ".join(f"`{p}`" for p in self.parameters)
                hint = did_you_mean(str(name), self.parameters) or f"it has {known or 'none'}"
                message = f"behaviour `{self.name}` has no parameter `{name}`"
                raise ParameterError("unknown-parameter", message, parameter=str(name), help=hint)
        for name, parameter in self.parameters.items():
            if parameter.required and name not in given:
                message = f"behaviour `{self.name}` needs the parameter `{name}`"
                raise ParameterError("missing-parameter", message, parameter=name)
        return {name: self._typed(name, value) for name, value in given.items()}

    def _typed(self, name: str, value: object) -> object:
        try:
            return self.parameters[name].typed(value)
        except ValueError as error:
            message = f"`{name}` of behaviour `{self.name}` is {error}"
            raise ParameterError("wrong-parameter", message, parameter=name) from None


class ParameterError(HarnessError):
    """A parameter of a behaviour that cannot be; `parameter` is its name, for its place in a document."""

    def __init__(self, code: str, message: str, *, parameter: str, help: str | None = None) -> None:
        super().__init__(code, message, help=help)
        self.parameter = parameter


class Behaviours(Mapping[str, Behaviour]):
    """The behaviours of some folders by name; of equal names the first counts. A file is read when asked for."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """`folders` hold one behaviour a file."""
        self.paths = find_behaviours(folders)
        self.loaded: dict[str, Behaviour] = {}

    def __getitem__(self, name: str) -> Behaviour:
        """The behaviour of that name. Raises HarnessError, a KeyError to nobody, when there is none."""
        if name not in self.paths:
            hint = did_you_mean(name, self.paths) or f"there are {', '.join(self.paths) or 'none'}"
            raise HarnessError("unknown-behaviour", f"no behaviour is called `{name}`", help=hint)
        if name not in self.loaded:
            announce_foreign_python(self.paths[name].parent)
            self.loaded[name] = behaviour(self.paths[name])
        return self.loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.paths)

    def __len__(self) -> int:
        return len(self.paths)

    def __contains__(self, name: object) -> bool:
        return name in self.paths


class Announcements:
    """Folders with Python of strangers of which it has been said that it runs."""

    folders: ClassVar[set[Path]] = set()


def announce_foreign_python(folder: Path) -> None:
    """Says on stderr, once for each folder, that its Python runs, unless it comes with detlab."""
    if folder.resolve() != (BUNDLED / "generators").resolve() and folder not in Announcements.folders:
        Announcements.folders.add(folder)
        sys.stderr.write(f"note: Python of this pack runs: {folder}\n")


def load_behaviours(*folders: Path) -> Behaviours:
    """The behaviours of these folders; of equal names the first folder's counts."""
    return Behaviours(folders)


def behaviour(path: Path) -> Behaviour:
    """The behaviour in a file: its function of the file's own name."""
    function = getattr(load_module(path), path.stem, None)
    if not inspect.isfunction(function):
        message = f"{path} has no function `{path.stem}`"
        raise HarnessError("no-behaviour", message, help="a file of behaviour holds one function of the file's name")
    # As values: files with `from __future__ import annotations` have them as text.
    annotations = inspect.get_annotations(function, eval_str=True)
    # host, start and random come by position and are no parameters of a scenario.
    given = [p for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY]
    return Behaviour(
        name=path.stem,
        summary=(inspect.getdoc(function) or "").partition("\n")[0],
        path=path,
        function=function,
        parameters={
            p.name: BehaviourParameter(
                name=p.name,
                annotation=annotations.get(p.name, str),
                default=None if p.default is p.empty else p.default,
                required=p.default is p.empty,
            )
            for p in given
        },
    )


def load_module(path: Path) -> ModuleType:
    """The module in a file, under a name of its own. Raises HarnessError when it cannot be read."""
    # Two packs may have a file of one name; the digest of its path keeps their modules apart.
    name = f"behaviour_{path.stem}_{blake2b(str(path.resolve()).encode(), digest_size=4).hexdigest()}"
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise HarnessError("unreadable", f"{path} is not a Python file")
    module = module_from_spec(spec)
    with guard_foreign_code(str(path)):
        spec.loader.exec_module(module)
    return module


@contextmanager
def guard_foreign_code(name: str) -> Iterator[None]:
    """Turns whatever a pack's own code raises, an end of the program included, into a HarnessError with its place."""
    try:
        yield
    except (HarnessError, KeyboardInterrupt, GeneratorExit, MemoryError):
        raise
    except BaseException as error:
        frames = traceback.extract_tb(error.__traceback__)
        # A syntax error names its own place, and the last frame is Python's.
        place = "" if isinstance(error, SyntaxError) or not frames else f", line {frames[-1].lineno}"
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise HarnessError("broken-behaviour", f"{name}{place}: {said}") from error
