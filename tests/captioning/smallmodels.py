"""Small models of true architectures, trained on rendered scenes until they are right, saved as their libraries do.

A scene is one coloured shape that moves one way over a dark or a light ground. `train_coca` trains an open_clip CoCa
to say what is in one frame, `train_vlm` a SmolVLM to say which way it moves as well, from several. Each takes about a
minute of a core. What they are tested on are scenes that were never trained on: other seeds, so other places, sizes,
shades and paces.
"""

from __future__ import annotations

import dataclasses
import fcntl
import functools
import hashlib
import importlib
import importlib.util
import io
import itertools
import json
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from captioning.captioner import Frame, Window
from captioning.prompt import read_prompt

COLOURS = {"red": (215, 40, 40), "green": (40, 180, 60), "blue": (50, 80, 225), "yellow": (235, 215, 50)}
SHAPES = ("ring", "square", "cross")
MOTIONS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
GROUNDS = {"dark": (20, 60), "light": (150, 195)}
SECONDS = 2.0
"""Length of a scene."""

FRAMES = 4
"""Frames that the VLM is shown."""


@dataclass(frozen=True)
class Scene:
    """What is seen, and the seed of all that is not said of it."""

    colour: str
    shape: str
    motion: str
    ground: str
    seed: int

    @property
    def size(self) -> float:
        """From the middle of the shape to its edge, in sides of the picture."""
        return float(np.random.default_rng([self.seed, 1]).uniform(0.17, 0.23))

    def centre(self, at: float) -> tuple[float, float]:
        """Where the middle of the shape is at a share of the scene's length, in sides of the picture."""
        rng = np.random.default_rng([self.seed, 2])
        travel, across = rng.uniform(0.3, 0.45), rng.uniform(0.25, 0.75)
        along = rng.uniform(self.size, 1 - self.size - travel) + travel * at
        dx, dy = MOTIONS[self.motion]
        place = along if dx + dy > 0 else 1 - along
        return (place, across) if dx else (across, place)

    def picture(self, at: float, side: int = 96) -> Image.Image:
        """The scene at a share of its length, 0..1, as a square RGB picture."""
        rng = np.random.default_rng(self.seed)
        level = rng.integers(*GROUNDS[self.ground])
        tint = rng.integers(-15, 16, 3)
        slope = rng.uniform(-20, 20, 2)
        y, x = np.mgrid[0:side, 0:side] / side - 0.5
        ground = (level + tint)[None, None] + (slope[0] * x + slope[1] * y)[..., None]
        shade = np.array(COLOURS[self.colour]) + rng.integers(-18, 19, 3)
        picture = Image.fromarray(np.clip(ground, 0, 255).astype(np.uint8)).resize((4 * side, 4 * side), 0)
        draw = ImageDraw.Draw(picture)
        cx, cy, r = (4 * side * value for value in (*self.centre(at), self.size))
        fill = tuple(int(value) for value in np.clip(shade, 0, 255))
        if self.shape == "ring":
            draw.ellipse((cx - r, cy - r, cx + r, cy + r), outline=fill, width=round(0.4 * r))
        elif self.shape == "square":
            draw.rectangle((cx - 0.8 * r, cy - 0.8 * r, cx + 0.8 * r, cy + 0.8 * r), fill=fill)
        else:
            draw.rectangle((cx - r, cy - 0.25 * r, cx + r, cy + 0.25 * r), fill=fill)
            draw.rectangle((cx - 0.25 * r, cy - r, cx + 0.25 * r, cy + r), fill=fill)
        return picture.resize((side, side), Image.Resampling.BOX)

    def frame(self, at: float, side: int = 96) -> Frame:
        """The same as a stored frame."""
        file = io.BytesIO()
        self.picture(at, side).save(file, "JPEG", quality=90)
        return Frame(at * SECONDS, file.getvalue())

    def window(self, kind: str = "short", frames: int = FRAMES, clip: str = "") -> Window:
        """The whole scene as a window with so many frames, spread over it."""
        return Window(
            clip={"clip_id": clip or f"clip{self.seed}", "video_id": f"video{self.seed}"},
            kind=kind,
            index=0,
            count=1,
            start=0.0,
            end=SECONDS,
            frames=tuple(self.frame((n + 0.5) / frames) for n in range(frames)),
        )

    @property
    def still(self) -> str:
        """What can be said of one frame."""
        return f"a {self.colour} {self.shape} on a {self.ground} background"

    @property
    def told(self) -> dict[str, str]:
        """What is said of all, by kind."""
        return {
            "short": f"A {self.colour} {self.shape} moves {self.motion} on a {self.ground} background.",
            "dense": (
                f"The subject is a {self.colour} {self.shape}. It moves {self.motion}. The setting is a {self.ground} "
                "background. The camera stands still. The light is even. The style is a drawing."
            ),
        }


