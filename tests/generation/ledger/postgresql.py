"""A PostgreSQL of its own in a temporary folder, on a socket there: real, and gone afterwards."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path


class Missing(Exception):
    """It can't be started here; the text says why."""


@contextlib.contextmanager
def running() -> Iterator[str]:
    """Start one; gives its address without a database's name: `postgresql://USER@/%s?host=FOLDER`.

    Raises:
        Missing: PostgreSQL or psycopg is not installed, or it does not start.
    """
    if importlib.util.find_spec("psycopg") is None:
        raise Missing("psycopg is not installed: pip install 'rushes[postgresql]'")
    programs = _programs()
    user = pwd.getpwuid(os.geteuid()).pw_name
    as_whom: list[str] = []
    if os.geteuid() == 0:  # it refuses to run as root
        user = "postgres"
        if user not in {one.pw_name for one in pwd.getpwall()} or not shutil.which("setpriv"):
            raise Missing("tests run as root, and there is no user postgres or no setpriv: PostgreSQL refuses root")
        as_whom = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    with tempfile.TemporaryDirectory(prefix="rushes-pg-", ignore_cleanup_errors=True) as folder:
        shutil.chown(folder, user)
        data = f"{folder}/data"
        settings = f"-k {folder} -c listen_addresses= -c max_connections=50"
        _run([*as_whom, str(programs / "initdb"), "-D", data, "-A", "trust", "-U", user, "--locale=C", "-E", "UTF8"])
        control = [*as_whom, str(programs / "pg_ctl"), "-D", data]
        _run([*control, "-l", f"{folder}/log", "-o", settings, "-w", "-t", "30", "start"])
        try:
            yield f"postgresql://{user}@/%s?host={folder}"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], capture_output=True, timeout=60, cwd="/")


def _programs() -> Path:
    """The folder with `initdb`: that of the path, else the newest that Debian's packages made."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    every = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not every:
        raise Missing("PostgreSQL is not installed: no initdb in PATH or /usr/lib/postgresql")
    return every[-1].parent


def _run(command: list[str]) -> None:
    with tempfile.TemporaryFile() as said:  # a pipe would be held open by the server
        done = subprocess.run(command, stdout=said, stderr=subprocess.STDOUT, timeout=120, cwd="/", check=False)
        if done.returncode:
            said.seek(0)
            raise Missing(f"PostgreSQL does not start: {said.read().decode(errors='replace')[-500:]}")
