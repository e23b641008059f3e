"""Places: whether two addresses are one place, and which places are within which.

An address is compared without its scheme, normalised after RFC 3986, section 6: host in lower case and ASCII (IDNA),
no user, no port 80 or 443 (another port is another place), no dot segments, percent-encoding only where it is needed
and in capitals, no fragment; the query stays. `www.` stays too: another host may be another party's, and `domain`
covers both.

A prefix ends where a part ends: `ex.org/a` holds `/a`, `/a/b`, `/a?x` and `/a;v=1`, not `/ab`; `ex.org/a?x=1` holds
`/a?x=1&y`. A slash at its end makes no difference. A domain holds its own host and every host below it, at any port.

`s3://` and `gs://` objects and local paths are places as they stand, byte for byte, and end where a `/` is. An entry
without scheme holds objects too (`bucket/folder`), one with a scheme only those of its own.
"""

from __future__ import annotations

import functools
import ipaddress
import posixpath
import re
import urllib.parse
from collections.abc import Mapping
from typing import Final

from transforms.addresses import ascii_host

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://")
_PLAIN: Final = re.compile(
    # Possessive throughout: linear whatever comes. Percent-encoded is only what has to be.
    r"(?:https?://)?([a-z0-9\-]++(?:\.[a-z0-9\-]++)++)"
    r"((?:/(?!\.)(?:[A-Za-z0-9_~!$&'()*+,;=:@.\-]++|%(?:[89A-F][0-9A-F]|2[0-9A-CF]|3[A-F]))*+)*+)"
    r"(\?(?:[A-Za-z0-9._~!$&'()*+,;=:@/?\-]++|%(?:[89A-F][0-9A-F]|2[0-9A-CF]|3[A-F]))++)?(?:#.*)?"
)
"""Addresses that are normal already, but for their scheme and fragment: nearly all."""

_OBJECTS: Final = {"s3": "s3", "s3a": "s3", "s3n": "s3", "gs": "gs", "gcs": "gs"}
_ENCODED: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_LOST: Final = re.compile(r"[\t\r\n]")
_EDGES: Final = "".join(map(chr, range(33)))  # Control characters and the space, as every browser strips them.
_PATH: Final = "%/:@!$&'()*+,;=~"
_QUERY: Final = _PATH + "?"
_HOST: Final = "[]:"


def address(uri: str) -> str:
    """The one spelling of an address: `host/path?query`, `s3://bucket/key`, `gs://bucket/key` or an absolute path.

    Returns:
        An empty string for what names no place. Never raises.
    """
    if plain := _PLAIN.fullmatch(uri):
        host, path, query = plain.groups()
        return f"{host}{path or '/'}{query or ''}"
    uri = _LOST.sub("", uri).strip(_EDGES)
    match = _SCHEME.match(uri)
    scheme, rest = (match.group(1).lower(), uri[match.end() :]) if match else ("", uri)
    if scheme in _OBJECTS:
        return f"{_OBJECTS[scheme]}://{rest}" if rest.strip("/") else ""
    if scheme == "file" or (not scheme and rest.startswith("/")):
        path = urllib.parse.unquote("/" + rest.partition("/")[2]) if scheme else rest
        return "/" + posixpath.normpath(path).lstrip("/")
    rest = rest.partition("#")[0]
    body, _, query = rest.partition("?")
    authority, _, path = body.partition("/")
    host = _authority(authority)
    if not host:
        return ""
    query = f"?{_percent(query, _QUERY)}" if query else ""
    return host + _without_dots(_percent("/" + path, _PATH)) + query


def _authority(text: str) -> str:
    name, port = text.rpartition("@")[2], ""
    if number := re.fullmatch(r"(.*):([0-9]*)", name, re.DOTALL):
        name, port = number.group(1), number.group(2).lstrip("0")
    name = host(name)
    return f"{name}:{port}" if name and port not in ("", "80", "443") else name


@functools.lru_cache(16384)
def host(name: str) -> str:
    """The one spelling of a host name: lower case, ASCII (IDNA 2008), no full stop at its end."""
    name = urllib.parse.unquote(name, errors="replace").lower().rstrip(".")
    if name.startswith("[") and name.endswith("]"):
        try:
            return f"[{ipaddress.ip_address(name[1:-1]).compressed}]"
        except ValueError:
            pass
    try:
        name = ascii_host(name).rstrip(".")
    except ValueError:
        name = name.casefold()
    bracketed = name.startswith("[") and name.endswith("]")  # Else a colon here is no port's, and must not look so.
    return urllib.parse.quote(name, safe=_HOST if bracketed else "[]", errors="replace").lower()


def _percent(text: str, safe: str) -> str:
    def settled(match: re.Match[str]) -> str:
        letter = chr(int(match.group(1), 16))
        return letter if letter.isascii() and (letter.isalnum() or letter in "-._~") else match.group().upper()

    parts = text.split("%")
    text = parts[0] + "".join(("%" if re.match(r"[0-9A-Fa-f]{2}", part) else "%25") + part for part in parts[1:])
    return urllib.parse.quote(_ENCODED.sub(settled, text), safe=safe, errors="replace")


