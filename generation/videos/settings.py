"""Settings of the `videos-api` engine: which server, how it is spoken to, what it can, and what it costs.

A server of this format does not say what it can, what it costs or on what terms. So all of it is set, and what is not
set is taken to be the least: no price means that nothing is ever sent.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final

from generation.engines.engine import Licence, Offer, Price
from generation.request import MODES
from transforms.settings import ConfigError, setting

MICRO: Final = 1_000_000
"""Micro-units of a unit of currency."""

_ANY_HEIGHT: Final = 1 << 31
_SIZE: Final = re.compile(r"([0-9]{2,5})x([0-9]{2,5})")
_ROLES: Final = {
    "image": ("image",),
    "frames": ("first_frame", "last_frame"),
    "video": ("video",),
    "extend": ("video",),
    "remix": ("video",),
    "fill": ("video", "mask"),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dialect:
    """What the servers of one program add to the format.

    Attributes:
        about: Which servers.
        exact: They take width, height or frames and a rate, and not only a size and seconds.
        pixels: They take `width` and `height` beside `size`.
        seed: They take a seed; 31 bits.
        negative: They take a negative prompt.
        sound: The field that asks for sound; empty: there is none.
        video: The field of the create call that takes a video; empty: videos go to `edits` and `extensions`.
    """

    about: str
    exact: bool = False
    pixels: bool = False
    seed: bool = False
    negative: bool = False
    sound: str = ""
    video: str = ""


DIALECTS: Final[Mapping[str, Dialect]] = {
    "openai": Dialect(about="OpenAI's own fields and no more: gateways, and what they stand before"),
    "vllm-omni": Dialect(
        about="vLLM-Omni, and Dynamo before it",
        exact=True,
        pixels=True,
        seed=True,
        negative=True,
        sound="generate_sound",
        video="input_reference",
    ),
    "sglang": Dialect(about="SGLang Diffusion", exact=True, seed=True, negative=True, video="video_reference"),
    "fastvideo": Dialect(about="FastVideo", exact=True, seed=True, negative=True, video="input_reference"),
}
"""Dialects, as their servers' forms take fields (November 2026)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class VideosApiSettings:
    """Which server is asked, and what it is known to do."""

    model: str = setting("", "Name of the model, as the server knows it")
    url: str = setting("http://localhost:8000/v1", "Address of the server, up to /v1", source="vLLM's default")
    key_env: str = setting("", "Name of the environment variable that holds the key", scale=True)
    dialect: str = setting("openai", "Which fields the server takes", choices=tuple(DIALECTS))
    revision: str = setting("", "Revision of the model, where its provider tells one")
    modes: tuple[str, ...] = setting(("text", "image"), "What it can be asked for", choices=tuple(MODES))
    extend_by: str = setting(
        "last-frame",
        "How a video is gone on with: 'extensions', the call of that name, which gives the whole; or 'last-frame', an "
        "image request that begins with it",
        choices=("extensions", "last-frame"),
    )
    sizes: tuple[str, ...] = setting((), "Sizes it makes, as 1280x720,720x1280; empty: any that fits the next three")
    multiple: int = setting(16, "Both sides are a multiple of this", unit="px", low=1, high=256, source="Wan 2.1")
    least: int = setting(128, "Smallest side", unit="px", low=16, high=8192)
    most: int = setting(1920, "Largest side", unit="px", low=16, high=8192)
    frame_rates: tuple[str, ...] = setting((), "Frame rates it makes, as 24 or 24000/1001; empty: any")
    frame_step: int = setting(1, "Frames are a multiple of this, plus frame_offset", low=1, high=64)
    frame_offset: int = setting(0, "See frame_step; Wan: 4n + 1, LTX: 8n + 1", low=0, high=64)
    seconds: tuple[float, ...] = setting((), "Lengths it makes; empty: from shortest to longest", unit="s")
    shortest: float = setting(1.0, "Shortest video", unit="s", low=0.1, high=3600)
    longest: float = setting(10.0, "Longest video", unit="s", low=0.1, high=3600)
    sound: bool = setting(False, "It makes sound with the picture")
    languages: tuple[str, ...] = setting((), "Languages of prompts; empty: any")
    price: str = setting(
        "", "Price of a second, by the height of the smaller side up to which it holds: '480:0.03 720:0.10', or '0.10'"
    )
    price_request: str = setting("", "Price of each request beside its seconds, as 0.01")
    currency: str = setting("USD", "Currency of the prices, ISO 4217")
    price_as_of: str = setting("", "Date of the price list, as 2026-11-01")
    price_source: str = setting("", "Where the price list stands")
    licence: str = setting("", "Licence or terms that outputs come under")
    licence_source: str = setting("", "Where they stand")
    commercial: bool = setting(False, "Outputs may be used in advertising")
    not_in: tuple[str, ...] = setting((), "Countries in which the licence does not hold, ISO 3166-1 alpha-2")
    idempotent: bool = setting(False, "The server makes one job of one Idempotency-Key, however often it is sent")
    findable: bool = setting(False, "The server lists all jobs; what is not in its list does not exist")
    label: str = setting(
        "", "Field of the form that the server gives back with a job, such as 'user' or 'metadata'; empty: none"
    )
    rewrites: str = setting("unknown", "What the provider does to prompts", choices=("off", "unknown"))
    extra: str = setting("", 'More fields of every request, as a JSON object such as {"guidance_scale": 4}')
    in_flight: int = setting(8, "Most jobs at once, over all workers", low=1, high=100_000)
    per_minute: int = setting(0, "Most submits a minute, over all workers; 0: no limit", low=0, high=100_000)
    connect_timeout: float = setting(10.0, "Longest time to connect", unit="s", low=0.05, high=600, scale=True)
    timeout: float = setting(120.0, "Longest silence of the server", unit="s", low=0.05, high=3600, scale=True)
    most_mb: int = setting(2048, "Largest file that is fetched", unit="MB", low=1, high=1_000_000, scale=True)
    content_hosts: tuple[str, ...] = setting(
        (), "Other hosts that the server may send us to for a file; empty: any public one, by https", scale=True
    )


