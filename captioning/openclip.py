"""open_clip models from local files: where they lie, what they are, and how they are loaded.

`MODEL` is one of

- `NAME@FILE`: an architecture that open_clip knows, such as `coca_ViT-B-32`, and a checkpoint;
- `CONFIG.json@FILE`: an architecture of one's own in open_clip's own notation, and a checkpoint;
- `NAME@TAG`: weights that open_clip knows by that tag, where they were fetched before;
- `FOLDER`: what `open_clip.push_to_hf_hub` writes, `open_clip_config.json` beside the weights.

Nothing is downloaded. The tokenizer is the one in the package; models whose text tower or tokenizer lies on a hub are
refused.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final

from captioning.weights import check_packages, device_of, digest_of, dtype_of, package
from transforms.settings import ConfigError

_CONFIG: Final = "open_clip_config.json"
_WEIGHTS: Final = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
)
"""Names of weights in a folder or a hub's cache, the first that is there counting; open_clip looks for the same."""
_PRECISION: Final = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}


@dataclass(frozen=True)
class Located:
    """A model before it is loaded.

    Attributes:
        option: What names it, for messages.
        name: Its name in rows: of the architecture, or of the folder.
        config: The architecture in open_clip's notation.
        preprocess: How its pictures are made ready, where that is not open_clip's default.
        weights: The checkpoint.
    """

    option: str
    name: str
    config: Mapping[str, Any]
    preprocess: Mapping[str, Any]
    weights: Path
    built_in: bool

    @property
    def revision(self) -> str:
        """Digest of the weights and, where it is one's own, of the architecture: see `weights.digest_of`."""
        own = "" if self.built_in else json.dumps([self.config, self.preprocess], sort_keys=True)
        weights = digest_of([self.weights])
        return weights if not own else hashlib.sha256(f"{weights}{own}".encode()).hexdigest()[: len(weights)]


@dataclass(frozen=True)
class Loaded:
    """A model with its weights, and what goes with it.

    Attributes:
        torch: The package.
        model: In evaluation mode, on its device.
        tokenizer: From texts to (n, context length) tokens; `decode` from token ids to a text.
        transform: From an RGB picture to (3, height, width) float32.
        device: Where the model is.
        dtype: Number format of the pictures that it takes.
    """

    torch: Any
    model: Any
    tokenizer: Any
    transform: Any = field(repr=False)
    device: str
    dtype: Any


def locate(option: str, given: str) -> Located:
    """Find a model's architecture and weights, without loading or importing anything large.

    Only `NAME@TAG` imports open_clip, whose table of tags is code.

    Args:
        option: What names the model, for messages, such as `--captioner coca`.
        given: `MODEL` as this module's text tells.

    Raises:
        ConfigError: A package, the architecture or the weights are missing, or they need a hub.
    """
    check_packages(option, "torch", "open_clip")
    name, at, where = given.partition("@")
    if not given or (at and not (name and where)):
        raise ConfigError(f"{option}:{given}: name a model: {option}:coca_ViT-B-32@/path/to/checkpoint.pt")
    if not at:
        return _folder(option, Path(given))
    config, preprocess = _architecture(option, name)
    built_in = not name.endswith(".json")
    if Path(where).is_file():
        return _checked(
            Located(option, Path(name).stem if not built_in else name, config, preprocess, Path(where), built_in)
        )
    if not built_in or "/" in where or Path(where).suffix in {".pt", ".pth", ".bin", ".safetensors"}:
        raise ConfigError(f"{option}:{given}: there is no file {where}: give the path of a checkpoint of {name}")
    weights, preprocess = _tagged(option, name, where)
    return _checked(Located(option, name, {**config, **preprocess.pop("config")}, preprocess, weights, built_in))


