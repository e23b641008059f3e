"""What a model needs before it is loaded: packages, files, a device.

All of it is seen before the first element is worked on, without importing a heavy package or reading gigabytes, and
nothing here downloads. Weights are known by a digest of their bytes, so that other weights under an old name are
another revision.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from transforms.settings import ConfigError, setting

DTYPES: Final = ("auto", "float32", "bfloat16", "float16")

_BLOCK: Final = 1 << 16
_BLOCKS: Final = 1024
"""A large file is known by so many blocks, evenly spaced from its first byte to its last: a tensor of a fine-tuned
layer lies under several of them, where its first and last megabyte alone may be as they were."""
_DIGITS: Final = 12


def device_setting() -> Any:
    """The setting `device` of a captioner with a model of its own."""
    return setting("auto", "Device that the model runs on: auto, cpu, cuda, cuda:1, mps.", scale=True)


def dtype_setting() -> Any:
    """The setting `dtype` of a captioner with a model of its own."""
    return setting(
        "auto", "Number format of the weights; auto is float32 on a CPU, else the device's 16-bit one.", choices=DTYPES
    )


def check_packages(option: str, *names: str) -> None:
    """See that packages are installed, without importing them.

    Raises:
        ConfigError: One is not.
    """
    for name in names:
        try:
            found = importlib.util.find_spec(name)
        except (ImportError, ValueError):  # a module that was set to None, or has no spec
            found = None
        if found is None:
            raise _absent(option, name)


def package(option: str, name: str) -> Any:
    """A package, imported.

    Raises:
        ConfigError: It is not installed, or does not import.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise _absent(option, error.name or name) from error


def _absent(option: str, name: str) -> ConfigError:
    return ConfigError(f"{option} needs {name}, which is not installed: pip install 'rushes[models]'")


def digest_of(paths: Iterable[Path]) -> str:
    """Twelve hexadecimal digits that stand for the bytes of files, wherever they lie.

    Files up to 64 MiB are read whole, of larger ones as much in 1,024 evenly spaced blocks. The order of the paths does
    not matter; their names do, their folders do not.
    """
    digest = hashlib.sha256()
    for path in sorted(paths, key=lambda path: path.name):
        size = path.stat().st_size
        digest.update(f"{path.name}\0{size}\0".encode())
        with path.open("rb") as file:
            if size <= _BLOCK * _BLOCKS:
                digest.update(file.read())
                continue
            for block in range(_BLOCKS):
                file.seek((size - _BLOCK) * block // (_BLOCKS - 1))
                digest.update(file.read(_BLOCK))
    return digest.hexdigest()[:_DIGITS]


def device_of(torch: Any, name: str) -> str:
    """The device of a name, `auto` being the first accelerator where there is one.

    Raises:
        ConfigError: There is no such device here.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigError(f"--device {name}: not to be had here ({str(error).splitlines()[0]}): try cpu") from error
    return name


def dtype_of(torch: Any, name: str, device: str) -> str:
    """The number format of a name on a device: one of `DTYPES` but `auto`."""
    if name != "auto":
        return name
    if device == "cpu":
        return "float32"
    return "bfloat16" if not device.startswith("cuda") or torch.cuda.is_bf16_supported() else "float16"
