"""The lab's inventory: what it may say, and what is refused with its line."""

from pathlib import Path

import pytest

from harness.diagnostics import HarnessError, Source
from harness.telemetry.lab.inventory import CHANNELS, parse_inventory, read_inventory

ROOT = Path(__file__).parents[3]


def inventory(text):
    return parse_inventory(Source("hosts.yaml", text), Path("lab"))


def refusal(text):
    with pytest.raises(HarnessError) as caught:
        inventory(text)
    return caught.value.render()


SMALL = """\
lab: purple
hosts:
  win10:
    address: 192.0.2.10
    user: lab
    password: {env: LAB_PASSWORD}
"""


def test_ten_lines_are_enough_and_the_defaults_are_safe():
    host = inventory(SMALL).host("win10")
    assert host.endpoint == "https://192.0.2.10:5986/wsman"
    assert (host.entry.authentication, host.entry.wire) == ("ntlm", "winrm")
    assert host.entry.events.channels == CHANNELS


def test_the_example_that_comes_with_the_lab_is_an_inventory():
    example = read_inventory(ROOT / "lab" / "hosts.example.yaml")
    assert sorted(example.hosts) == ["collected", "win10", "win11"]


def test_only_hosts_of_the_inventory_are_touched():
    with pytest.raises(HarnessError) as caught:
        inventory(SMALL).host("win1O")
    assert (
        caught.value.render()
        == "error[not-in-inventory]: the inventory has no host `win1O`\n  = help: did you mean `win10`?"
    )


def test_a_password_in_the_file_is_refused_without_showing_it():
    text = refusal(SMALL.replace("{env: LAB_PASSWORD}", "hunter2"))
    assert "hunter2" not in text
    assert text.startswith(
        "error[plain-password]: a password does not stand in the inventory, only where it is kept\n --> hosts.yaml:6:5"
    )


@pytest.mark.parametrize(
    ("added", "message"),
    [
        ("    authentication: basic\n    scheme: http\n", "basic over http shows everything to everybody"),
        ("    authentication: certificate\n", "a certificate needs `certificate:` and `key:`"),
        ("    scheme: ftp\n", "`scheme` cannot be `ftp`"),
        ("    port: 99999\n", "99999 is no port"),
        ("    answer_timeout: 0\n", "`answer_timeout` is a number of seconds up to 600"),
        ("    reconnect: .inf\n", "`reconnect` is a number of seconds up to 600"),
        ("    pasword: {env: X}\n", "did you mean `password`?"),
        ("    verify: false\n", "`verify` has no meaning here"),
        ("    wire: ssh\n", "one of winrm, psrp"),
    ],
)
def test_what_is_unsafe_or_unknown_is_refused(added, message):
    assert message in refusal(SMALL + added)


def test_no_inventory_says_where_one_comes_from(tmp_path):
    with pytest.raises(HarnessError, match=r"copy lab/hosts\.example\.yaml"):
        read_inventory(tmp_path / "hosts.yaml")


@pytest.mark.parametrize("address", [".internal", "a..b", "a b", "a/b", "*", "x" * 64, "192.0.2.10:5986", "u@host"])
def test_an_address_that_is_none_is_refused_at_its_line(address):
    shown = refusal(SMALL.replace("192.0.2.10", f'"{address}"'))
    assert shown.startswith(f"error[unsafe-host]: `{address}` is no name and no address of a host\n --> hosts.yaml:4:")


@pytest.mark.parametrize("address", ["win10", "WIN_10.lab.local", "2001:db8::5", "fe80::1%eth0", "192.0.2.10"])
def test_names_and_addresses_of_both_kinds_are_taken(address):
    found = inventory(SMALL.replace("192.0.2.10", f'"{address}"'))
    assert found.host("win10").entry.address == address
