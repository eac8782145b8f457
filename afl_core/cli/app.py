"""`afl app`: serve the workbench from wherever it is installed."""

import os
import socket
import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from afl_core.base import paths
from afl_core.base.extras import need
from afl_core.cli.output_options import command
from afl_core.cli.terminal import print_line
from afl_core.errors import UsageError

commands = typer.Typer()

LOCAL = "localhost"
FIRST_PORT, PORTS = 8501, 100


@command(commands)
def app(
    *,
    port: Annotated[
        int | None, typer.Option(help=f"Port; by default the first free one from {FIRST_PORT} on.", min=1, max=65535)
    ] = None,
    host: Annotated[
        str, typer.Option(help="Name or address to listen on; read docs/security.md before you leave localhost.")
    ] = LOCAL,
    results: Annotated[
        Path | None, typer.Option(help="A results folder to open, or the folder in which results folders lie.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of a data set, to open on the Data page.")] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the link alone.")] = False,
    no_token: Annotated[bool, typer.Option("--no-token", help="Ask for no token; on localhost only.")] = False,
) -> None:
    """Serve the workbench on this machine, and open it in the browser.

    What it writes goes to the user's data folder, in a checkout to the checkout; AFL_HOME names another folder.

    Example: afl app --results my_results
    """
    need("app", of="`afl app`")
    environment = dict(os.environ)
    root, page = (None, "") if results is None else results_root(results)
    if root is not None:
        environment["AFL_RESULTS"] = str(root)
    if data is not None:
        page = f"data?folder={quote(str(_existing(data, '--data')))}"
    environment |= {"AFL_PAGE": page, "AFL_BROWSER": "" if no_browser else "1"}
    server = ["-m", "streamlit", "run", str(paths.SHIPPED / "app.py"), "--server.address", host]
    server += ["--server.port", str(port or _free_port(host))]
    for name in names_of(host):
        server += ["--server.allowedHosts", name]
    print_line(f"What the workbench writes goes to {paths.HOME}")
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, *server, "--", *(["--no-token"] if no_token else [])], environment)


def results_root(folder: Path) -> tuple[Path, str]:
    """The folder of results folders that `--results` means, and the page to open.

    Raises:
        UsageError: If there is no such folder.
    """
    from afl_core.evaluation.manifest import MANIFEST  # noqa: PLC0415 - half a second that a plain start need not wait

    folder = _existing(folder, "--results")
    return (folder.parent, f"?results={quote(folder.name)}") if (folder / MANIFEST).is_file() else (folder, "")


def names_of(host: str) -> tuple[str, ...]:
    """Names by which a browser may ask for a server that listens on a host; the first is in the link.

    >>> names_of("gpu1")
    ('gpu1',)
    """
    if host in ("0.0.0.0", "::"):
        return (socket.getfqdn(), socket.gethostname(), LOCAL)
    return (LOCAL, "127.0.0.1", "::1") if host == LOCAL else (host,)


def _existing(folder: Path, option: str) -> Path:
    if not folder.is_dir():
        raise UsageError("There is no such folder", received=folder, todo=f"Give {option} FOLDER")
    return folder.resolve()


def _free_port(host: str) -> int:
    """The first port from `FIRST_PORT` on that nothing listens on."""
    for port in range(FIRST_PORT, FIRST_PORT + PORTS):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    received = f"{FIRST_PORT} to {FIRST_PORT + PORTS - 1} on {host}"
    raise UsageError("No port is free", received=received, todo="Give --port, and a --host of this machine")
