"""The pictures of the pages in the documentation.

    python docs/images/screenshots.py OUT

takes them of an output folder with Chromium: the page of its latest run, and what `rushes browse` shows.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent
WIDTH = 1400
_CHROMIUM = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars")


def shoot(url: str, name: str, height: int, top: int = 0) -> None:
    """Save what a page shows, from a line down, as JPEG beside this file."""
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "page.png"
        browser = shutil.which("chromium") or "chromium"
        size = f"--window-size={WIDTH},{top + height}"
        command = [browser, *_CHROMIUM, size, "--virtual-time-budget=8000", f"--screenshot={picture}", url]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        with Image.open(io.BytesIO(picture.read_bytes())) as page:
            page.convert("RGB").crop((0, top, WIDTH, top + height)).save(HERE / f"{name}.jpg", quality=82)


def main(out: str) -> None:
    """Take all pictures."""
    page = max(Path(out).glob("runs/*/report.html"), key=lambda p: p.stat().st_mtime)
    shoot(page.resolve().as_uri(), "report", 1500)
    command = [sys.executable, "-m", "pipelines.main", "browse", out, "--port", "0"]
    served = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert served.stdout is not None
        base = served.stdout.readline().split()[0]
        with urllib.request.urlopen(base) as answer:
            home = answer.geturl()
        shoot(f"{home}clips", "browse", 900)
        shoot(f"{home}thresholds", "thresholds", 1000)
    finally:
        served.terminate()
        served.wait(30)


if __name__ == "__main__":
    main(sys.argv[1])
