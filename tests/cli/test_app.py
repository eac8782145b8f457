"""`afl app`: what its server is given, and that it serves from any folder."""

import json
import socket
from itertools import pairwise
from urllib.parse import parse_qs, urlsplit

import pytest

from afl_core.base import paths
from afl_core.cli import app as app_command
from afl_core.cli import main


class Started(BaseException):
    """Stands where the process would have become the server."""


@pytest.fixture
def served(monkeypatch):
    """`served(*arguments)` gives the command line and the environment of the server that would have been started."""

    def start(program, command, environment):
        raise Started(command[1:], environment)

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["afl", "app", *map(str, arguments)])
        with pytest.raises(Started) as started:
            main.main()
        return started.value.args

    monkeypatch.setattr("os.execve", start)
    return run


def option(command, name):
    return [value for key, value in pairwise(command) if key == f"--server.{name}"]


def test_the_server_listens_on_this_machine_alone(served):
    command, environment = served()
    assert command[:4] == ["-m", "streamlit", "run", str(paths.SHIPPED / "app.py")]
    assert option(command, "address") == ["localhost"]
    assert option(command, "allowedHosts") == ["localhost", "127.0.0.1", "::1"]
    assert environment["AFL_BROWSER"] == "1"
    assert command[-1] == "--"


def test_a_port_in_use_is_passed_over_unless_it_was_asked_for(served, monkeypatch):
    with socket.create_server(("localhost", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(app_command, "FIRST_PORT", port)
        assert int(option(served("--no-browser")[0], "port")[0]) > port
        assert option(served("--port", port)[0], "port") == [str(port)]


def test_a_results_folder_is_opened_where_it_lies(served, tmp_path):
    folder = tmp_path / "my results"
    folder.mkdir()
    assert served("--results", folder)[1]["AFL_RESULTS"] == str(folder)
    (folder / "manifest.json").write_text(json.dumps({}))
    environment = served("--results", folder)[1]
    assert environment["AFL_RESULTS"] == str(tmp_path)
    assert parse_qs(environment["AFL_PAGE"].removeprefix("?")) == {"results": ["my results"]}


def test_a_data_set_is_opened_on_its_page(served, tmp_path):
    folder = tmp_path / "a & b"
    folder.mkdir()
    page = urlsplit(served("--data", folder)[1]["AFL_PAGE"])
    assert page.path == "data"
    assert parse_qs(page.query) == {"folder": [str(folder)]}


@pytest.mark.parametrize("wanted", ["--data", "--results"])
def test_a_folder_that_is_not_there_is_one_message(wanted, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["afl", "app", wanted, str(tmp_path / "gone")])
    with pytest.raises(SystemExit) as left:
        main.main()
    assert left.value.code == 2
    assert f"Give {wanted} FOLDER" in capsys.readouterr().err


def test_another_host_is_the_one_that_browsers_may_ask_for(served):
    command, _ = served("--host", "gpu1.example", "--port", 9000)
    assert option(command, "address") == option(command, "allowedHosts") == ["gpu1.example"]
    everywhere = option(served("--host", "0.0.0.0", "--port", 9000)[0], "allowedHosts")
    assert socket.gethostname() in everywhere
