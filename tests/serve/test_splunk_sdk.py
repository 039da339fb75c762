"""splunk-sdk, the official client, against a server: each call of its classes that applies."""

import json
import time

import pytest

client = pytest.importorskip("splunklib.client")
results = pytest.importorskip("splunklib.results")
binding = pytest.importorskip("splunklib.binding")

from tests.serve.server_process import TOKEN  # noqa: E402

pytestmark = [pytest.mark.more, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture(scope="module")
def service(server):
    found = client.connect(
        host="127.0.0.1", port=server.port("splunk"), username="admin", password=TOKEN, owner="nobody", app="search"
    )
    index = found.indexes.create("sdk")
    for n in range(3):
        index.submit(f"user=u{n} n={n}", sourcetype="st", source="so", host="h1")
    return found


SORTED = "search index=sdk | sort n | table n"
WITH_MACRO = "search index=sdk | search `few(2)` | stats count"


def read_json(stream):
    return [row for row in results.JSONResultsReader(stream) if isinstance(row, dict)]


def done(job):
    while not job.is_done():
        time.sleep(0.05)
    return job


def job_of(service, text="search index=sdk | stats count by host"):
    return done(service.jobs.create(text))


def with_new(collection, *arguments, then=lambda entity: entity.name, **given):
    """Makes an entity, looks at it, removes it."""
    made = collection.create(*arguments, **given)
    try:
        return then(made)
    finally:
        collection.delete(made.name)


def fails(call):
    """The status with which a call is refused."""
    with pytest.raises(binding.HTTPError) as refused:
        call()
    return refused.value.status


def write_stream(service):
    index = service.indexes.create("sdk_stream")
    with index.attached_socket(sourcetype="st", host="h2") as stream:
        stream.send(b"one line k=1\r\n")
    return wait_for_line(service, "sdk_stream")


def write_and_leave(service):
    """Writes and closes at once, without a word to TLS and nothing read."""
    stream = service.indexes.create("sdk_attach").attach(sourcetype="st", host="h3")
    stream.send(b"one line k=1\r\n")
    stream.close()
    return wait_for_line(service, "sdk_attach")


def touch_later(service):
    """Whether a job's own time is later once it was touched."""
    job = job_of(service)
    before = job.refresh().state.updated
    time.sleep(1.1)
    return before < job.touch().refresh().state.updated


def wait_for_line(service, index):
    until = time.monotonic() + 20
    while time.monotonic() < until and not (
        found := read_json(service.jobs.oneshot(f"search index={index} | table host k", output_mode="json"))
    ):
        time.sleep(0.1)
    return found


def clean_index(service):
    index = service.indexes.create("sdk_clean")
    index.submit("one")
    before = index.refresh()["totalEventCount"]
    return before, index.clean(timeout=30).refresh()["totalEventCount"]


def log_in_again(service, **given):
    other = client.connect(host="127.0.0.1", port=service.port, **given)
    return other.info["version"]


def switch_off_and_on(index):
    return index.disable().refresh()["disabled"], index.enable().refresh()["disabled"]


def submit_setting(stanza):
    return stanza.submit({"TRUNCATE": "5"}).refresh()["TRUNCATE"], len(stanza)


def grant_and_revoke(role):
    granted = role.grant("search").refresh()["capabilities"]
    return granted, role.revoke("search").refresh()["capabilities"]


def keep_password(service):
    kept = service.storage_passwords.create("secret", "user", "realm").clear_password
    return kept, len(service.storage_passwords.delete("user", "realm").list())


def use_input(service):
    token = service.inputs.create("an_input", "http").refresh()["token"]
    changed = service.inputs["http://an_input", "http"].update(sourcetype="q").refresh()["sourcetype"]
    service.inputs.delete("http://an_input", "http")
    return len(token), changed, ("http://an_input", "http") in service.inputs


def describe(saved):
    return saved.update(description="told").refresh()["description"]


def key_value_store(service):
    service.kvstore.create("kv", fields={"a": "number"})
    data = service.kvstore["kv"].data
    key = data.insert({"a": 1, "b": "x"})["_key"]
    data.batch_save({"a": 2}, {"a": 3})
    above = [each["a"] for each in data.query(query={"a": {"$gt": 1}}, sort="a:-1")]
    data.update(key, {"a": 9})
    found = [each["a"] for each in data.batch_find({"query": {"a": 9}})[0]]
    data.delete_by_id(key)
    data.delete(json.dumps({"a": 2}))
    left = [each["a"] for each in data.query()]
    service.kvstore.delete("kv")
    return above, found, left


def saved_search_life(service):
    saved = service.saved_searches.create("life", "search index=sdk | stats count")
    job = done(saved.dispatch())
    return read_json(job.results(output_mode="json")), [each.sid for each in saved.history()] == [job.sid]


def suppress(service):
    saved = service.saved_searches.create("quiet", "search index=sdk")
    saved.suppress(100)
    held = saved.suppressed
    saved.unsuppress()
    return 90 < held <= 100, saved.suppressed, saved.acknowledge().name


def schedule(service):
    saved = service.saved_searches.create("timed", "search index=sdk", is_scheduled=True, cron_schedule="*/5 * * * *")
    return len(saved.scheduled_times(latest_time="+1h")) in (12, 13), len(saved.fired_alerts), saved.alert_count


# fmt: off
REACHED = {
    "binding.Context.login with a token": (lambda s: log_in_again(s, splunkToken=TOKEN), "10.4.0"),
    "binding.Context.login with a session": (lambda s: log_in_again(s, token=s.token), "10.4.0"),
    "binding.Context.get": (lambda s: s.get("server/info").status, 200),
    "binding.Context.get of nothing": (lambda s: fails(lambda: s.get("no/such/endpoint")), 404),
    "binding.Context.request": (lambda s: s.request("data/indexes", method="GET").status, 200),
    "Service.info": (lambda s: (s.info["version"], s.info["product_type"]), ("10.4.0", "enterprise")),
    "Service.settings": (lambda s: s.settings["serverName"], "detlab"),
    "Settings.update": (lambda s: s.settings.update(sessionTimeout="2h").refresh()["sessionTimeout"], "2h"),
    "Service.capabilities": (lambda s: "search" in s.capabilities, True),
    "Service.restart": (lambda s: s.restart(timeout=20).status, 200),
    "Service.restart_required": (lambda s: s.restart_required, False),
    "Service.parse": (lambda s: s.parse("search index=sdk | stats count").status, 200),
    "Service.parse of no search": (lambda s: fails(lambda: s.parse("xyzzy")), 400),
    "Service.search": (lambda s: done(s.search("search index=sdk | stats count"))["resultCount"], "1"),
    "Service.loggers": (lambda s: [each.name for each in s.loggers], ["detlab"]),
    "Service.modular_input_kinds": (lambda s: list(s.modular_input_kinds), []),
    "Messages.create": (lambda s: with_new(s.messages, "note", value="hi", then=lambda m: m.value), "hi"),
    "Applications.create": (lambda s: with_new(s.apps, "my_app", label="Mine", then=lambda a: a["label"]), "Mine"),
    "Application.updateInfo": (lambda s: s.apps["search"].updateInfo() is not None, True),
    "Entity.access": (lambda s: s.apps["search"].access["app"], "search"),
    "Indexes.get_default": (lambda s: s.indexes.get_default(), "main"),
    "Indexes.create twice": (lambda s: fails(lambda: s.indexes.create("sdk")), 409),
    "Indexes.delete": (
        lambda s: (s.indexes.create("gone").name, s.indexes.delete("gone"), "gone" in s.indexes)[2],
        False,
    ),
    "Index.submit": (lambda s: s.indexes["sdk"].refresh()["totalEventCount"], "3"),
    "Index.attached_socket": (write_stream, [{"host": "h2", "k": "1"}]),
    "Index.attach": (write_and_leave, [{"host": "h3", "k": "1"}]),
    "Index.clean": (clean_index, ("1", "0")),
    "Index.disable": (
        lambda s: with_new(s.indexes, "off", then=switch_off_and_on),
        ("1", "0"),
    ),
    "Index.update": (lambda s: s.indexes["sdk"].update(maxHotBuckets=5).refresh()["maxHotBuckets"], "5"),
    "Jobs.oneshot json": (
        lambda s: read_json(s.jobs.oneshot("search index=sdk | stats max(n) as n", output_mode="json")),
        [{"n": "2"}],
    ),
    "Jobs.oneshot xml": (
        lambda s: [dict(row) for row in results.ResultsReader(s.jobs.oneshot("search index=sdk | stats count"))],
        [{"count": "3"}],
    ),
    "Jobs.oneshot csv": (
        lambda s: s.jobs.oneshot("search index=sdk | stats count", output_mode="csv").read(),
        b"count\n3\n",
    ),
    "Jobs.oneshot json_rows": (
        lambda s: json.loads(s.jobs.oneshot("search index=sdk | stats count", output_mode="json_rows").read())["rows"],
        [["3"]],
    ),
    "Jobs.oneshot json_cols": (
        lambda s: json.loads(s.jobs.oneshot(SORTED, output_mode="json_cols").read())["columns"],
        [["0", "1", "2"]],
    ),
    "Jobs.oneshot of no command": (lambda s: fails(lambda: s.jobs.oneshot("search index=sdk | nothing")), 400),
    "Jobs.export json": (lambda s: len(read_json(s.jobs.export("search index=sdk", output_mode="json"))), 3),
    "Jobs.export xml": (lambda s: len(list(results.ResultsReader(s.jobs.export("search index=sdk")))), 3),
    "Jobs.export of no search": (lambda s: fails(lambda: s.jobs.export("asdaf;lkj2r23=")), 400),
    "Jobs.create blocking": (lambda s: s.jobs.create("search index=sdk", exec_mode="blocking")["isDone"], "1"),
    "Jobs.list": (lambda s: job_of(s).sid in [job.sid for job in s.jobs.list()], True),
    "Jobs.__contains__": (lambda s: job_of(s).sid in s.jobs, True),
    "Job.results": (lambda s: read_json(job_of(s).results(output_mode="json")), [{"host": "h1", "count": "3"}]),
    "Job.results by pages": (
        lambda s: read_json(job_of(s, SORTED).results(output_mode="json", count=1, offset=1)),
        [{"n": "1"}],
    ),
    "Job.results after more commands": (
        lambda s: read_json(job_of(s).results(output_mode="json", search="| eval twice=count*2 | table twice")),
        [{"twice": "6"}],
    ),
    "Job.preview": (lambda s: len(read_json(job_of(s).preview(output_mode="json"))), 1),
    "Job.events": (lambda s: len(read_json(job_of(s, "search index=sdk").events(output_mode="json"))), 3),
    "Job.summary": (lambda s: b"distinct_count" in job_of(s).summary(output_mode="json").read(), True),
    "Job.timeline": (lambda s: b'c="3"' in job_of(s, "search index=sdk").timeline().read(), True),
    "Job.searchlog": (lambda s: isinstance(job_of(s).searchlog().read(), bytes), True),
    "Job.set_ttl": (lambda s: job_of(s).set_ttl(1000).refresh()["ttl"], "1000"),
    "Job.set_priority": (lambda s: job_of(s).set_priority(7).refresh()["priority"], "7"),
    "Job.touch": (lambda s: int(job_of(s).touch().refresh()["ttl"]) > 590, True),
    "Job.touch, its time": (touch_later, True),
    "Job.pause": (lambda s: job_of(s).pause().refresh()["isPaused"], "1"),
    "Job.pause and unpause": (lambda s: job_of(s).pause().unpause().refresh()["isPaused"], "0"),
    "Job.finalize": (lambda s: job_of(s).finalize().refresh()["isFinalized"], "1"),
    "Job.disable_preview": (lambda s: job_of(s).disable_preview().refresh()["isPreviewEnabled"], "0"),
    "Job.enable_preview": (lambda s: job_of(s).enable_preview().refresh()["isPreviewEnabled"], "1"),
    "Job.cancel": (lambda s: job_of(s).cancel().sid in s.jobs, False),
    "Job of a search that is refused": (
        lambda s: (lambda job: (job["dispatchState"], "nothing" in job["messages"]["fatal"][0]))(
            job_of(s, "search index=sdk | nothing")
        ),
        ("FAILED", True),
    ),
    "SavedSearch.dispatch and history": (saved_search_life, ([{"count": "3"}], True)),
    "SavedSearch.update": (
        lambda s: with_new(s.saved_searches, "upd", "search *", then=describe),
        "told",
    ),
    "SavedSearch.suppress": (suppress, (True, 0, "quiet")),
    "SavedSearch.scheduled_times": (schedule, (True, 0, 0)),
    "SavedSearches.create without schedule": (
        lambda s: fails(lambda: s.saved_searches.create("bad", "search *", cron_schedule="nonsense")),
        400,
    ),
    "Macros.create": (
        lambda s: with_new(s.macros, "m(1)", "n=$x$", args="x", then=lambda m: (m.definition, m.args, m.iseval)),
        ("n=$x$", "x", "0"),
    ),
    "Macros in a search": (
        lambda s: with_new(
            s.macros, "few(1)", "n<$x$", args="x",
            then=lambda _: read_json(s.jobs.oneshot(WITH_MACRO, output_mode="json")),
        ),
        [{"count": "2"}],
    ),
    "Configurations.create": (lambda s: s.confs.create("my_file").name, "my_file"),
    "Stanza.submit": (
        lambda s: with_new(s.confs["props"], "my_stanza", then=submit_setting),
        ("5", 1),
    ),
    "Configurations.__getitem__ of none": (lambda s: "no_such_file" in s.confs, False),
    "EventTypes.create": (
        lambda s: with_new(s.event_types, "et", search="index=sdk", then=lambda e: e["search"]),
        "index=sdk",
    ),
    "Users.create": (
        lambda s: with_new(s.users, "bob", "a pass", ["user"], then=lambda u: [r.name for r in u.role_entities]),
        ["user"],
    ),
    "Roles.grant and revoke": (
        lambda s: with_new(s.roles, "analyst", then=grant_and_revoke),
        (["search"], []),
    ),
    "StoragePasswords.create and delete": (keep_password, ("secret", 0)),
    "Inputs.create, Input.update, Inputs.delete": (use_input, (36, "q", False)),
    "Inputs.kinds": (lambda s: s.inputs.kinds, ["http"]),
    "KVStoreCollectionData": (key_value_store, ([3, 2], [9], [3])),
    "FiredAlerts": (lambda s: [group.name for group in s.fired_alerts], ["-"]),
    "Entity.acl_update": (
        lambda s: with_new(
            s.saved_searches, "shared", "search *",
            then=lambda q: q.acl_update(sharing="app", owner="admin").refresh().access["sharing"],
        ),
        "app",
    ),
}
# fmt: on
"""What each call has to give, in the order in which they are made."""


@pytest.mark.parametrize("name", REACHED)
def test_each_call_of_the_official_client_gives_what_it_gives_there(service, name):
    call, wanted = REACHED[name]
    assert call(service) == wanted


def test_a_wrong_password_opens_nothing(server):
    with pytest.raises(client.AuthenticationError):
        client.connect(host="127.0.0.1", port=server.port("splunk"), username="admin", password="wrong")