def _without_dots(path: str) -> str:
    """RFC 3986, section 5.2.4."""
    if "/." not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    return "/" + "/".join(kept) + ("/" if segments[-1] in (".", "..") and kept else "")


def key(place: str) -> str:
    """An address as it is looked up: its host's labels turned round, so that every place within it begins like it.

    Args:
        place: As `address` gives it.
    """
    if _is_path(place):
        return place
    authority, slash, path = place.partition("/")
    return f"{_turned(authority)}){slash}{path}"


def _is_path(place: str) -> bool:
    return place.startswith(("/", "s3://", "gs://"))


def _turned(authority: str) -> str:
    if authority[-1:].isdigit() or ":" in authority:
        return _turned_oddly(authority)
    return ",".join(authority.split(".")[::-1])


def _turned_oddly(authority: str) -> str:
    """A host with a port, or an address in numbers, which has no labels to turn round."""
    if authority.startswith("["):
        return authority
    name, colon, port = authority.partition(":")
    labels = name.split(".")
    return (name if labels[-1].isdigit() else ",".join(reversed(labels))) + colon + port


def keys(uri: str) -> list[str]:
    """What a source is looked up as: an object also as the host and path that an entry without scheme would be."""
    if plain := _PLAIN.fullmatch(uri):
        name, path, query = plain.groups()
        return [f"{_turned(name)}){path or '/'}{query or ''}"]
    place = address(uri)
    if not place:
        return []
    if place.startswith(("s3://", "gs://")):
        bucket, _, rest = place[5:].partition("/")
        return [place, key(address(f"{bucket}/{urllib.parse.quote(rest, safe=_PATH[1:], errors='replace')}"))]
    return [key(place)]


def prefix_keys(value: str) -> list[str]:
    """What a `url_prefix` is stored as; nothing for what names no place."""
    value = value.removesuffix("*") if value.endswith("/*") else value
    spelled = {value} if _is_path(address(value)) else {value, _in_idna_2003(value)}
    places = [place for one in spelled if (place := address(one))]
    return sorted({key(one if "?" in one and not _is_path(one) else one.rstrip("/") or "/") for one in places})


def domain_keys(value: str) -> list[str]:
    """What a `domain` is stored as; nothing for what names no host."""
    value = value.strip().removeprefix("*").removeprefix(".")
    names = {address(one).partition("/")[0] for one in {value, _in_idna_2003(value)}}
    bare = {re.sub(r":[0-9]+$", "", name) for name in names}
    return sorted(_turned(name) for name in bare if name)


def _in_idna_2003(value: str) -> str:
    # `ß` and final sigma were other letters once, and sources are still listed with them so.
    return value if value.isascii() else value.replace("ß", "ss").replace("ς", "σ")


def holds(prefix: str, place: str) -> bool:
    """Whether a stored key, which a place's key begins with, holds the place: it ends where a part of it ends."""
    if len(prefix) == len(place) or prefix == "/":
        return True
    after, last = place[len(prefix)], prefix[-1]
    if _is_path(place):
        return after == "/"
    if ")" not in prefix:
        return after in ",:)"
    if "?" in prefix:
        return after == "&" or last in "?&=/"
    return after in "/?;" or last == ")"


def shown(stored: str) -> str:
    """A stored key as people write addresses."""
    if stored.startswith(("/", "s3://", "gs://", "[")):
        return stored.replace(")", "", 1)
    turned, _, path = stored.partition(")")
    name, colon, port = turned.partition(":")
    return (name if "," not in name else ".".join(reversed(name.split(",")))) + colon + port + path


def account_key(value: str) -> str:
    """An account as it is compared: `platform:id`, the platform in lower case, the id as it is."""
    platform, colon, name = value.strip().partition(":")
    return f"{platform.strip().casefold()}:{name.strip()}" if colon and name.strip() else ""


def accounts(metadata: Mapping[str, str]) -> list[str]:
    """The accounts that a source's list names.

    Columns: `account` (`platform:id`, or an id beside a column `platform`), and `account_id`, `channel_id` and
    `uploader_id` beside `platform`.
    """
    platform = metadata.get("platform") or ""
    found = [account_key(metadata.get("account") or "")]
    if platform:
        names = (metadata.get(column) for column in ("account", "account_id", "channel_id", "uploader_id"))
        found += [account_key(f"{platform}:{name}") for name in names if name]
    return sorted({one for one in found if one})


def file_name(uri: str) -> str:
    """The name of the file that an address ends with, without its extension, for names to be looked for in."""
    if "?" in uri or "#" in uri:
        uri = uri.partition("#")[0].partition("?")[0]
    before, _, name = uri.rstrip("/").rpartition("/")
    if before.endswith(":/"):  # No file: the host.
        return ""
    name = name.rpartition(".")[0] or name
    return urllib.parse.unquote(name, errors="replace") if "%" in name else name
