"""Rules on somebody's product: what cannot be reached is told, and no verdict is made of it."""

import socket

import pytest

from tests.cli.command_line import detlab

pytest.importorskip("splunklib")

TOKEN = "t0ken-that-must-not-be-shown"


@pytest.fixture
def nobody(monkeypatch, tmp_path):
    """Addresses at which nobody answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    for name in ("SPLUNK_URL", "LOGSCALE_URL", "SPLUNK_HEC_URL"):
        monkeypatch.setenv(name, address)
    for name in ("SPLUNK_TOKEN", "LOGSCALE_TOKEN", "SPLUNK_HEC_TOKEN"):
        monkeypatch.setenv(name, TOKEN)
    monkeypatch.setenv("LOGSCALE_REPOSITORY", "trials")
    monkeypatch.setenv("DETLAB_STATE", str(tmp_path / "state"))
    return address


@pytest.mark.parametrize("engine", ["splunk", "logscale"])
def test_a_product_that_does_not_answer_is_exit_code_3(repository, nobody, engine):
    for ran in (
        detlab("run", "scenarios/public.yaml", "--engine", "duckdb", "--engine", engine),
        detlab("query", "mini.spl", "--events", "scenarios", "--engine", engine),
    ):
        assert (ran.code, ran.out) == (3, "")
        assert ran.err.startswith("error[unreachable]: ")
        assert TOKEN not in ran.err


def test_a_product_that_nobody_names_is_said_with_the_variable_to_set(repository, monkeypatch):
    monkeypatch.delenv("SPLUNK_URL", raising=False)
    ran = detlab("run", "--engine", "splunk")
    assert ran.code == 2
    assert ran.err == "error[no-connection]: the environment variable SPLUNK_URL is not set\n" + (
        "  = help: export SPLUNK_URL=...\n"
    )


def test_a_token_is_not_sent_over_a_network_without_tls(repository, nobody, monkeypatch):
    monkeypatch.setenv("SPLUNK_URL", "http://search-head.example:8089")
    ran = detlab("run", "--engine", "splunk")
    assert (ran.code, ran.err.splitlines()[0]) == (2, "error[not-safe]: SPLUNK_URL is no https address")


def test_a_file_that_holds_no_certificates_is_told_before_anything_is_judged(repository, nobody, monkeypatch):
    monkeypatch.setenv("SPLUNK_URL", nobody.replace("http", "https"))
    ran = detlab("run", "--engine", "duckdb", "--engine", "splunk", "--ca", "mini.spl")
    assert (ran.code, ran.err) == (2, "error[no-certificates]: mini.spl is no file of PEM certificates\n")


def test_one_engine_at_a_time_but_where_engines_are_compared(repository):
    ran = detlab("explain", "scenarios/public.yaml", "--engine", "duckdb", "--engine", "spark")
    assert (ran.code, ran.err.splitlines()[0]) == (2, "error[usage]: one engine at a time")
