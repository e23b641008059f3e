"""Voice: dialogue spoken by a synthesiser that is installed on the machine, espeak-ng or piper.

Neither is needed: without one an animatic has no voice, and says so.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

ENGINES: Final = ("piper", "espeak-ng")
"""Programs that are looked for in PATH, the better-sounding one first. piper needs a voice model."""

_LIMIT: Final = 60.0
"""Most seconds that one line may take to be spoken."""
_CODES: Final = {"zh": "cmn", "nb": "nb", "no": "nb", "iw": "he"}
"""Languages that espeak-ng calls otherwise than BCP 47."""


def installed(model: str) -> str:
    """The synthesiser that is used, one of `ENGINES`; empty: none is installed.

    Args:
        model: File of a piper voice; empty: piper is not used.
    """
    return next((name for name in ENGINES if shutil.which(name) and (name != "piper" or model)), "")


def speak(text: str, language: str, model: str, to: Path) -> str:
    """Write what somebody says to a WAV file.

    Args:
        text: What is said.
        language: Its language (BCP 47); empty: English.
        model: File of a piper voice; empty: espeak-ng.
        to: The file.

    Returns:
        Why nothing was written; empty: it was.
    """
    name = installed(model)
    if not name:
        return "no speech synthesiser is installed, so nothing is spoken: install espeak-ng"
    if name == "piper":
        command = ["piper", "--model", model, "--output_file", str(to)]
    else:
        command = ["espeak-ng", "-v", _code(language), "-s", "160", "-w", str(to), "--stdin"]
    with tempfile.TemporaryFile() as said:
        try:
            done = subprocess.run(
                command, input=text.encode(), stdout=subprocess.DEVNULL, stderr=said, timeout=_LIMIT, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{name} did not speak: {error}"
        said.seek(0)
        words = said.read(300).decode("utf-8", "replace").strip()
    if done.returncode or not to.exists() or to.stat().st_size == 0:
        return f"{name} did not speak (status {done.returncode}): {words or 'no word why'}"
    return ""


def _code(language: str) -> str:
    base, _, region = (language or "en").lower().replace("_", "-").partition("-")
    return "-".join(part for part in (_CODES.get(base, base), region) if part)
