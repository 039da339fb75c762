"""Event types and tags that the content of a run defines."""

from pathlib import Path

import pytest

from harness.detection.content import read_content
from harness.detection.language import Strictness
from harness.diagnostics import SourceError

LOGS = [
    {"sourcetype": "acme:fw", "verdict": "deny", "src": "10.0.0.5", "dest": "203.0.113.5", "_raw": "deny tcp"},
    {"sourcetype": "acme:fw", "verdict": "permit", "src": "10.0.0.5", "dest": "203.0.113.6", "_raw": "permit tcp"},
    {"sourcetype": "acme:auth", "verdict": "permit", "src": "10.0.0.9", "dest": "dc1", "_raw": "login ok"},
]
EVENT_TYPES = {
    "acme_traffic": {"search": "sourcetype=acme:fw"},
    "acme_denied": {"search": "eventtype=acme_traffic verdict=deny"},
    "acme_login": {"search": "`acme` login"},
    "acme_off": {"search": "sourcetype=acme:fw", "disabled": "1"},
}
TAGS = {
    "eventtype=acme_traffic": {"network": "enabled", "communicate": "enabled", "web": "disabled"},
    "dest=dc1": {"critical": "enabled"},
}
MACROS = {"acme": {"definition": "sourcetype=acme:*"}}


def searched(found, text, **settings):
    return found(LOGS, text, eventtypes=EVENT_TYPES, tags=TAGS, macros=MACROS, **settings)


def test_an_event_type_is_its_search(found):
    assert searched(found, "search eventtype=acme_denied | table dest") == [{"dest": "203.0.113.5"}]


def test_an_event_type_may_look_for_words_and_use_macros(found):
    assert searched(found, "search eventtype=acme_login | table dest") == [{"dest": "dc1"}]


def test_a_name_with_a_star_means_several_event_types(found):
    assert len(searched(found, "search eventtype=acme_* | table dest")) == 3


def test_an_event_type_that_is_switched_off_is_nothing(found):
    assert searched(found, "search eventtype=acme_off | table dest") == []


def test_not_an_event_type(found):
    assert [r["dest"] for r in searched(found, "search NOT eventtype=acme_traffic | table dest")] == ["dc1"]


def test_a_tag_is_borne_by_event_types_and_by_values_of_fields(found):
    assert len(searched(found, "search tag=network | table dest")) == 2
    assert searched(found, "search tag=critical | table dest") == [{"dest": "dc1"}]
    assert searched(found, "search tag=web | table dest") == []


def test_a_tag_may_be_asked_for_of_one_field(found):
    assert searched(found, "search tag::dest=critical | table dest") == [{"dest": "dc1"}]
    assert searched(found, "search tag::src=critical | table dest") == []


def test_tags_of_the_content_make_events_part_of_a_dataset(found):
    rows = searched(found, "| tstats count from datamodel=Network_Traffic by All_Traffic.src All_Traffic.dest")
    assert sorted(r["All_Traffic.dest"] for r in rows) == ["203.0.113.5", "203.0.113.6"]


def test_falcons_connections_are_traffic_where_a_site_tags_them_so(found):
    event = {
        "sourcetype": "crowdstrike:events:sensor",
        "event_simpleName": "NetworkConnectIP4",
        "RemoteAddressIP4": "203.0.113.5",
        "RemotePort": "443",
    }
    text = "| tstats count from datamodel=Network_Traffic by All_Traffic.dest All_Traffic.dest_port"
    tags = {"eventtype=crowdstrike_net": {"network": "enabled", "communicate": "enabled"}}
    kinds = {"crowdstrike_net": {"search": "event_simpleName=NetworkConnect*"}}
    assert found([event], text) == []
    assert found([event], text, eventtypes=kinds, tags=tags) == [
        {"All_Traffic.dest": "203.0.113.5", "All_Traffic.dest_port": "443", "count": 1.0}
    ]


def test_event_types_that_mean_one_another_are_an_error(found):
    circle = {"a": {"search": "eventtype=b"}, "b": {"search": "eventtype=a"}}
    with pytest.raises(SourceError, match="more than 8 event types or saved searches inside one another"):
        found(LOGS, "search eventtype=a", eventtypes=circle)


def test_an_event_type_with_a_pipe_is_refused(found):
    piped = {"a": {"search": "sourcetype=x | head 1"}}
    with pytest.raises(
        SourceError, match="an event type or a saved search of more than one search, as a condition, is not supported"
    ):
        found(LOGS, "search eventtype=a", Strictness.STRICT, eventtypes=piped)


def test_an_apps_event_types_and_tags_are_read(tmp_path: Path):
    folder = tmp_path / "default"
    folder.mkdir()
    (folder / "eventtypes.conf").write_text("[acme_traffic]\nsearch = sourcetype=acme:fw \\\n verdict=*\n")
    (folder / "tags.conf").write_text("[eventtype=acme_traffic]\nnetwork = enabled\n")
    read = read_content([tmp_path])
    assert read.eventtypes["acme_traffic"]["search"] == "sourcetype=acme:fw \n verdict=*"
    assert read.tags == {"eventtype=acme_traffic": {"network": "enabled"}}


def test_a_saved_search_is_a_term(found):
    saved = {"denied traffic": "search sourcetype=acme:fw verdict=deny"}
    assert found(LOGS, 'search savedsearch="denied traffic" | table dest', saved=saved) == [{"dest": "203.0.113.5"}]
    assert len(found(LOGS, 'search NOT savedsearch="denied traffic"', saved=saved)) == 2


def test_a_saved_search_that_nobody_gave_is_named(found):
    with pytest.raises(SourceError, match="no saved search is called `denied`"):
        found(LOGS, "search savedsearch=denied")


def test_typer_names_the_event_types_of_each_event(found):
    rows = searched(found, "search * | typer | table dest, eventtype")
    assert sorted((r["dest"], r["eventtype"]) for r in rows) == [
        ("203.0.113.5", ["acme_traffic", "acme_denied"]),
        ("203.0.113.6", ["acme_traffic"]),
        ("dc1", ["acme_login"]),
    ]


def test_tags_gives_the_tags_of_each_field_and_all_together(found):
    rows = searched(found, 'search * | tags | rename "tag::dest" as of_dest | table dest, of_dest, tag')
    assert sorted((r["dest"], r.get("of_dest"), r["tag"]) for r in rows) == [
        ("203.0.113.5", None, ["network", "communicate"]),
        ("203.0.113.6", None, ["network", "communicate"]),
        ("dc1", ["critical"], ["critical"]),
    ]


def test_tags_of_one_field_may_go_into_a_field_of_their_own(found):
    rows = searched(found, "search * | tags outputfield=mark inclname=t dest | table dest, mark")
    assert sorted((r["dest"], r.get("mark")) for r in rows if r.get("mark")) == [("dc1", ["dest::critical"])]


def test_typer_without_event_types_adds_nothing(found):
    assert found(LOGS, "search * | typer | search dest=dc1 | table dest, eventtype")[0].get("eventtype") is None
