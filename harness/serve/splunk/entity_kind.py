"""A kind of entities that are stanzas of a configuration file: listed, made, changed, removed alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from typing import Any

from starlette.responses import Response

from harness.late_pattern import late_pattern
from harness.record import record
from harness.serve.splunk.atom import Entry, respond_entry
from harness.serve.splunk.call import RestCall
from harness.serve.splunk.conf import ANY, DEFAULT_APP, NOBODY, ConfStanza, list_stanzas, remove_stanza, write_stanza
from harness.serve.splunk.endpoints import Endpoints
from harness.serve.splunk.entity_page import respond_page
from harness.serve.splunk.faults import SplunkError

# What the answer is like, and whose the entity is: no settings of it.
OWN_ARGUMENTS = frozenset(
    {"name", "output_mode", "count", "offset", "sort_key", "sort_dir", "sort_mode", "f", "eai:acl"}
)
NO_NAME = late_pattern("[\x00-\x1f]")
FLAGS = ("disabled",)


@record(kw_only=True)
class EntityKind:
    """Where the entities are, which file has them, what each has by default and what a new one must have.

    `shown` gives what is said of an entity beside its settings; `check` raises SplunkError for settings that cannot be.
    `app` is where a new one goes when the namespace does not say; `spelling` is how paths have a name.
    """

    path: str
    file: str
    title: str
    defaults: Mapping[str, Any] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    app: str = DEFAULT_APP
    sharing: str = ""
    actions: tuple[str, ...] = ()
    shown: Callable[[RestCall, ConfStanza], Mapping[str, Any]] | None = None
    check: Callable[[RestCall, ConfStanza], None] | None = None
    rename: Callable[[RestCall, str], str] | None = None
    built_in: tuple[ConfStanza, ...] = ()
    spelling: str = "[^/]+"

    def entities(self, call: RestCall) -> dict[str, ConfStanza]:
        """The entities that are seen from the namespace of a call."""
        kept = list_stanzas(call.state.backend, self.file, call.app, call.owner)
        return {**{s.name: s for s in self.built_in}, **{s.name: s for s in kept}}

    def find(self, call: RestCall) -> ConfStanza:
        """The entity in the path. Raises SplunkError."""
        name = call.groups["name"]
        known = self.entities(call)
        # As it was given when it was made.
        name = name if name in known or not self.rename else self.rename(call, name)
        if name in known:
            return known[name]
        raise SplunkError(404, f"\n In handler '{self.file}': Could not find object id={name[:100]}")

    def entry(self, call: RestCall, stanza: ConfStanza) -> Entry:
        """An entity as it is shown."""
        more = self.shown(call, stanza) if self.shown else {}
        content = {"disabled": False, **self.defaults, **stanza.settings, **more}
        content |= {name: read_flag(content[name]) for name in FLAGS if name in content}
        return Entry(
            name=stanza.name,
            path=self.path,
            content={**content, "eai:appName": stanza.app, "eai:userName": stanza.owner},
            app=stanza.app,
            owner=stanza.owner,
            sharing=stanza.sharing,
            published=stanza.updated,
            actions=("_reload", *self.actions),
            fields={"required": self.required, "optional": tuple(self.defaults), "wildcard": (".*",)},
        )

    def respond(self, call: RestCall, stanza: ConfStanza, status: int = 200) -> Response:
        """One entity as the answer."""
        return respond_entry(call.mode, self.entry(call, stanza), self.title, status)

    def respond_all(self, call: RestCall) -> Response:
        """All entities as the answer."""
        return respond_page(call, self.title, self.path, [self.entry(call, s) for s in self.entities(call).values()])

    def create(self, call: RestCall) -> Response:
        """Makes an entity. Raises SplunkError."""
        name = call.one("name") or call.one("__stanza")
        name = self.rename(call, name) if self.rename and name else name
        missing = [n for n in self.required if not call.one(n)] + ([] if name else ["name"])
        if missing:
            raise SplunkError(400, f"The following required arguments are missing: {', '.join(missing)}.")
        if NO_NAME.search(name) or len(name) > 100:
            raise SplunkError(400, f"Invalid name: {NO_NAME.sub('?', name)[:100]}")
        if name in self.entities(call):
            raise SplunkError(409, f"Unable to create {self.title}: '{name[:100]}' already exists.")
        stanza = ConfStanza(
            name=name,
            app=call.app if call.app not in (ANY, "system") or self.sharing == "system" else self.app,
            owner=call.user if call.owner in (ANY, NOBODY) else call.owner,
            sharing=self.sharing or ("user" if call.owner not in (ANY, NOBODY) else "app"),
            settings=read_given_settings(call),
        )
        return self.respond(call, self.keep(call, stanza), 201)

    def keep(self, call: RestCall, stanza: ConfStanza) -> ConfStanza:
        """Keeps an entity. Raises SplunkError for what it cannot be."""
        if self.check:
            self.check(call, stanza)
        try:
            return write_stanza(call.state.backend, self.file, stanza)
        except ValueError as error:
            raise SplunkError(400, str(error)) from None

    def change(self, call: RestCall) -> Response:
        """Changes settings of an entity. Raises SplunkError."""
        found = self.find(call)
        settings = {**found.settings, **read_given_settings(call)}
        return self.respond(call, self.keep(call, replace(found, settings=settings)))

    def remove(self, call: RestCall) -> Response:
        """Removes an entity. Raises SplunkError."""
        found = self.find(call)
        if found in self.built_in:
            raise SplunkError(400, f"Cannot remove {found.name}: it is part of the product.")
        remove_stanza(call.state.backend, self.file, found)
        return self.respond_all(call)

    def act(self, call: RestCall) -> Response:
        """What every entity can do: be switched on or off, be another's, be read again. Raises SplunkError."""
        found = self.find(call)
        action = call.groups["action"]
        if action in ("enable", "disable"):
            settings = {**found.settings, "disabled": "0" if action == "enable" else "1"}
            return self.respond(call, self.keep(call, replace(found, settings=settings)))
        if action == "acl" and call.method == "POST":
            sharing = call.one("sharing", found.sharing)
            if sharing not in ("user", "app", "global", "system"):
                raise SplunkError(400, f"Invalid value '{sharing[:40]}' for sharing.")
            remove_stanza(call.state.backend, self.file, found)
            return self.respond(
                call, self.keep(call, replace(found, sharing=sharing, owner=call.one("owner", found.owner)))
            )
        if action == "move" and call.method == "POST":
            remove_stanza(call.state.backend, self.file, found)
            return self.respond(call, self.keep(call, replace(found, app=call.one("app", found.app))))
        return self.respond(call, found)