def scenes(count: int, seed: int) -> list[Scene]:
    """Scenes in which every colour, shape, motion and ground comes as often; another seed gives none of the same."""
    kinds = list(itertools.product(COLOURS, SHAPES, MOTIONS, GROUNDS))
    order = np.random.default_rng(seed).permutation(max(count, len(kinds)))[:count].tolist()
    found = []
    for number, place in enumerate(order):
        colour, shape, motion, ground = kinds[place % len(kinds)]
        found.append(Scene(colour, shape, motion, ground, seed * 1_000_000 + number))
    return found


def _torch(seed: int) -> Any:
    torch: Any = importlib.import_module("torch")
    torch.manual_seed(seed)
    torch.set_num_threads(1)  # for models as small as these, threads do nothing but wait for each other
    return torch


def _rates(steps: int, peak: float) -> Iterator[float]:
    """Learning rates that rise over a tenth of the steps and fall to nothing."""
    for step in range(steps):
        yield peak * min((step + 1) / (0.1 * steps), 0.5 + 0.5 * math.cos(math.pi * step / steps))


def _learn(torch: Any, weights: Sequence[Any], rates: Iterator[float], loss_of: Callable[[], Any]) -> None:
    """Lower a loss, a step for each learning rate."""
    optimizer = torch.optim.AdamW(weights, lr=1.0, weight_decay=0.01)
    for rate in rates:
        loss = loss_of()
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()


def _turned(torch: Any, images: Any) -> Any:
    """Pictures mirrored, transposed and moved a little, by chance: every shape stays what it is."""
    for way in (-1, -2):
        images = images.flip(way) if torch.rand(()) < 0.5 else images
    images = images.mT if torch.rand(()) < 0.5 else images
    return torch.roll(images, torch.randint(-3, 4, (2,)).tolist(), (-2, -1))


_BINS = 8
"""Into how many columns and rows a place is told apart while training."""
_TURNS = {
    "mirrored": {"left": "right", "right": "left", "up": "up", "down": "down"},
    "transposed": {"left": "up", "right": "down", "up": "left", "down": "right"},
}
"""Which way things move when a picture is turned."""

# CoCa --------------------------------------------------------------------------------------------------------------

COCA_CONFIG = {
    "embed_dim": 64,
    "vision_cfg": {
        "image_size": 48,
        "layers": 2,
        "width": 64,
        "head_width": 16,
        "patch_size": 8,
        "attentional_pool": True,
        "attn_pooler_heads": 4,
        "attn_pooler_queries": 8,
        "output_tokens": True,
    },
    "text_cfg": {
        "context_length": 12,
        "vocab_size": 49408,
        "width": 64,
        "heads": 4,
        "layers": 1,
        "embed_cls": True,
        "output_tokens": True,
    },
    "multimodal_cfg": {
        "context_length": 12,
        "vocab_size": 49408,
        "width": 64,
        "heads": 4,
        "layers": 1,
        "attn_pooler_heads": 4,
    },
    "custom_text": True,
}
"""A CoCa in open_clip's own notation, with its vocabulary whole."""


