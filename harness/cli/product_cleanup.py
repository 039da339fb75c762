"""What runs left on real products, taken away: a crash, or a product that did not answer, may leave it there."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from harness.detection.product_journal import MadeThere, forget_made, list_made
from harness.detection.remote_engine import ProductChoice
from harness.diagnostics import HarnessError
from harness.record import record


@record(kw_only=True)
class ProductCleanUp:
    """One run's leavings on a product, and whether they are gone."""

    made: MadeThere
    done: bool
    why: str = ""

    def describe(self) -> str:
        """For people."""
        made = self.made
        state = "removed" if self.done else f"owed: {self.why}"
        return f"{made.name}  {made.engine} at {made.address}  {state}"

    def as_json(self) -> dict[str, object]:
        """For machines."""
        made = self.made
        return {
            "name": made.name,
            "engine": made.engine,
            "address": made.address,
            "done": self.done,
            "why": self.why,
        }


def clean_products(*, only_list: bool) -> Iterator[ProductCleanUp]:
    """Removes what is noted, or only lists it."""
    for made in list_made():
        try:
            if only_list:
                raise HarnessError("owed", "not tried yet")
            remove_made(made)
        except HarnessError as error:
            yield ProductCleanUp(made=made, done=False, why=error.message)
            continue
        yield ProductCleanUp(made=made, done=True)


def remove_made(made: MadeThere) -> None:
    """Removes one run's leavings. Raises HarnessError where they stay."""
    choice = ProductChoice(ca=Path(made.ca) if made.ca else None, repository=made.repository)
    store = import_module(f"harness.detection.engines.{made.engine}.store").open_product_store(choice)
    # A token is for one server, and the names are that one's.
    if store.address != made.address:
        message = f"the environment names {store.address}, and it was made at {made.address}"
        raise HarnessError("other-server", message)
    try:
        store.remove(f"{made.name}_")
    except HarnessError as error:
        if error.code != "stays-there":
            raise
    forget_made(made.name)
