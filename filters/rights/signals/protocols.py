"""The protocols that are asked, one line each. A new one is a file beside these and a line here.

A protocol offers any of four readers, by the place where it speaks:

- `of_site(uri, visit)`: files that a site keeps about itself, for one of its addresses;
- `of_response(answer, uri, visit)`: header lines that came with a resource;
- `of_page(page, uri, visit)`: a web page;
- `of_file(path, uri, visit)`: a media file on local disk.

Each returns signals and never raises; what it cannot read, it calls `unknown`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from filters.rights.signals import (
    aipref,
    aitxt,
    contentsignal,
    credentials,
    datamining,
    robots,
    rsl,
    tdmrep,
    xrobots,
)
from filters.rights.signals.page import Page
from filters.rights.signals.signal import Signal
from filters.rights.signals.visit import Answer, Visit

LIST_VERSION: Final = 2
"""Raised when a protocol is added, dropped or read differently: which were asked on a day can be told."""

OfSite = Callable[[str, Visit], list[Signal]]
OfResponse = Callable[[Answer, str, Visit], list[Signal]]
OfPage = Callable[[Page, str, Visit], list[Signal]]
OfFile = Callable[[Path, str, Visit], list[Signal]]
Settled = Callable[[Sequence[Signal]], list[Signal]]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """One protocol: its name and its readers.

    Attributes:
        name: As signals carry it.
        about: Uses that it can speak of.
        of_site: Reads files of a site.
        of_response: Reads header lines.
        of_page: Reads a web page.
        of_file: Reads a media file.
        settled: Its own precedence among its signals; None: all count.
    """

    name: str
    about: tuple[str, ...]
    of_site: OfSite | None = None
    of_response: OfResponse | None = None
    of_page: OfPage | None = None
    of_file: OfFile | None = None
    settled: Settled | None = None


PROTOCOLS: Final = (
    Protocol(name=robots.NAME, about=robots.ABOUT, of_site=robots.of_site),
    Protocol(name=aipref.NAME, about=aipref.ABOUT, of_site=aipref.of_site, of_response=aipref.of_response),
    Protocol(name=contentsignal.NAME, about=contentsignal.ABOUT, of_site=contentsignal.of_site),
    Protocol(name=xrobots.NAME, about=xrobots.ABOUT, of_response=xrobots.of_response, of_page=xrobots.of_page),
    Protocol(name=aitxt.NAME, about=aitxt.ABOUT, of_site=aitxt.of_site),
    Protocol(name=tdmrep.NAME, about=tdmrep.ABOUT, of_site=tdmrep.of_site, of_response=tdmrep.of_response,
             of_page=tdmrep.of_page, settled=tdmrep.settled),
    Protocol(name=rsl.NAME, about=rsl.ABOUT, of_site=rsl.of_site, of_response=rsl.of_response, of_page=rsl.of_page),
    Protocol(name=credentials.NAME, about=credentials.ABOUT, of_file=credentials.of_file),
    Protocol(name=datamining.NAME, about=datamining.ABOUT, of_file=datamining.of_file),
)  # fmt: skip
"""Every protocol that is known."""

NAMES: Final = tuple(protocol.name for protocol in PROTOCOLS)
