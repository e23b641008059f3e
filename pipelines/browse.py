"""Browse: an output folder as pages on this machine."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from pipelines import options
from transforms.settings import ConfigError

DESCRIPTION = """\
Serve the pages of OUT on this machine (127.0.0.1): all tables with filters, clips with players, one clip's story, cuts
frame by frame, and what other thresholds would change. It only reads, unless --review is given: then cuts can be marked
right, wrong or missing, for `rushes eval-cuts OUT`. Ctrl-C ends it."""
EPILOG = """\
examples:
  rushes browse corpus
  rushes browse corpus --snapshot 1 --port 8100
  rushes browse corpus --review"""

PORT = 8017
"""The port it is served at when none is named; the next free one where that is taken."""
_TRIES = 20


def parser() -> options.Parser:
    """The command line."""
    made = options.Parser(
        prog="rushes browse", description=DESCRIPTION, epilog=EPILOG, usage="rushes browse OUT [options]"
    )
    made.add_argument("output", metavar="OUT", help="an output folder")
    made.add_argument("--snapshot", type=int, metavar="N", help="an older state, by number [default the latest]")
    made.add_argument("--port", type=int, metavar="N", help=f"port [default {PORT}, or the next that is free]")
    made.add_argument("--review", action="store_true", help="let cuts be marked right, wrong or missing")
    return made


def listen(host: str, port: int | None) -> socket.socket:
    """A listening socket.

    Raises:
        ConfigError: The port is no port, or taken.
    """
    if port is not None and not 0 <= port <= 65535:
        raise ConfigError(f"--port {port}: give 1 to 65535, or 0 for any that is free")
    tried = [port] if port is not None else [*range(PORT, PORT + _TRIES), 0]
    for number in tried:
        found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((host, number))
            found.listen(128)
        except OSError as error:
            found.close()
            reason = error
            continue
        return found
    raise ConfigError(f"--port {port}: cannot be used ({reason}); choose another, or leave it out")


def run(argv: Sequence[str]) -> int:
    """Run the command until it is stopped; returns the exit code.

    Raises:
        ConfigError: No such output or snapshot, a port that is taken, or the extra `pages` is not installed.
    """
    words = parser().parse_args(list(argv))
    try:
        import uvicorn

        from pages import browse
    except ModuleNotFoundError as error:
        raise ConfigError(f"browse needs {error.name}: pip install 'rushes[pages]'") from error
    listening = listen(browse.HOST, words.port)
    try:
        port = listening.getsockname()[1]
        app = browse.make_app(words.output, words.snapshot, port=port, review=words.review)
        # No access log: addresses hold what was searched for. No proxy headers: nobody stands between.
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, proxy_headers=False, ws="none"
        )
        print(f"http://{browse.HOST}:{port}/  (Ctrl-C ends it)", flush=True)
        try:
            uvicorn.Server(config).run(sockets=[listening])
        finally:
            app.state.shelf.close()
    finally:
        listening.close()
    return 0
