"""Macros, lookup tables, saved queries and parameters, as platforms write them down."""

import gzip
import json
from pathlib import Path

import pytest

from harness.detection.content import Content, read_content, read_content_beside
from harness.detection.language import Settings, language
from harness.diagnostics import HarnessError, Source, SourceError


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_an_app_gives_its_macros_and_tables_and_local_comes_before_default(tmp_path):
    app = write(
        tmp_path,
        {
            "default/macros.conf": "# ours\n[sysmon]\ndefinition = source=a \\\n OR source=b\n"
            "[near(2)]\nargs = x, y\ndefinition = $x$=$y$\n[whose]\ndefinition = default\n",
            "local/macros.conf": "[whose]\ndefinition = local\n",
            "default/transforms.conf": "[assets]\nfilename = assets.csv\nmatch_type = WILDCARD(host), CIDR(net)\n"
            "case_sensitive_match = false\nmin_matches = 1\ndefault_match = none\n"
            "[seen]\ncollection = seen\nfields_list = _key, user\n[extraction]\nREGEX = x\n",
            "lookups/assets.csv": "\ufeffhost,net,owner\nWS*,10.0.0.0/8,bob\nDC01\n",
        },
    )
    found = read_content([app])
    assert found.macros["sysmon"]["definition"] == "source=a \n OR source=b"
    assert found.macros["near(2)"]["args"] == ["x", "y"]
    assert found.macros["whose"]["definition"] == "local"
    assets = found.lookups["assets"]
    assert assets.columns == ("host", "net", "owner")
    assert assets.rows == (("WS*", "10.0.0.0/8", "bob"), ("DC01", "", ""))
    assert assets.match == {"host": "wildcard", "net": "cidr"}
    assert (assets.case_sensitive, assets.least, assets.default) == (False, 1, "none")
    assert found.lookups["assets.csv"].rows == assets.rows
    assert (found.lookups["seen"].columns, found.lookups["seen"].rows) == (("_key", "user"), ())
    assert "extraction" not in found.lookups


def test_contentctl_pages_are_macros_and_lookups(tmp_path):
    folder = write(
        tmp_path,
        {
            "macros/one.yml": "name: one\ndefinition: index=main\ndescription: ours\n",
            "macros/two.yml": "name: two\narguments: [a]\ndefinition: host=$a$\n",
            "lookups/hosts.yml": "name: hosts\nfilename: hosts.csv\ncase_sensitive_match: false\nlookup_type: csv\n",
            "lookups/hosts.csv": "host\nWS01\n",
            "lookups/seen.yml": "name: seen\ncollection: seen\nfields: [a, b]\nlookup_type: kvstore\n",
            "detections/rule.yml": "name: rule\nsearch: '`one`'\n",
        },
    )
    found = read_content([folder])
    assert list(found.macros) == ["one", "two(1)"]
    assert found.lookups["hosts"].rows == (("WS01",),)
    assert found.lookups["hosts"].case_sensitive is False
    assert found.lookups["seen"].columns == ("a", "b")


def test_json_lists_name_their_rows_in_the_folder_lookups(tmp_path):
    files = {
        "macros.json": json.dumps({"a": {"definition": "x=1", "args": []}, "b": "y=2"}),
        "lookups.json": json.dumps([{"name": "t", "filename": "t.csv.gz", "min_matches": 1, "default_match": "no"}]),
    }
    write(tmp_path, files)
    (tmp_path / "lookups").mkdir()
    (tmp_path / "lookups" / "t.csv.gz").write_bytes(gzip.compress(b"k,v\n1,one\n"))
    found = read_content([tmp_path])
    assert found.macros["b"] == {"definition": "y=2"}
    assert (found.lookups["t"].rows, found.lookups["t"].least, found.lookups["t"].default) == ((("1", "one"),), 1, "no")


def test_a_table_is_read_when_it_is_asked_for(tmp_path):
    (tmp_path / "broken.csv").write_bytes(b"\xff\xfe\x00")
    found = read_content([tmp_path])
    assert list(found.lookups) == ["broken.csv", "broken"]
    with pytest.raises(HarnessError, match="not UTF-8"):
        found.lookups["broken"]


def test_exported_queries_of_logscale_are_saved_queries(tmp_path):
    write(tmp_path, {"queries/mine.yaml": "name: mine\nqueryString: |-\n  a=1\n  | b=2\n"})
    assert read_content([tmp_path]).saved == {"mine": "a=1\n| b=2"}


def test_detlab_yaml_beside_a_rule_names_content_and_values(tmp_path):
    write(
        tmp_path,
        {
            "detlab.yaml": "macros: macros.conf\nlookups: [tables]\nparameters: {host: WS01, from: 007}\n",
            "macros.conf": "[mine]\ndefinition = a=1\n",
            "tables/t.csv": "k\n1\n",
            "rules/deep/rule.spl": "x",
        },
    )
    found = read_content_beside(tmp_path / "rules/deep/rule.spl")
    assert found.macros["mine"]["definition"] == "a=1"
    assert found.lookups["t"].rows == (("1",),)
    assert found.parameters == {"host": "WS01", "from": "007"}


@pytest.mark.parametrize("path", ["../secret.csv", "/etc/passwd"])
def test_detlab_yaml_names_nothing_outside_its_folder(tmp_path, path):
    write(tmp_path, {"rules/detlab.yaml": f"lookups: {path}\n", "rules/rule.spl": "x"})
    with pytest.raises(SourceError, match="leads out of the folder"):
        read_content_beside(tmp_path / "rules/rule.spl")


def test_what_was_chosen_comes_before_what_lies_beside(tmp_path):
    write(tmp_path, {"macros.conf": "[m]\ndefinition = below\n[n]\ndefinition = only\n"})
    settings = read_content([tmp_path]).settings(Settings(macros={"m": {"definition": "chosen"}}))
    assert settings.macros["m"] == {"definition": "chosen"}
    assert settings.macros["n"]["definition"] == "only"


def test_a_path_without_content_is_an_error(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(HarnessError, match="holds no macros, lookups, saved queries or props"):
        read_content([tmp_path / "notes.txt"])
    with pytest.raises(HarnessError, match="there is no file or folder"):
        read_content([tmp_path / "absent"])


def test_a_macro_of_an_app_is_expanded_in_a_search(tmp_path):
    write(tmp_path, {"macros.conf": "[near(2)]\nargs = x, y\ndefinition = $x$=$y$\n"})
    settings = read_content([tmp_path]).settings(Settings())
    query = language("spl").parse(Source("q.spl", '`near(host, "WS01")` | head 1'), settings=settings)
    assert query.render() == language("spl").parse(Source("q.spl", "host=WS01 | head 1")).render()


def test_no_content_is_false():
    assert not Content()
    assert Content(parameters={"a": "b"})
