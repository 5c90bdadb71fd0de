"""A Prefect of the project's own: a server on a loopback port, its files in .state/prefect.

What Prefect the user has, a profile, a server, a Cloud login in the environment, is neither used nor changed. One
server at a time works on the database: while `make ui` runs, `make run` uses its server.
"""

import atexit
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.service import Service
from tasks.ledger import lock, state
from tasks.refusal import Refusal

HOST = "127.0.0.1"
PORT = 4200  # Prefect's own; the next free one where it is taken
AUTH = "GALLIM_UI_AUTH"  # "user:password", for a machine that others can log in to

_held: int | None = None  # the lock of whoever runs the server, for this process's life
_started: Service | None = None  # before anyone waited for it


def settle(who: str = "make run", first: int = 0) -> str | None:
    """Replaces every Prefect setting of this process's environment; call it before prefect is imported.

    None when this process, `who`, is to start the server, on `first` or the next free port (0: any); else who in
    this project runs one, which is then used.
    """
    global _held
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        del os.environ[name]
    home = state.folder("prefect")
    _held = lock.take(state.folder("locks") / "prefect")
    other = None
    if _held is not None:
        port = free_port(first)
        (home / "at-work").write_text(f"{port} {who}", encoding="ascii")
    else:
        port, other = _at_work(home / "at-work")
    os.environ.update(settings(home, port))
    for name in ("NO_PROXY", "no_proxy"):  # a proxy of the user's cannot reach our loopback
        os.environ[name] = ",".join(filter(None, [HOST, os.environ.get(name)]))
    return other


def settings(home: Path, port: int) -> dict[str, str]:
    """The environment of a Prefect that lives in `home`."""
    page, auth = f"http://{HOST}:{port}", os.environ.get(AUTH, "")
    return {
        "PREFECT_HOME": str(home),
        "PREFECT_PROFILES_PATH": str(home / "profiles.toml"),
        "PREFECT_API_URL": f"{page}/api",
        "PREFECT_API_KEY": "",  # said, so that a .env file in the folder cannot say otherwise
        "PREFECT_API_AUTH_STRING": auth,
        **({"PREFECT_SERVER_API_AUTH_STRING": auth} if auth else {}),
        # any page in the user's browser can send requests here; without these two it could press the Run button
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": page,
        "PREFECT_SERVER_API_HOST": HOST,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_UI_API_URL": f"{page}/api",  # else the pages ask port 4200 and stay blank
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # flows/terminal.py speaks
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "PREFECT_CLIENT_MAX_RETRIES": "4",  # 30 s: a server that is started again is back by then
        "DO_NOT_TRACK": "1",
    }


def page() -> str:
    """The address of Prefect's pages."""
    return os.environ["PREFECT_API_URL"].removesuffix("/api")


def health() -> str:
    """The address that answers 200 when the server is up."""
    return f"{page()}/api/health"


def server() -> Service:
    """The Prefect server of this environment, not started."""
    words = [sys.executable, "-m", "prefect", "server", "start"]
    return Service("prefect-server", words, health())


def prepare() -> None:
    """Makes the server's database, 15 s of migrations that a first run would wait for; nothing while a server runs."""
    if settle("make") is None:
        words = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "-y"]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def start() -> None:
    """Starts the server, where it is this process's to run: it comes up while this process imports prefect."""
    global _started
    if _held is not None:
        _started = server()
        _started.start()
        atexit.register(_started.stop)  # whatever ends this process before `serving`


@contextmanager
def serving() -> Iterator[None]:
    """A server that answers: another process's, or one that ends with the block."""
    one = _started or server()
    if _held is None:
        one.wait(alive=lambda: True)  # it may be starting
        yield
        return
    if not one.alive():
        one.start()
    try:
        one.wait()
        yield
    finally:
        one.stop()


def free_port(first: int) -> int:
    """`first` or the next one up that nobody listens on; any where that is 0 or all of twenty are taken."""
    for port in [*range(first, first + 20), 0] if first else [0]:
        try:
            with socket.create_server((HOST, port)) as probe:
                return probe.getsockname()[1]
        except OSError:
            continue
    raise Refusal("127.0.0.1", "there is no free port", "end a program that listens")


def _at_work(path: Path) -> tuple[int, str]:
    """Port and name of the server's process, which writes them right after it has the lock."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            port, _, who = path.read_text(encoding="ascii").partition(" ")
            return int(port), who
        except (FileNotFoundError, ValueError):
            time.sleep(0.05)
    raise Refusal(str(path), "names no port, though a server is at work", "stop `make ui` and start it again")


if __name__ == "__main__":
    prepare()
