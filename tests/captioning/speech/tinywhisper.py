"""A Whisper of the true architecture with a few random weights, in the formats of both recognisers.

It hears nothing, but it is loaded and run as any other is: its files are written by the libraries' own code.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

LAYERS, HEADS, STATE = 2, 2, 16


def dims() -> dict[str, int]:
    towers = {f"n_{tower}_{name}": value for tower in ("audio", "text")
              for name, value in (("state", STATE), ("head", HEADS), ("layer", LAYERS))}  # fmt: skip
    return {"n_mels": 80, "n_audio_ctx": 1500, "n_vocab": 51865, "n_text_ctx": 448, **towers}


def random_state(seed: int = 1) -> dict[str, Any]:
    """Random weights under the names that openai-whisper gives them, as NumPy arrays."""
    import torch
    from whisper.model import ModelDimensions, Whisper  # type: ignore[import-not-found,import-untyped,unused-ignore]

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Whisper(ModelDimensions(**dims()))
        torch.nn.init.normal_(model.decoder.positional_embedding, std=0.1)
        return {name: value.numpy().copy() for name, value in model.state_dict().items()}


def write_checkpoint(path: Path, state: dict[str, Any]) -> Path:
    """A checkpoint of openai-whisper."""
    import torch

    tensors = {name: torch.from_numpy(value) for name, value in state.items()}
    torch.save({"dims": dims(), "model_state_dict": tensors}, path)
    return path


def write_folder(folder: Path, state: dict[str, Any]) -> Path:
    """A folder that faster-whisper reads: CTranslate2's model and a tokenizer with one word a token."""
    import tokenizers  # type: ignore[import-not-found,import-untyped,unused-ignore]
    from ctranslate2.specs import WhisperSpec  # type: ignore[import-not-found,import-untyped,unused-ignore]
    from whisper.tokenizer import get_tokenizer  # type: ignore[import-not-found,import-untyped,unused-ignore]

    known = get_tokenizer(multilingual=True)
    special = known.special_tokens
    names = {number: name for name, number in special.items()}
    vocabulary = [
        names.get(number) or known.encoding.decode_single_token_bytes(number).decode("latin-1")
        for number in range(dims()["n_vocab"])
    ]
    spec = WhisperSpec(LAYERS, HEADS, LAYERS, HEADS)
    _fill(spec, state)
    spec.register_vocabulary(vocabulary)
    spec.config.suppress_ids, spec.config.suppress_ids_begin = [], [50257]
    spec.config.lang_ids = [number for name, number in special.items() if name[2:-2] in ("en", "de", "fr")]
    spec.config.alignment_heads = [(LAYERS - 1, head) for head in range(HEADS)]
    spec.validate()
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({name: n for n, name in enumerate(vocabulary)}, unk_token="!")
    )
    tokenizer.add_special_tokens(list(special))
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": 80}))
    return folder


def _fill(spec: Any, state: dict[str, Any]) -> None:
    def norm(into: Any, name: str) -> None:
        into.gamma, into.beta = state[f"{name}.weight"], state[f"{name}.bias"]

    def linear(into: Any, *names: str) -> None:
        into.weight = np.concatenate([state[f"{name}.weight"] for name in names])
        zero = np.zeros(STATE, np.float32)
        into.bias = np.concatenate([state.get(f"{name}.bias", zero) for name in names])

    for conv in ("conv1", "conv2"):
        into = getattr(spec.encoder, conv)
        into.weight, into.bias = state[f"encoder.{conv}.weight"], state[f"encoder.{conv}.bias"]
    norm(spec.encoder.layer_norm, "encoder.ln_post")
    norm(spec.decoder.layer_norm, "decoder.ln")
    spec.encoder.position_encodings.encodings = state["encoder.positional_embedding"]
    spec.decoder.position_encodings.encodings = state["decoder.positional_embedding"]
    spec.decoder.embeddings.weight = spec.decoder.projection.weight = state["decoder.token_embedding.weight"]
    for tower in ("encoder", "decoder"):
        for number, layer in enumerate(getattr(spec, tower).layer):
            name = f"{tower}.blocks.{number}"
            norm(layer.self_attention.layer_norm, f"{name}.attn_ln")
            linear(layer.self_attention.linear[0], *(f"{name}.attn.{part}" for part in ("query", "key", "value")))
            linear(layer.self_attention.linear[1], f"{name}.attn.out")
            if tower == "decoder":
                norm(layer.attention.layer_norm, f"{name}.cross_attn_ln")
                linear(layer.attention.linear[0], f"{name}.cross_attn.query")
                linear(layer.attention.linear[1], f"{name}.cross_attn.key", f"{name}.cross_attn.value")
                linear(layer.attention.linear[2], f"{name}.cross_attn.out")
            norm(layer.ffn.layer_norm, f"{name}.mlp_ln")
            linear(layer.ffn.linear_0, f"{name}.mlp.0")
            linear(layer.ffn.linear_1, f"{name}.mlp.2")
