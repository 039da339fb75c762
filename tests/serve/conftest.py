import pytest

from tests.serve.server_process import ServerProcess

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("cryptography")


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """One server for all tests that do not mind what others have sent."""
    found = ServerProcess(str(tmp_path_factory.mktemp("serve") / "data")).start()
    yield found
    found.stop()


@pytest.fixture
def own_server(tmp_path):
    """A server of one test: `own_server("--plain")`, which may be killed and started again."""
    started = []

    def start(*options):
        found = ServerProcess(str(tmp_path / "data"), options).start()
        started.append(found)
        return found

    yield start
    for each in started:
        if each.process.poll() is None:
            each.stop()
