"""Asking: machine-readable signals of a source, of its site and page before it is read and then inside its file.

What a file says goes with its bytes, so it is a result in the store: the same bytes from elsewhere are not looked
into again. What sites say is asked in every run, once a site.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.config import Config
from pipelines.screening import SAID_INSIDE
from transforms.addresses import is_web
from transforms.records import SaidRow, to_dict
from transforms.settings import ConfigError, key_fields
from transforms.sources import SourceRef
from transforms.store import Store, key

if TYPE_CHECKING:  # Fetching and reading signals loads much that a child without them never needs.
    from filters.rights.signals.fetch import Fetcher
    from filters.rights.signals.signal import Signal

TEXT = 4_000
"""Characters of a signal's raw text that a row keeps."""

LIBRARIES = {"protego": "rights", "http_sf": "rights", "defusedxml": "rights", "c2pa": "c2pa"}
"""Libraries that protocols are read with, and the extras that bring them."""


PAGE_COLUMNS = ("page", "webpage_url")
"""Columns of a list that may hold the address of the web page that shows a video; the first with one counts."""


def check(config: Config) -> None:
    """Check before any work that signals can be read.

    Raises:
        ConfigError: A library is missing, they are asked for without a registry, a protocol is none, or the list of
            generated assets cannot be read.
    """
    if not config.signals.signals:
        if config.signals.generated is not None:
            raise ConfigError("--generated: it is heard with the other signals, so give --signals too")
        return
    from filters.rights.signals import collect, credentials, generated

    if config.rights.rights is None:
        raise ConfigError("--signals: they count in verdicts, so name the registry too: --rights")
    collect.check(config.signals)
    for library, extra in LIBRARIES.items():
        skipped = library == "c2pa" and credentials.NAME in config.signals.skip_protocols
        if not skipped and importlib.util.find_spec(library) is None:
            way = f", or skip it: --skip-protocols {credentials.NAME}" if library == "c2pa" else ""
            raise ConfigError(f"--signals: {library} is not installed: pip install 'rushes[{extra}]'{way}")
    if config.signals.generated is not None:
        generated.load(config.signals.generated, config.storage)


@functools.lru_cache(2)
def _fetcher(config: Config) -> Fetcher:
    from filters.rights.signals.answers import Answers
    from filters.rights.signals.fetch import Fetcher

    folder = Path(tempfile.gettempdir(), "answers")  # of the run: its processes share what sites answered
    return Fetcher(config.signals, config.storage, Answers(folder, config.signals.cache_hours))


def outside(source: SourceRef, config: Config) -> list[Signal]:
    """What sites say of a source: that of its address, its header lines, and the page that its list names.

    Nothing of a source that is on no site and has no page.
    """
    page = page_of(source)
    if not config.signals.signals or not (is_web(source.uri) or page):
        return []
    from filters.rights.signals.collect import Target, collect

    return collect(Target(source.uri, page), _fetcher(config))


def page_of(source: SourceRef) -> str | None:
    """The web page that shows a video, where its list names one."""
    cells = (source.metadata.get(name, "").strip() for name in PAGE_COLUMNS)
    return next((cell for cell in cells if is_web(cell) and cell != source.uri), None)


def _key(video_id: str, config: Config) -> str:
    from filters.rights.signals.protocols import LIST_VERSION

    said = {
        name: value
        for name, value in key_fields(config.signals).items()
        if name in ("skip_protocols", "c2pa_trust_anchors")
    }
    return key(SAID_INSIDE, LIST_VERSION, [video_id], said)


def inside(
    source: SourceRef, video_id: str, config: Config, store: Store, path: Path | None = None
) -> list[Signal] | None:
    """What a file says of itself.

    Args:
        source: The source, whose address the signals get.
        video_id: SHA-256 of its bytes.
        config: The job's configuration.
        store: Keeps it.
        path: The file, where it is at hand.

    Returns:
        None where nobody has looked and the file is not at hand.
    """
    if not config.signals.signals:
        return []
    kept = store.get(SAID_INSIDE, _key(video_id, config), video_id)
    if kept is None and path is not None:
        from filters.rights.signals.collect import of_file
        from filters.rights.signals.visit import Visit

        fetcher = _fetcher(config)
        found = of_file(path, source.uri, Visit(config.signals, fetcher, fetcher.now))
        kept = {"signals": rows(found, source.name, video_id)}
        store.put(SAID_INSIDE, _key(video_id, config), video_id, kept)
    if kept is None:
        return None
    said = [dataclasses.replace(signal(row), about=source.name, uri=source.name) for row in kept["signals"]]
    return said + _listed(source, video_id, config)


def _listed(source: SourceRef, video_id: str, config: Config) -> list[Signal]:
    """What the list of generated assets says of its bytes; asked anew in every run, as the list grows."""
    if config.signals.generated is None:
        return []
    from filters.rights.signals import generated

    at = _fetcher(config).now()
    return generated.of_bytes(video_id, source.uri, config.signals.generated, config.storage, at)


def rows(signals: Sequence[Signal], subject: str, video_id: str | None) -> list[dict[str, Any]]:
    """Signals as rows of `rights_signals`, each once."""
    found = {}
    for one in signals:
        row = SaidRow(
            subject=subject,
            video_id=video_id,
            signal_id=one.signal_id,
            protocol=one.protocol,
            place=one.place,
            about=one.about,
            uri=one.uri,
            fetched_at=one.fetched_at.isoformat(),
            **one.says._asdict(),
            words=one.words,
            text=one.text[:TEXT],
            digest=one.digest,
            size=one.size,
            origin=one.origin,
        )
        found[one.signal_id] = to_dict(row)
    return list(found.values())


def signal(row: dict[str, Any]) -> Signal:
    """A signal from its row."""
    from filters.rights.signals.signal import Says
    from filters.rights.signals.signal import Signal as Made

    names = ("protocol", "place", "about", "uri", "words", "text", "digest", "size", "origin")
    plain = {name: row[name] for name in names}
    at = datetime.fromisoformat(row["fetched_at"])
    return Made(**plain, fetched_at=at, says=Says(*(row[use] for use in Says._fields)))
