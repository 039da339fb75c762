"""Contract: a family of endpoints, a package beside this file whose module has an object of this shape as FAMILY."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from harness.serve.backend import Backend


class ApiFamily(Protocol):
    """The API of a product: its routes by the name of the port on which they answer.

    Names of ports are those of `options.DEFAULT_PORTS`. Two families on one port share it, the first by name first.
    """

    name: str
    ports: tuple[str, ...]

    def routes(self, backend: Backend) -> Mapping[str, Sequence[BaseRoute]]:
        """The routes of a starting server, which keep `backend` for what they do."""


def list_families() -> tuple[str, ...]:
    """All families there are; a family's name is its folder's."""
    return tuple(sorted(m.name for m in iter_modules([str(Path(__file__).parent)]) if m.ispkg))


def open_family(name: str) -> ApiFamily:
    """The family of that name."""
    found: ApiFamily = import_module(f"harness.serve.{name}").FAMILY
    return found
