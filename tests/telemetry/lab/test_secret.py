"""Secrets are shown to nobody."""

import json
import logging
import pickle
import traceback
from urllib.parse import quote
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

import msgspec
import pytest

from harness.diagnostics import HarnessError
from harness.telemetry.lab import secret as secrets
from harness.telemetry.lab.ordinary_word import describe_ordinary_word
from harness.telemetry.lab.secret import Secret, SecretSource, hide_secrets, redact_secrets, redacted_data


@pytest.fixture(autouse=True)
def nothing_opened(monkeypatch):
    monkeypatch.setattr(secrets, "OPENED", {})


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
        "https://lab:Tr0ub4dor%263%20%3Cx%3E%22%27@host/",
    ],
)
def test_it_is_taken_out_of_other_texts_in_every_spelling(text):
    Secret(PASSWORD)
    assert "Tr0ub4dor" not in redact_secrets(text)
    assert "<secret>" in redact_secrets(text)


@pytest.mark.parametrize("password", [PASSWORD, "detonator"])
def test_what_is_written_in_its_place_leaves_xml_well_formed(password):
    Secret(password)
    for text in (
        f"<a><w>{escape(password)}</w></a>",
        f"<a w={quoteattr(password)}/>",
        f"<a w='{escape(password)}'></a>",
    ):
        shown, hidden = hide_secrets(text)
        tree = ElementTree.fromstring(shown)
        found = [value for e in tree.iter() for value in (e.text, *e.attrib.values()) if value]
        assert (found, hidden) == (["<secret>"], 1)


def test_how_many_values_are_hidden_is_known():
    Secret(PASSWORD)
    assert hide_secrets(f"{PASSWORD} {quote(PASSWORD, safe='')} {PASSWORD[:-1]}") == (
        f"<secret> <secret> {PASSWORD[:-1]}",
        2,
    )


def test_a_secret_called_secret_is_hidden_once():
    Secret("secret")
    assert hide_secrets("the secret is secret") == ("the <secret> is <secret>", 2)


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("short-1", "it has fewer than 8 characters"),
        ("Detonator1", "it is a common word, with or without figures"),
        ("P@ssw0rd123", "it is a common word, with or without figures"),
        ("powershell.exe", "it stands in the text of T1-1"),
        ("qwertyuiop", "it is a common word, with or without figures"),
        ("purple-lab", "it is the lab's name or a part of it"),
        ("kangaroo", "it is one word of letters"),
        ("2026-11-22", "it is figures and signs only, as times, numbers and addresses are"),
        ("xK7-mv2_Qr9!", ""),
        ("S3cret-lab-pass\u00fc", ""),
        ("correct horse battery", ""),
    ],
)
def test_a_word_of_ordinary_telemetry_is_known_as_one(password, reason):
    names = {"the account's name": r"WIN10\lab", "the lab's name": "the-purple-lab"}
    texts = [("T1-1", "cmd /c PowerShell.EXE -NoProfile")]
    assert describe_ordinary_word(Secret(password), names, texts) == reason


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
