"""The command browse: it says where it serves, ends when it is told to, and refuses what it cannot do."""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from pipelines import browse
from transforms.settings import ConfigError


def test_it_serves_until_it_is_stopped(curated: Path):
    code = "import sys; from pipelines import browse; sys.exit(browse.run(sys.argv[1:]))"
    command = [sys.executable, "-c", code, str(curated), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            address = child.stdout.readline().split()[0]
            assert address.startswith("http://127.0.0.1:")
            with urllib.request.urlopen(address, timeout=30) as answer:
                assert b"Why clips were dropped" in answer.read()
        finally:
            child.terminate()
        told = child.communicate(timeout=30)
    assert "Traceback" not in "".join(told)


def test_a_port_that_is_taken_is_said_and_without_one_the_next_is_used():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match="cannot be used"):
            browse.listen("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(ConfigError, match="1 to 65535"):
        browse.listen("127.0.0.1", 70_000)
    with browse.listen("127.0.0.1", None) as first, browse.listen("127.0.0.1", None) as second:
        assert {one.getsockname()[0] for one in (first, second)} == {"127.0.0.1"}


@pytest.mark.parametrize(("words", "said"), [([], "corpus.json is missing"), (["--snapshot", "99"], "no snapshot 99")])
def test_what_is_not_there_is_said(curated: Path, tmp_path: Path, words: list[str], said: str):
    out = curated if words else tmp_path
    with pytest.raises(ConfigError, match=said):
        browse.run([str(out), "--port", "0", *words])