def offer_of(settings: VideosApiSettings) -> Offer:
    """What the settings say that the engine does.

    Raises:
        ConfigError: A price, size or length is none.
    """
    dialect = DIALECTS[settings.dialect]
    if settings.shortest > settings.longest:
        raise ConfigError(f"shortest={settings.shortest:g}: longer than longest={settings.longest:g}")
    roles = {role for mode in settings.modes for role in _ROLES.get(mode, ())}
    return Offer(
        model=settings.model,
        revision=settings.revision,
        modes=frozenset(settings.modes),
        roles=frozenset(roles),
        sizes=tuple(_size(word) for word in settings.sizes),
        multiple=settings.multiple,
        least=settings.least,
        most=settings.most,
        frame_rates=settings.frame_rates,
        frame_step=settings.frame_step,
        frame_offset=settings.frame_offset,
        seconds=tuple(sorted(settings.seconds)),
        shortest=min(settings.seconds, default=settings.shortest),
        longest=max(settings.seconds, default=settings.longest),
        sound=settings.sound,
        negative=dialect.negative,
        seed_bits=31 if dialect.seed else 0,
        languages=settings.languages,
        price=Price(
            per_second=_prices(settings.price),
            per_request=micro("price_request", settings.price_request or "0"),
            currency=settings.currency,
            as_of=settings.price_as_of,
            source=settings.price_source,
        ),
        licence=Licence(
            name=settings.licence,
            commercial=settings.commercial,
            not_in=tuple(sorted(settings.not_in)),
            source=settings.licence_source,
        ),
        idempotent=settings.idempotent,
        findable=settings.findable,
        rewrites=settings.rewrites,
        in_flight=settings.in_flight,
        per_minute=settings.per_minute,
    )


def micro(option: str, text: str) -> int:
    """An amount of money in micro-units.

    Args:
        option: Whose value it is, for the message.
        text: A decimal number such as `0.10`.

    Raises:
        ConfigError: It is none, is negative, or is finer than a micro-unit.
    """
    try:
        amount = Decimal(text) * MICRO
    except InvalidOperation:
        amount = Decimal("nan")
    if not amount.is_finite() or amount < 0 or amount != amount.to_integral_value():
        raise ConfigError(f"{option}={text}: no amount of money; give a decimal number such as 0.10")
    return int(amount)


def _prices(text: str) -> dict[int, int]:
    words = text.split()
    if len(words) == 1 and ":" not in text:
        return {_ANY_HEIGHT: micro("price", text)}
    found = {}
    for word in words:
        height, colon, amount = word.partition(":")
        if not colon or not height.isdecimal():
            raise ConfigError(f"price={text}: give it as '480:0.03 720:0.10' or as '0.10'")
        found[int(height)] = micro("price", amount)
    return found


def _size(word: str) -> tuple[int, int]:
    found = _SIZE.fullmatch(word)
    if found is None:
        raise ConfigError(f"sizes: {word!r} is no size; give it as 1280x720")
    return int(found[1]), int(found[2])
