"""Records: dataclasses that the type checker holds for frozen."""

import copy
import pickle
from dataclasses import field, fields, replace

from harness.record import record


@record
class Place:
    """A name and a number that does not tell places apart."""

    name: str
    number: int = field(default=0, compare=False)


@record(kw_only=True)
class Found(Place):
    """A place with what was found there."""

    things: tuple[str, ...] = ()


@record(eq=False)
class Alone:
    """Equal to nothing but itself."""


@record
class Nothing:
    """All alike."""


def test_records_are_equal_by_their_compared_fields_and_their_class():
    assert Place("a", 1) == Place("a", 2)
    assert Place("a") != Place("b")
    assert Place("a") != Found(name="a")
    assert len({Place("a", 1), Place("a", 2), Found(name="a")}) == 2
    assert Nothing() == Nothing()
    assert hash(Nothing()) == hash(Nothing())
    assert Alone() != Alone()


def test_records_are_read_replaced_matched_and_copied_as_dataclasses():
    found = Found(name="a", number=3, things=("x",))
    assert [f.name for f in fields(found)] == ["name", "number", "things"]
    assert replace(found, number=4).number == 4
    assert repr(found) == "Found(name='a', number=3, things=('x',))"
    match Place("b", 5):
        case Place(name, number):
            assert (name, number) == ("b", 5)
    assert copy.deepcopy(found).things == ("x",)
    assert pickle.loads(pickle.dumps(found)).things == ("x",)  # noqa: S301
