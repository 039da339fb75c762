"""A short run of chaos: each fault once, at some exchange of a detonation or its clean-up. `make chaos` runs many."""

import pytest

pytest.importorskip("psrpcore", reason="the server side of PSRP is not installed")

from tests.winrm import chaos

WATCHED = []


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    if not WATCHED:
        chaos.watch_connections()
        WATCHED.append(True)
    return chaos.prepare(tmp_path_factory.mktemp("chaos-ca"))


@pytest.mark.parametrize("number", range(len(chaos.KINDS)), ids=lambda n: f"{n}-{chaos.KINDS[n]}")
def test_whatever_a_host_does_nothing_is_owed_that_is_not_listed(number, certificates, tmp_path, monkeypatch):
    monkeypatch.setenv("DETLAB_STATE", "")
    monkeypatch.setenv("LAB_TEST_PASSWORD", "")
    chaos.run_schedule(tmp_path, certificates, chaos.schedule(number))


def test_a_schedule_is_the_same_for_ever():
    assert chaos.schedule(317) == chaos.schedule(317)
    assert {chaos.schedule(n).faults[0].kind for n in range(len(chaos.KINDS))} == set(chaos.KINDS)
