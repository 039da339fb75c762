"""Secrets are shown to nobody."""

import json
import logging
import pickle
import traceback

import msgspec
import pytest

from harness.diagnostics import HarnessError
from harness.telemetry.lab.secret import Secret, SecretSource, redact_secrets, redacted_data

PASSWORD = "Tr0ub4dor&3 <x>\"'"


def test_no_way_of_printing_shows_it(caplog):
    secret = Secret(PASSWORD)
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret:>40}{secret!r}",
        repr([secret]),
        repr({"a": secret}),
    ]
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("lab").debug("password %s", secret)
    shown.append(caplog.text)
    try:
        raise ValueError(secret)
    except ValueError:
        shown.append(traceback.format_exc())
    assert [s for s in shown if PASSWORD in s] == []
    assert secret.reveal() == PASSWORD


@pytest.mark.parametrize("store", [pickle.dumps, json.dumps, msgspec.json.encode])
def test_it_cannot_be_stored(store):
    with pytest.raises(TypeError):
        store(Secret(PASSWORD))


@pytest.mark.parametrize(
    "text",
    [
        f"login failed for lab with {PASSWORD}",
        json.dumps({"password": PASSWORD}),
        "<w:Password>Tr0ub4dor&amp;3 &lt;x&gt;\"'</w:Password>",
        "https://lab:Tr0ub4dor%263%20%3Cx%3E%22%27@host/",
    ],
)
def test_it_is_taken_out_of_other_texts_in_every_spelling(text):
    Secret(PASSWORD)
    assert "Tr0ub4dor" not in redact_secrets(text)
    assert "<secret>" in redact_secrets(text)


def test_it_is_taken_out_of_data():
    Secret(PASSWORD)
    assert redacted_data({"a": [PASSWORD, 1, {"b": "x" + PASSWORD}]}) == {"a": ["<secret>", 1, {"b": "x<secret>"}]}


def test_it_comes_from_an_environment_variable(monkeypatch):
    monkeypatch.setenv("LAB_PASSWORD", "correct horse")
    assert SecretSource(env="LAB_PASSWORD").open("lab").reveal() == "correct horse"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (SecretSource(env="LAB_NOT_SET"), "the environment variable LAB_NOT_SET is not set"),
        (SecretSource(), "a secret is either in an environment variable or in a keyring"),
        (SecretSource(env="A", keyring="B"), "a secret is either in an environment variable or in a keyring"),
    ],
)
def test_a_secret_that_is_nowhere_is_an_error(source, message):
    with pytest.raises(HarnessError, match=message):
        source.open("lab")


def test_it_comes_from_the_keyring(monkeypatch):
    keyring = pytest.importorskip("keyring")
    backend = pytest.importorskip("keyring.backend")

    class Chest(backend.KeyringBackend):
        priority = 1

        def get_password(self, service, username):
            return {("detlab", "lab"): "battery staple"}.get((service, username))

        def set_password(self, service, username, password):
            raise NotImplementedError

        def delete_password(self, service, username):
            raise NotImplementedError

    before = keyring.get_keyring()
    keyring.set_keyring(Chest())
    try:
        assert SecretSource(keyring="detlab").open("lab").reveal() == "battery staple"
        with pytest.raises(HarnessError, match="the keyring has no entry detlab for somebody"):
            SecretSource(keyring="detlab").open("somebody")
    finally:
        keyring.set_keyring(before)
