"""The memory that a process may use is the least that any of its control groups allows."""

from harness.control_group import list_limit_files


def test_all_groups_above_a_process_are_looked_at(tmp_path):
    own = tmp_path / "cgroup"
    own.write_text("0::/user.slice/run.scope\n")
    found = {str(p.relative_to(tmp_path)) for p in list_limit_files(tmp_path, own)}
    assert {"memory.max", "user.slice/memory.max", "user.slice/run.scope/memory.max"} <= found


def test_version_1_has_a_tree_of_its_own_for_memory(tmp_path):
    own = tmp_path / "cgroup"
    own.write_text("8:pids:/a\n4:cpu,memory:/docker/1\n0::/\n")
    found = {str(p.relative_to(tmp_path)) for p in list_limit_files(tmp_path, own)}
    assert {"memory/docker/1/memory.limit_in_bytes", "memory/docker/memory.limit_in_bytes"} <= found
    assert not any("pids" in p or p.startswith("memory/a") for p in found)


def test_a_group_outside_of_a_container_names_no_file_elsewhere(tmp_path):
    own = tmp_path / "cgroup"
    own.write_text("0::/../../other\n")
    assert {p.parent for p in list_limit_files(tmp_path, own)} == {tmp_path, tmp_path / "memory"}