def train_coca(folder: Path, steps: int = 450, batch: int = 48, seed: int = 1) -> str:
    """Train a CoCa and save its config and checkpoint.

    Returns:
        The captioner's `MODEL`: `CONFIG.json@CHECKPOINT`.
    """
    torch, open_clip = _torch(seed), importlib.import_module("open_clip")
    config, checkpoint = folder / "coca_small.json", folder / "coca_small.pt"
    config.write_text(json.dumps(COCA_CONFIG))
    open_clip.add_model_config(config)
    model, _, transform = open_clip.create_model_and_transforms(config.stem)
    tokenizer: Any = open_clip.get_tokenizer(config.stem)
    seen = scenes(1920, seed)
    images = torch.stack([transform(scene.picture((n % 8 + 0.5) / 8, 48)) for n, scene in enumerate(seen)])
    sentences = sorted({scene.still for scene in seen})
    texts = tokenizer(sentences)
    classes = torch.tensor([sentences.index(scene.still) for scene in seen])
    # Of 49,408 words a dozen are ever said. The others share one column of the output, which stands for them all while
    # training: the same loss at a thousandth of the cost.
    used = texts.unique()
    place = torch.zeros(49408, dtype=torch.int64)
    place[used] = torch.arange(len(used))
    others = 49408 - len(used)
    whole = model.text_decoder.text_projection
    small = torch.nn.Parameter(torch.randn(whole.shape[0], len(used) + 1) * 0.02)
    model.text_decoder.text_projection = small
    # Words can be told apart as they were drawn.
    model.text.token_embedding.weight.requires_grad_(False)
    # A head that is thrown away tells the picture's part early what matters.
    head = torch.nn.Linear(COCA_CONFIG["embed_dim"], len(sentences))
    learning = [weight for weight in [*model.parameters(), *head.parameters()] if weight.requires_grad]
    entropy = torch.nn.functional.cross_entropy

    def loss_of() -> Any:
        picked = torch.randint(len(seen), (batch,))
        said = texts[classes[picked]]
        made = model(_turned(torch, images[picked]), said)
        logits = torch.cat([made["logits"][..., :-1], made["logits"][..., -1:] + math.log(others)], -1)
        target = torch.where(said[:, 1:] == 0, -100, place[said[:, 1:]])
        alike = made["logit_scale"] * made["image_features"] @ model.encode_text(texts).T
        guess = head(8 * made["image_features"])
        contrasted = entropy(alike, classes[picked]) + entropy(guess, classes[picked])
        return entropy(logits.transpose(1, 2), target, ignore_index=-100) + 0.5 * contrasted

    model.train()
    _learn(torch, learning, _rates(steps, 1.5e-3), loss_of)
    with torch.no_grad():
        whole.copy_(small[:, -1:].expand_as(whole))
        whole[:, used] = small[:, :-1]
    model.text_decoder.text_projection = whole
    torch.save({"state_dict": model.state_dict()}, checkpoint)
    return f"{config}@{checkpoint}"


# SmolVLM -----------------------------------------------------------------------------------------------------------

PROMPTS = {
    "short": "# version: 1\nSay what $frames show over $seconds.\n",
    "dense": "# version: 1\nTell all about $frames over $seconds.\n",
}
"""What the VLM was tuned on, as files for the setting `prompt`: it knows few words."""

_TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}: "
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)
"""As SmolVLM writes a conversation."""
_SPECIAL = ("<|im_start|>", "<end_of_utterance>", "<fake_token_around_image>", "<image>", "<global-img>", "<pad>")


def tokenizer_of(texts: Sequence[str], special: Sequence[str]) -> Any:
    """A tokenizer of the words of some texts, in the library's own class; the last of `special` pads."""
    tokenizers, transformers = importlib.import_module("tokenizers"), importlib.import_module("transformers")
    pattern = tokenizers.Regex(r" ?[A-Za-z]+|[0-9]|\s+|[^\sA-Za-z0-9]")
    cut = tokenizers.pre_tokenizers.Split(pattern, "isolated")
    words = {word for text in texts for word, _ in cut.pre_tokenize_str(text)} | set("0123456789.\n ")
    vocabulary = {word: n for n, word in enumerate([*special, "<unk>", *sorted(words)])}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = cut
    made.decoder = tokenizers.decoders.Fuse()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made,
        bos_token=special[0],
        eos_token=special[1],
        pad_token=special[-1],
        unk_token="<unk>",
        additional_special_tokens=list(special[2:-1]),
    )


