"""How many processes share some work."""

import pytest

from harness.workers import read_processor_quotas, workers_for


@pytest.mark.parametrize(
    ("files", "processors"),
    [
        ({"cpu.max": "max 100000\n"}, []),
        ({"cpu.max": "150000 100000\n"}, [2]),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, []),
        ({"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"}, [4]),
        ({"cpu.max": "nonsense\n"}, []),
        ({}, []),
    ],
)
def test_a_control_group_may_have_fewer_processors_than_the_machine(tmp_path, files, processors):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert list(read_processor_quotas(tmp_path)) == processors


def test_as_many_processes_as_were_asked_for_but_never_more_than_items():
    assert [workers_for(3, jobs=jobs) for jobs in (1, 2, 9)] == [1, 2, 3]
    assert workers_for(0, jobs=4) == 1
    assert workers_for(1) == 1
