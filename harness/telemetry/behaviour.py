"""Behaviours of a content pack: one function a file, found by name, with parameters that know their types."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from harness.diagnostics import HarnessError, did_you_mean
from harness.telemetry.activity import Activity
from harness.telemetry.parameter import BehaviourParameter


@dataclass(frozen=True, slots=True, kw_only=True)
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
        self.paths: dict[str, Path] = {}
        for folder in folders:
            for path in sorted(folder.glob("*.py")):
                if not path.stem.startswith("_"):
                    # A scenario's own folder comes before the bundled one, so
                    # it can put its behaviour in place of ours.
                    self.paths.setdefault(path.stem, path)
        self.loaded: dict[str, Behaviour] = {}

    def __getitem__(self, name: str) -> Behaviour:
        """The behaviour of that name. Raises HarnessError, a KeyError to nobody, when there is none."""
        if name not in self.paths:
            hint = did_you_mean(name, self.paths) or f"there are {', '.join(self.paths) or 'none'}"
            raise HarnessError("unknown-behaviour", f"no behaviour is called `{name}`", help=hint)
        if name not in self.loaded:
            self.loaded[name] = behaviour(self.paths[name])
        return self.loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.paths)

    def __len__(self) -> int:
        return len(self.paths)

    def __contains__(self, name: object) -> bool:
        return name in self.paths


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
    try:
        spec.loader.exec_module(module)
    # Faults of the file as such; an error of its own code should show its traceback.
    except (SyntaxError, ImportError, NameError, OSError) as error:
        raise HarnessError("broken-behaviour", f"{path}: {error}") from error
    return module