def make_smolvlm(side: int = 48) -> tuple[Any, Any]:
    """A SmolVLM (which is an Idefics3) and its processor, untrained."""
    transformers: Any = importlib.import_module("transformers")
    said = [text for scene in scenes(96, 0) for text in scene.told.values()]
    asked = [read_prompt(kind, prompt).filled(count, 1.0) for kind, prompt in PROMPTS.items() for count in (1, FRAMES)]
    tokenizer = tokenizer_of([*asked, *(f" {text}" for text in said), "User: Assistant:"], _SPECIAL)
    ids = tokenizer.convert_tokens_to_ids
    image_processor = transformers.Idefics3ImageProcessor(
        size={"longest_edge": side}, max_image_size={"longest_edge": side}
    )
    processor = transformers.Idefics3Processor(
        image_processor, tokenizer, image_seq_len=(side // 8 // 3) ** 2, chat_template=_TEMPLATE
    )
    config = transformers.Idefics3Config(
        image_token_id=ids("<image>"),
        scale_factor=3,
        pad_token_id=ids("<pad>"),
        vision_config={
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "image_size": side,
            "patch_size": 8,
            "initializer_range": 0.1,  # for models as narrow as this
        },
        text_config={
            "model_type": "llama",
            "vocab_size": len(tokenizer),
            "hidden_size": 96,
            "intermediate_size": 192,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "max_position_embeddings": 512,
            "initializer_range": 0.08,
            "bos_token_id": ids(_SPECIAL[0]),
            "eos_token_id": ids(_SPECIAL[1]),
            "pad_token_id": ids("<pad>"),
        },
    )
    model = transformers.Idefics3ForConditionalGeneration(config)
    model.generation_config.eos_token_id = ids(_SPECIAL[1])
    model.generation_config.pad_token_id = ids("<pad>")
    return model, processor


def train_vlm(folder: Path, frame_steps: int = 300, word_steps: int = 800, seed: int = 2) -> str:
    """Train a SmolVLM and save it with its processor and its prompts.

    Returns:
        What names it to the captioner: `MODEL,prompt=FOLDER`.
    """
    torch = _torch(seed)
    model, processor = make_smolvlm()
    seen = scenes(768, seed)
    pictures = [[scene.picture((n + 0.5) / FRAMES, 48) for n in range(FRAMES)] for scene in seen]
    shown = processor.image_processor(pictures, do_image_splitting=False, return_tensors="pt")["pixel_values"]
    model.train()
    _learn_to_see(torch, model, seen, shown, frame_steps, seed)
    _learn_to_speak(torch, model, seen, shown, asked_of(processor), processor.tokenizer, word_steps, seed)
    home, prompts = folder / "smolvlm_small", folder / "prompts"
    model.save_pretrained(home)
    processor.save_pretrained(home)
    prompts.mkdir(exist_ok=True)
    for kind, prompt in PROMPTS.items():
        (prompts / f"{kind}.txt").write_text(prompt)
    return f"{home},prompt={prompts}"


def asked_of(processor: Any) -> dict[str, list[int]]:
    """The tokens of the question of each kind, with the places of its frames."""
    asked = {}
    blank = [[Image.new("RGB", (48, 48))] * FRAMES]
    for kind, prompt in PROMPTS.items():
        filled = read_prompt(kind, prompt).filled(FRAMES, SECONDS)
        content = [{"type": "image"}] * FRAMES + [{"type": "text", "text": filled}]
        text = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
        made = processor(text=text, images=blank, do_image_splitting=False, add_special_tokens=False)
        asked[kind] = made["input_ids"][0]
    return asked


def _features(torch: Any, model: Any, images: Any) -> Any:
    """What the picture's part makes of (n, m, 3, height, width): (n, tokens, width)."""
    found = torch.cat(list(model.get_image_features(images).pooler_output))
    return found.reshape(len(images), -1, found.shape[-1])


def _learn_to_see(torch: Any, model: Any, seen: Sequence[Scene], shown: Any, steps: int, seed: int) -> None:
    """Train the picture's part frame by frame, under heads that are thrown away: what it is, and where."""
    rng, entropy = np.random.default_rng(seed), torch.nn.functional.cross_entropy
    width = model.config.text_config.hidden_size
    parts = {"colour": tuple(COLOURS), "shape": SHAPES, "ground": tuple(GROUNDS)}
    heads = torch.nn.ModuleDict({part: torch.nn.Linear(width, len(names)) for part, names in parts.items()})
    where = torch.nn.Linear(width, 2 * _BINS)
    frames = shown.flatten(0, 1)
    truth = {
        part: torch.tensor([names.index(getattr(scene, part)) for scene in seen for _ in range(FRAMES)])
        for part, names in parts.items()
    }
    places = torch.tensor([scene.centre((n + 0.5) / FRAMES) for scene in seen for n in range(FRAMES)])

    def loss_of() -> Any:
        picked = torch.from_numpy(rng.integers(len(frames), size=64))
        images, at = frames[picked], places[picked]
        if rng.random() < 0.5:
            images, at = images.flip(-1), torch.stack([1 - at[:, 0], at[:, 1]], 1)
        if rng.random() < 0.5:
            images, at = images.mT, at.flip(-1)
        known = _features(torch, model, images[:, None]).mean(1)
        bins = (at * _BINS).long().clamp(0, _BINS - 1)
        lost = [entropy(heads[part](known), truth[part][picked]) for part in parts]
        return sum(lost) + entropy(where(known).reshape(-1, _BINS, 2), bins)

    seeing = (model.model.vision_model, model.model.connector, heads, where)
    _learn(torch, [weight for part in seeing for weight in part.parameters()], _rates(steps, 2e-3), loss_of)


def _learn_to_speak(
    torch: Any,
    model: Any,
    seen: Sequence[Scene],
    shown: Any,
    asked: dict[str, list[int]],
    tokenizer: Any,
    steps: int,
    seed: int,
) -> None:
    """Train the language model over what the picture's part makes of every scene, turned in every way."""
    rng = np.random.default_rng(seed)
    turned: list[tuple[Any, list[Scene]]] = []
    with torch.no_grad():
        for turns in ((), ("mirrored",), ("transposed",), ("mirrored", "transposed")):
            images, told = shown, list(seen)
            for turn in turns:
                images = images.flip(-1) if turn == "mirrored" else images.mT
                told = [dataclasses.replace(scene, motion=_TURNS[turn][scene.motion]) for scene in told]
            turned.append((_features(torch, model, images), told))

    def loss_of() -> Any:
        kind = "dense" if rng.random() < 0.25 else "short"
        picked = rng.integers(len(seen), size=24)
        known, told = turned[rng.integers(len(turned))]
        answers = [tokenizer(f" {told[k].told[kind]}", add_special_tokens=False)["input_ids"] for k in picked]
        # Every answer of a kind has as many words.
        tokens = torch.tensor([[*asked[kind], *answer, tokenizer.eos_token_id] for answer in answers])
        labels = tokens.clone()
        labels[:, : len(asked[kind])] = -100
        places = (tokens == model.config.image_token_id)[..., None]
        embedded = model.get_input_embeddings()(tokens).masked_scatter(places, known[picked])
        return model(inputs_embeds=embedded, labels=labels).loss

    speaking = (model.model.text_model, model.lm_head)
    _learn(torch, [weight for part in speaking for weight in part.parameters()], _rates(steps, 2e-3), loss_of)


# Fixtures ----------------------------------------------------------------------------------------------------------


@functools.cache
def trained(train: Callable[[Path], str]) -> str:
    """What a training function returns, called once a run of pytest, however many processes it has.

    Where the variable RUSHES_SMALL_MODELS names a folder, the models stay there for later runs.
    """
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or str(os.getpid())
    kept = os.environ.get("RUSHES_SMALL_MODELS") or f"{tempfile.gettempdir()}/rushes-small-{run}"
    source = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    folder = Path(kept) / f"{train.__name__}-{source}"
    folder.mkdir(parents=True, exist_ok=True)
    said = folder / "said.txt"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not said.exists():
            said.write_text(train(folder))
    return said.read_text()


def _needs(*names: str) -> None:
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed (extra models)")


@pytest.fixture(scope="session")
def small_coca() -> str:
    """A trained CoCa as `--captioner coca:` takes it; about a minute, so for tests marked slow."""
    _needs("torch", "open_clip")
    return trained(train_coca)


@pytest.fixture(scope="session")
def small_vlm() -> str:
    """A trained SmolVLM as `--captioner vlm:` takes it, with its prompts; about a minute, so for tests marked slow."""
    _needs("torch", "torchvision", "transformers")
    return trained(train_vlm)
