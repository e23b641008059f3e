"""Campaign files: read, checked, and told with their lines what is wrong with them, all of it at once."""

from __future__ import annotations

import difflib
import hashlib
import os
import posixpath
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pydantic

from generation import campaign as models
from generation import campaign_checks, rows
from generation.asset import File
from generation.campaign import Campaign
from generation.cells import tiers_used
from generation.engines.engine import Offer, load_engine
from generation.marks import Marked, Path, read_marked
from generation.values import MEANT
from transforms import storage
from transforms.failures import ElementError
from transforms.settings import ConfigError

MOST_BYTES: Final = 64 * 2**20
"""Largest campaign file, in bytes."""
SHOWN: Final = 50
"""Errors that are told at once."""

Error = tuple[Path, str]
"""What is wrong: where, and in words."""

_PLAINER: Final[Mapping[str, str]] = {
    "missing": "it is needed and not there",
    "extra_forbidden": "there is no such name here",
    "string_type": "a text is needed",
    "too_short": "at least one is needed",
}
"""What some kinds of error are called, for people who don't know the library."""


def load_campaign(uri: str) -> Campaign:
    """Read a campaign, with the rows and the digests of the files that it names. Nothing is written.

    Files are named from the folder of the campaign, or by a whole path or uri.

    Args:
        uri: Where it is: a path, or an `s3://` or `gs://` uri.

    Raises:
        ConfigError: Something is wrong; a line for each thing: `campaign.yaml:17: formats.story.seconds: ...`.
    """
    name = posixpath.basename(uri.replace("\\", "/"))
    try:
        data = storage.read_bytes(uri)
        text = data.decode("utf-8-sig")
    except ElementError as error:
        raise ConfigError(f"{storage.redact(uri)}: {error.message}") from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{name}:{line}: letters that are no UTF-8: save the file as UTF-8") from None
    if len(data) > MOST_BYTES:
        raise ConfigError(
            f"{name}: {len(data):,} bytes; a campaign has at most {MOST_BYTES:,}; rows go in a file beside"
        )
    folder = uri[: len(uri) - len(name)]
    return parse_campaign(name, text, lambda named: named if _whole(named) else storage.join(folder or ".", named))


def parse_campaign(name: str, text: str, place: Callable[[str], str]) -> Campaign:
    """A campaign from its text.

    Args:
        name: Name of the file, for messages.
        text: What is in it.
        place: The uri of a file that the campaign names.

    Raises:
        ConfigError: As `load_campaign`.
    """
    marked = read_marked(name, text)
    if not isinstance(marked.values, dict):
        raise ConfigError(f"{name}:1: a campaign is a mapping of names, such as `campaign: spring`")
    try:
        found = Campaign.model_validate(marked.values)
    except pydantic.ValidationError as error:
        raise _told(marked, _plain(error)) from None
    lines, every = None, None
    if found.matrix.rows:
        try:
            lines = rows.read_rows(place(found.matrix.rows), found.matrix.rows)
        except ConfigError as error:
            raise _told(marked, [(("matrix", "rows"), str(error))]) from None
        every = tuple(row for _, row in lines)
    files: dict[str, File] = {}
    errors = list(_opened(found, place, files))
    found = found.hold(files, every, marked)
    errors += campaign_checks.errors(found, lines)
    if errors:
        raise _told(marked, errors)
    return found


def with_engine(campaign: Campaign, spec: str) -> Campaign:
    """The same campaign with another engine in the tier that is used where the matrix names none.

    Args:
        campaign: The campaign.
        spec: `NAME[:MODEL][,SETTING=VALUE...]`.
    """
    name, tier = next(iter(campaign.tiers.items()))
    return campaign.model_copy(update={"tiers": {**campaign.tiers, name: tier.model_copy(update={"engine": spec})}})


def load_offers(campaign: Campaign) -> dict[str, Offer]:
    """What the engine of every tier that is used declares of itself. Nothing is contacted.

    Raises:
        ConfigError: There is no such engine, or a setting of it is wrong, with the line.
    """
    offers, errors = {}, []
    for name in tiers_used(campaign):
        try:
            offers[name] = load_engine(campaign.tiers[name].engine).offer
        except ConfigError as error:
            errors.append(campaign.error(("tiers", name, "engine"), str(error)))
    if errors:
        raise ConfigError("\n".join(errors))
    return offers


def schema() -> dict[str, Any]:
    """The JSON schema of campaigns (draft 2020-12)."""
    made = Campaign.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": "rushes campaign"}


def _whole(named: str) -> bool:
    return storage.is_remote(named) or posixpath.isabs(named)


def _opened(found: Campaign, place: Callable[[str], str], files: dict[str, File]) -> Iterator[Error]:
    """Digests of all files that a campaign names, into `files`; what cannot be read is an error."""
    for path, named in found.named_files():
        if named in files:
            continue
        uri = place(named)
        try:
            if storage.is_remote(uri):
                digest = hashlib.sha256(storage.read_bytes(uri)).hexdigest()
            else:
                uri = os.path.abspath(uri)  # A run that goes on may stand in another folder.
                with open(uri, "rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
            files[named] = File(uri=uri, sha256=digest)
        except ElementError as error:
            yield path, error.message
        except OSError as error:
            yield path, f"{named}: {error.strerror or error}; files are named from the campaign's folder"


def _plain(error: pydantic.ValidationError) -> Iterator[Error]:
    """Errors of the models in plain words."""
    for one in error.errors(include_url=False):
        path = tuple(part for part in one["loc"] if part != "[key]")
        words = _PLAINER.get(one["type"], one["msg"].removeprefix("Value error, "))
        if one["type"] == "extra_forbidden":
            near = difflib.get_close_matches(str(path[-1]), _every_name(), 1)
            words += f"; did you mean {near[0]}?" if near else ""
        elif one["type"] == "string_pattern_mismatch":
            words = f"{one['input']!r} is not {MEANT[one['ctx']['pattern']]}"
        elif isinstance(one["input"], (str, int, float)) and one["type"] not in ("missing", "value_error"):
            words = f"{one['input']!r}: {words[:1].lower()}{words[1:]}"
        yield path, words


def _every_name() -> set[str]:
    """Every name that any part of a campaign has."""
    every = [m for m in vars(models).values() if isinstance(m, type) and issubclass(m, pydantic.BaseModel)]
    return {field.alias or name for model in every for name, field in model.model_fields.items()}


def _told(marked: Marked, errors: Any) -> ConfigError:
    lines = sorted({(marked.line(path), f"{marked.where(path)}: {words}") for path, words in errors})
    told = [words for _, words in lines[:SHOWN]]
    if len(lines) > SHOWN:
        told.append(f"{marked.name}: and {len(lines) - SHOWN} more")
    return ConfigError("\n".join(told))