def read_given_settings(call: RestCall) -> dict[str, str]:
    """The settings that a call gives."""
    return {name: values[-1] for name, values in call.parameters.items() if name not in OWN_ARGUMENTS}


def read_flag(value: object) -> bool:
    """A setting that says yes or no."""
    return str(value).lower() in ("1", "true", "yes", "t")


def register_kind(endpoints: Endpoints, kind: EntityKind) -> None:
    """Registers the endpoints of a kind."""

    async def answer_all(call: RestCall) -> Response:
        return kind.create(call) if call.method == "POST" else kind.respond_all(call)

    async def answer_one(call: RestCall) -> Response:
        answers = {"POST": kind.change, "DELETE": kind.remove}
        return answers[call.method](call) if call.method in answers else kind.respond(call, kind.find(call))

    async def answer_action(call: RestCall) -> Response:
        return kind.act(call)

    async def answer_template(call: RestCall) -> Response:
        stanza = ConfStanza(name="_new")
        return kind.respond(call, stanza)

    async def answer_reload(call: RestCall) -> Response:
        return kind.respond_all(call)

    path = re.escape(kind.path)
    endpoints.answer(path, "GET", "POST")(answer_all)
    endpoints.answer(f"{path}/_new", "GET")(answer_template)
    endpoints.answer(f"{path}/_reload", "GET", "POST")(answer_reload)
    endpoints.answer(f"{path}/(?P<name>{kind.spelling})", "GET", "POST", "DELETE")(answer_one)
    named = f"{path}/(?P<name>{kind.spelling})"
    endpoints.answer(f"{named}/(?P<action>enable|disable|acl|move|_reload)", "GET", "POST")(answer_action)
