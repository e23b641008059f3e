"""A real server of OpenAI's format: `transformers serve` with a small model, stopped and started as a test wants it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import free_port

_SERVE = "import sys; from transformers.cli.transformers import main; sys.argv[0] = 'transformers'; main()"


class Served:
    """`transformers serve` on loopback, always at the same address.

    Args:
        spec: What names the model to the `vlm` captioner: `MODEL,prompt=FOLDER`.
        folder: Where it keeps its log and whatever else it writes.

    Attributes:
        url: Its address up to `/v1`.
        model: The model that it serves.
        prompt: The folder of the model's prompts.
    """

    def __init__(self, spec: str, folder: Path) -> None:
        self.model, _, self.prompt = spec.partition(",prompt=")
        self._address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self._address}/v1"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, where it does not run, and wait until it answers."""
        if self._process is not None:
            return
        host, _, port = self._address.partition(":")
        command = [sys.executable, "-c", _SERVE, "serve", self.model, "--host", host, "--port", port]
        command += ["--device", "cpu", "--dtype", "float32"]
        quiet = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(self._folder / "home"), "OMP_NUM_THREADS": "1"}
        with (self._folder / "log").open("wb") as log:
            environment = {**os.environ, **quiet}
            self._process = subprocess.Popen(command, env=environment, cwd=self._folder, stdout=log, stderr=log)
        until = time.monotonic() + 180
        while time.monotonic() < until and self._process.poll() is None:
            with contextlib.suppress(OSError, urllib.error.URLError):
                urllib.request.urlopen(f"http://{self._address}/health", timeout=5).close()
                return
            time.sleep(0.5)
        said = (self._folder / "log").read_text(errors="replace")[-2000:]
        pytest.fail(f"transformers serve did not start: {said}")

    def stop(self) -> None:
        """Stop it, if it runs."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None


@pytest.fixture(scope="module")
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of the small VLM; skips where what it needs is not installed."""
    for package in ("fastapi", "uvicorn", "openai", "accelerate"):
        pytest.importorskip(package, reason="pip install 'transformers[serving]'")
    # Not asked for by name: where the server is missing nothing is trained.
    server = Served(request.getfixturevalue("small_vlm"), tmp_path_factory.mktemp("served"))
    try:
        server.start()
        yield server
    finally:
        server.stop()