def _architecture(option: str, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The architecture of a name or a file, and how its pictures are made ready."""
    if name.endswith(".json"):
        path = Path(name)
    else:
        found = importlib.util.find_spec("open_clip")
        folder = Path(found.origin).parent if found and found.origin else Path()
        path = folder / "model_configs" / f"{name.replace('/', '-')}.json"
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
        config = read.get("model_cfg", read)
        if not {"embed_dim", "vision_cfg", "text_cfg"} <= set(config):
            raise ValueError("it has no embed_dim, vision_cfg and text_cfg")
    except FileNotFoundError:
        raise ConfigError(
            f"{option}:{name}: open_clip knows no such model: give a name of open_clip.list_models(), a config "
            f"of one's own (CONFIG.json@FILE), or a folder with {_CONFIG}"
        ) from None
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigError(f"{option}:{name}: {path.name} is no open_clip model config: {error}") from None
    return config, dict(read.get("preprocess_cfg") or {})


def _folder(option: str, folder: Path) -> Located:
    if not folder.is_dir():
        raise ConfigError(
            f"{option}:{folder}: there is no such folder; give NAME@CHECKPOINT, such as "
            f"coca_ViT-B-32@/path/to/checkpoint.pt, or a folder with {_CONFIG} and weights"
        )
    config, preprocess = _architecture(option, str(folder / _CONFIG))
    for name in _WEIGHTS:
        if (folder / name).is_file():
            return _checked(Located(option, folder.resolve().name, config, preprocess, folder / name, False))
    raise ConfigError(f"{option}:{folder}: there are no weights in it: one of {', '.join(_WEIGHTS)}")


def _tagged(option: str, name: str, tag: str) -> tuple[Path, dict[str, Any]]:
    """The weights that were fetched before for a tag, and how their pictures are made ready."""
    open_clip = package(option, "open_clip")
    known: Mapping[str, Any] = open_clip.get_pretrained_cfg(name, tag)
    if not known:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(name)) or "none"
        raise ConfigError(f"{option}:{name}@{tag}: neither a file nor a tag of {name} ({tags})")
    found = None
    if known.get("hf_hub"):
        hub = package(option, "huggingface_hub")
        repository, _, file = known["hf_hub"].rpartition("/")
        for candidate in [Path(file).with_suffix(".safetensors").name, file] if file else _WEIGHTS:
            at = hub.try_to_load_from_cache(repository, candidate)
            found = found or (at if isinstance(at, str) else None)
    if not found and known.get("url"):
        cached = Path("~/.cache/clip").expanduser() / known["url"].rpartition("/")[2]
        found = str(cached) if cached.is_file() else None
    if not found:
        raise ConfigError(
            f"{option}:{name}@{tag}: its weights are not in the local cache, and nothing is downloaded during a job: "
            f'fetch them once with python -c "import open_clip; open_clip.create_model({name!r}, {tag!r})"'
        )
    fields = ("mean", "std", "interpolation", "resize_mode")
    preprocess = {key: known[key] for key in fields if known.get(key) is not None}
    # A tag may have been trained with the other activation; open_clip itself only warns.
    return Path(found), preprocess | {"config": {"quick_gelu": True} if known.get("quick_gelu") else {}}


def _checked(located: Located) -> Located:
    text = located.config["text_cfg"]
    for key in ("hf_model_name", "hf_tokenizer_name"):
        if text.get(key):
            raise ConfigError(
                f"{located.option}:{located.name}: its text part is {text[key]} of a hub, which a job does not ask: "
                "choose a model with open_clip's own text tower and tokenizer"
            )
    if "timm_model_name" in located.config["vision_cfg"]:
        check_packages(located.option, "timm")
    return located


def load(located: Located, device: str, dtype: str) -> Loaded:
    """Load a model; the random generators of the process stay as they are.

    Args:
        located: Where it lies.
        device: The setting of that name.
        dtype: The setting of that name.

    Raises:
        ConfigError: The weights are not of that architecture, or cannot be read.
    """
    torch, open_clip = package(located.option, "torch"), package(located.option, "open_clip")
    device = device_of(torch, device)
    precision = _PRECISION[dtype_of(torch, dtype, device)]
    with tempfile.TemporaryDirectory() as folder, torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # A name of its own in open_clip's list, where one config must not take another's place.
        text = json.dumps(located.config, sort_keys=True)
        name = f"{Path(located.name).name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
        config = Path(folder) / f"{name}.json"
        config.write_text(text, encoding="utf-8")
        open_clip.add_model_config(config)
        try:
            model = open_clip.create_model(
                config.stem,
                pretrained=str(located.weights),
                precision=precision,
                device=device,
                force_preprocess_cfg=dict(located.preprocess) or None,
            )
            tokenizer = open_clip.get_tokenizer(config.stem)
        except Exception as error:  # whatever torch, pickle and open_clip make of a wrong file
            said = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            raise ConfigError(
                f"{located.option}: {located.weights} cannot be loaded as {located.name}: {said}"
            ) from error
    model.eval()
    transform = importlib.import_module("open_clip.transform")
    how = transform.PreprocessCfg(**model.visual.preprocess_cfg)
    return Loaded(
        torch=torch,
        model=model,
        tokenizer=tokenizer,
        transform=transform.image_transform_v2(how, is_train=False),
        device=device,
        dtype=open_clip.get_input_dtype(precision) or torch.float32,
    )


class OpenClip:
    """A model that is looked for when its name is asked for, and loaded when it is used.

    Args:
        settings: With `model`, `device` and `dtype`.

    Attributes:
        option: What names it, for messages.
    """

    option: ClassVar[str]
    settings: Any

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    def __getstate__(self) -> dict[str, Any]:
        return {"settings": self.settings}

    def suits(self, located: Located) -> None:
        """Look at an architecture before it is loaded.

        Raises:
            ConfigError: It cannot do what is wanted.
        """

    @functools.cached_property
    def _located(self) -> Located:
        found = locate(self.option, self.settings.model)
        self.suits(found)
        return found

    @property
    def model(self) -> str:
        """Name of the architecture or of the model's folder."""
        return self._located.name

    @functools.cached_property
    def revision(self) -> str:
        """Digest of the weights."""
        return self._located.revision

    def check(self) -> None:
        """See that packages and weights are there.

        Raises:
            ConfigError: Something is missing.
        """
        self._located  # noqa: B018  (finding it is the check)

    @functools.cached_property
    def loaded(self) -> Loaded:
        """The model with its weights.

        Raises:
            ConfigError: They cannot be loaded.
        """
        return load(self._located, self.settings.device, self.settings.dtype)

    def load(self) -> None:
        """Load the weights, once.

        Raises:
            ConfigError: They cannot be loaded.
        """
        self.loaded  # noqa: B018  (asking for it loads it)
