"""Labs made of a WS-Management server, a machine behind it and an inventory that names them."""

import pytest

pytest.importorskip("winrm", reason="the transports are not installed")

from harness.diagnostics import Source
from harness.telemetry.lab.inventory import parse_inventory
from tests.winrm.certificates import make
from tests.winrm.windows_machine import Machine
from tests.winrm.wsman_server import PASSWORD, WSManServer


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ca")
    issuer = make(folder, "authority")
    make(folder, "good", issuer=issuer)
    make(folder, "expired", issuer=issuer, days=-2)
    make(folder, "foreign", issuer=issuer, host="192.0.2.10")
    return folder


class Lab:
    """A host, the server in front of it, and the inventory."""

    def __init__(self, folder, authority, server, machine, wire, authentication):
        self.folder, self.server, self.machine = folder, server, machine
        text = f"""\
lab: purple
hosts:
  win10:
    address: 127.0.0.1
    port: {server.port}
    user: lab
    password: {{env: LAB_TEST_PASSWORD}}
    ca: {authority / "authority.crt"}
    scheme: {"https" if server.https else "http"}
    wire: {wire}
    authentication: {authentication}
    connect_timeout: 2
"""
        self.text = text
        self.inventory = parse_inventory(Source("hosts.yaml", text), folder)
        self.host = self.inventory.host("win10")


@pytest.fixture
def lab(tmp_path, authority, monkeypatch):
    """Makes labs: `lab(wire="psrp", auth="ntlm", certificate="expired", machine=..., schedule=...)`.

    Without a certificate the host speaks plain HTTP, whose messages NTLM encrypts.
    """
    monkeypatch.setenv("LAB_TEST_PASSWORD", PASSWORD)
    monkeypatch.setenv("DETLAB_STATE", str(tmp_path / "state"))
    opened = []

    def build(*, wire="winrm", auth="basic", certificate="good", machine=None, **extra):
        machine = machine or Machine()
        schemes = ("Basic",) if auth == "basic" else ("Negotiate", "NTLM")
        server = WSManServer(
            machine,
            users={"lab": PASSWORD},
            auth=schemes,
            certificate=authority / f"{certificate}.pem" if certificate else None,
            **extra,
        )
        opened.append(server.__enter__())
        return Lab(tmp_path, authority, server, machine, wire, auth)

    yield build
    for server in opened:
        server.__exit__()
