"""Serve Splunk's and LogScale's APIs on the embedded engine."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from harness.cli.options import PATH, Decorated, json_option, switch
from harness.cli.project_settings import default_of, read_project_content, settings_option
from harness.cli.screen import out
from harness.diagnostics import HarnessError
from harness.report.json_document import VERSION, dumps
from harness.scratch_folder import ScratchFolder
from harness.serve.options import DEFAULT_PORTS, LOOPBACK_NAMES, ServeOptions, read_token

PORT = click.IntRange(0, 65535)


class MissingExtraError(HarnessError):
    """What a server needs is not installed."""

    exit_code = 3


SERVER_OPTIONS = (
    click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Where to listen."),
    click.option("--splunk-port", type=PORT, default=DEFAULT_PORTS["splunk"], show_default=True, help="Splunk's API."),
    click.option("--hec-port", type=PORT, default=DEFAULT_PORTS["hec"], show_default=True, help="Its event collector."),
    click.option(
        "--logscale-port", type=PORT, default=DEFAULT_PORTS["logscale"], show_default=True, help="LogScale's API."
    ),
    click.option("--data", type=PATH, metavar="DIR", help="Where events are kept (default: a folder that is removed)."),
    click.option(
        "--events", multiple=True, type=PATH, metavar="PATH", help="Events that are there from the beginning."
    ),
    click.option("--macros", multiple=True, type=PATH, metavar="PATH", help="An app, or files of macros and lookups."),
    click.option(
        "--token-env", metavar="NAME", help="The environment variable that holds the token (default: a new token)."
    ),
    click.option("--user", default="admin", show_default=True, metavar="NAME", help="Whose password the token is."),
    click.option("--tls-cert", type=PATH, metavar="FILE", help="A certificate (default: one is made)."),
    click.option("--tls-key", type=PATH, metavar="FILE", help="The key of --tls-cert."),
    switch,
    settings_option,
    click.option("--plain", is_flag=True, help="HTTP without TLS; on this machine only."),
    json_option,
)


def add_server_options(command: Decorated) -> Decorated:
    """Adds the options that say where and how to serve."""
    for option in reversed(SERVER_OPTIONS):
        command = option(command)
    return command


@click.command("serve")
@add_server_options
def command(token_env: str | None, as_json: bool, data: Path | None, plain: bool, **given: Any) -> int:
    r"""Serves the APIs of Splunk and LogScale: clients send events, search, and keep what they have there.

    It listens on this machine alone unless --host says otherwise, and wants the token that it prints.

    \b
    detlab serve --data lab/
    detlab serve --token-env DETLAB_TOKEN --events capture.evtx --macros my_app/
    """
    check_exposure(given["host"], plain=plain)
    certificate = (given["tls_cert"], given["tls_key"])
    if (certificate[0] is None) != (certificate[1] is None):
        raise HarnessError("usage", "--tls-cert and --tls-key belong together", help="name both")
    switches = {**default_of("switches", {})(), **given["switch"]}
    import_module("harness.detection.language").check_switches(switches)
    scratch = ScratchFolder("detlab-serve-") if data is None else None
    chosen = ServeOptions(
        host=given["host"],
        ports={name: given[f"{name}_port"] for name in DEFAULT_PORTS},
        data=scratch.path if scratch else (data or Path()).resolve(),
        token=read_token(token_env),
        user=given["user"],
        tls=not plain,
        certificate=certificate if certificate[0] else None,
        events=given["events"],
        switches=switches,
        content=import_module("harness.detection.content").read_content(given["macros"]).over(read_project_content()),
        zone=default_of("zone", "UTC")(),
    )
    try:
        import_server().run_server(
            chosen, lambda ports, pem: tell_addresses(chosen, ports, pem, token_env, as_json=as_json)
        )
    finally:
        if scratch:
            scratch.remove()
    return 0


def check_exposure(host: str, *, plain: bool) -> None:
    """Says that others can reach the server. Raises HarnessError where they could read the token."""
    if host in LOOPBACK_NAMES:
        return
    if plain:
        raise HarnessError("exposed", f"--plain on {host} would send the token readable", help="leave out --plain")
    click.echo(f"note: {host} is no loopback address: other machines can reach this server", err=True)


def import_server() -> Any:
    """The module that serves. Raises HarnessError with exit code 3 where its libraries are missing."""
    try:
        return import_module("harness.serve.server")
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("starlette", "uvicorn", "cryptography"):
            raise
        message = f"serving needs {error.name}, which is not installed"
        raise MissingExtraError("missing-extra", message, help="pip install 'detlab[serve]'") from error


def tell_addresses(
    chosen: ServeOptions, ports: Mapping[str, int], certificate: Path | None, token_env: str | None, *, as_json: bool
) -> None:
    """Says where the server listens and what opens it."""
    scheme = "https" if chosen.tls else "http"
    host = f"[{chosen.host}]" if ":" in chosen.host else chosen.host
    addresses = {name: f"{scheme}://{host}:{port}" for name, port in ports.items()}
    if as_json:
        found = {"addresses": addresses, "user": chosen.user, "certificate": certificate and str(certificate)}
        told = found if token_env else {**found, "token": chosen.token}
        out(dumps({"document": "serve", "version": VERSION, **told}))
    else:
        lines = [f"{name:<9} {address}" for name, address in addresses.items()]
        lines.append(f"token     in ${token_env}" if token_env else f"token     {chosen.token}")
        lines.append(f"user      {chosen.user}, the token is the password")
        out("\n".join([*lines, *([f"trust     {certificate}"] if certificate else [])]))
    sys.stdout.flush()
