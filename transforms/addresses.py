"""Addresses: what a uri means, how it is spelled, what may be shown of it, and whether it may be opened.

Every uri is brought to one spelling before it is used, so that one source has one name: local files are absolute paths,
buckets are `s3://` and `gs://`, web addresses are percent-encoded. Credentials never leave this process in a row or a
log: `redact` takes them out. Web addresses come from lists that strangers may have filled, so a host must be public in
every address it has.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import posixpath
import re
import socket
import urllib.parse
from typing import Final

import idna

from transforms.failures import ElementError

SCHEMES: Final = ("s3", "gs", "http", "https", "memory")
"""Remote schemes, as normalised."""

_ALIASES: Final = {"gcs": "gs", "s3a": "s3", "s3n": "s3"}
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]+)://")
_URL_IN_TEXT: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+://[^\s'\"<>]+")

_HOST_NAME: Final = re.compile(r"[a-z0-9._-]+")

_SIGNING: Final = re.compile(
    # AWS and Google signature families; CloudFront; Azure shared access signatures; plain passwords.
    r"(x-amz-.*|x-goog-.*|awsaccesskeyid|googleaccessid|signature|key-pair-id|policy|expires"
    r"|sig|se|sp|sv|st|sr|ss|srt|spr|sip|skoid|sktid|skt|ske|sks|skv|password|passwd|pwd|secret|client_secret)",
    re.IGNORECASE,
)
_TOKEN: Final = re.compile(r"(.*token|api[_-]?key|key|auth|authorization|jwt|session|sid|credential)", re.IGNORECASE)

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address.


def has_scheme(uri: str) -> bool:
    """Whether a uri begins with a scheme and `://`, ours or not."""
    return _SCHEME.match(uri) is not None


def scheme(uri: str) -> str:
    """The scheme of a uri, lower-case and without aliases; empty for a local path. `file://` counts as local."""
    match = _SCHEME.match(uri)
    if not match:
        return ""
    name = match.group(1).lower()
    return "" if name == "file" else _ALIASES.get(name, name)


def is_remote(uri: str) -> bool:
    """Whether a uri is read over a network (or from `memory://`) and not from a local path."""
    return scheme(uri) != ""


def is_web(uri: str) -> bool:
    """Whether a uri is `http://` or `https://`."""
    return scheme(uri) in ("http", "https")


def normalise(uri: str) -> str:
    """One spelling of a uri: an absolute local path, or a remote uri with its scheme and host in lower case.

    `file://` uris become paths (percent-decoded, RFC 8089). Web addresses lose their fragment and default port, and
    what is not ASCII is percent-encoded. Object keys are kept byte for byte.

    Raises:
        ValueError: The scheme is none of ours, or the uri names no host or bucket.
    """
    match = _SCHEME.match(uri)
    if not match:
        return os.path.abspath(uri)
    name, rest = scheme(uri), uri[match.end() :]
    if name == "":
        host, slash, path = rest.partition("/")
        if host.lower() not in ("", "localhost") or not slash:
            raise ValueError(f"file uri with a host: {redact(uri)}")
        return os.path.abspath("/" + urllib.parse.unquote(path))
    if name not in SCHEMES:
        raise ValueError(f"scheme {name!r} is not one of local, {', '.join(s for s in SCHEMES if s != 'memory')}")
    if name in ("http", "https"):
        return _normalise_web(name, uri)
    if not rest.strip("/") and name != "memory":
        raise ValueError(f"{name}:// uri without a bucket")
    return f"{name}://{rest}"


def _normalise_web(name: str, uri: str) -> str:
    parts = urllib.parse.urlsplit(uri.strip())
    host, port = parts.hostname, parts.port
    if not host:
        raise ValueError(f"{name}:// uri without a host")
    host = ascii_host(host)
    netloc = f"[{host}]" if ":" in host else host
    if port is not None and port != {"http": 80, "https": 443}[name]:
        netloc += f":{port}"
    if "@" in parts.netloc:
        netloc = parts.netloc.rpartition("@")[0] + "@" + netloc
    # What is encoded stays encoded: a signature covers the exact spelling.
    path = urllib.parse.quote(parts.path or "/", safe="%/:@!$&'()*+,;=~[]")
    query = urllib.parse.quote(parts.query, safe="%/:@!$&'()*+,;=~?[]{}|")
    return urllib.parse.urlunsplit((name, netloc, path, query, ""))


def ascii_host(host: str) -> str:
    """A host name as it is looked up: after IDNA 2008 as browsers apply it (UTS 46), so `ß` stays a letter of its own.

    Names that it forbids but that are in use (of emoji) are spelled after IDNA 2003.

    Raises:
        ValueError: It can be no host name.
    """
    if host.isascii():
        return host
    try:
        return idna.encode(host, uts46=True).decode()
    except idna.IDNAError as error:
        found = host.encode("idna").decode().lower()
        if not _HOST_NAME.fullmatch(found):
            raise ValueError(f"no host name: {host!r}") from error
        return found


def join(base: str, *parts: str) -> str:
    """A uri below another. Parts are taken as they are; a part that begins with `/` does not replace the base."""
    joined = base.rstrip("/") if base.strip("/") and not base.endswith("://") else base
    for part in parts:
        if part := part.strip("/"):
            joined += part if joined.endswith("/") else "/" + part
    return joined


def folder_of(uri: str) -> str:
    """The folder that holds a file, without a slash at its end."""
    if is_web(uri):
        parts = urllib.parse.urlsplit(uri)
        return urllib.parse.urlunsplit((parts.scheme, parts.netloc, posixpath.dirname(parts.path), "", ""))
    return posixpath.dirname(uri)


def extension(uri: str) -> str:
    """The file extension of a uri in lower case without its dot; empty when it has none."""
    path = urllib.parse.urlsplit(uri).path if is_web(uri) else uri
    return posixpath.splitext(path)[1].lower().lstrip(".")


def redact(uri: str) -> str:
    """A uri without credentials: no user and password, no signature, tokens as the first 32 bits of their SHA-256.

    Signing parameters go altogether, so a list that is signed again names the same sources. A token may be all that
    tells two sources apart, so a trace of it stays. Local paths and bucket uris without user part come back as they
    were.
    """
    match = _SCHEME.match(uri)
    if not match or scheme(uri) == "":
        return uri
    head, rest = uri[: match.end()], uri[match.end() :]
    netloc, slash, path = rest.partition("/")
    rest = netloc.rpartition("@")[2] + slash + path
    if not is_web(uri):
        return head + rest
    rest, _, fragment = rest.partition("#")
    body, mark, query = rest.partition("?")
    kept = [shown for pair in query.split("&") if (shown := _shown(pair)) is not None]
    tail = ("#" + fragment) if fragment and "=" not in fragment else ""
    return head + body + (mark + "&".join(kept) if kept and mark else "") + tail


def _shown(pair: str) -> str | None:
    name, equals, value = pair.partition("=")
    plain = urllib.parse.unquote(name)
    if not equals:
        return pair
    if _SIGNING.fullmatch(plain):
        return None
    if _TOKEN.fullmatch(plain):
        return f"{name}=sha256-{hashlib.sha256(value.encode(errors='replace')).hexdigest()[:8]}"
    return pair


def redact_text(text: str) -> str:
    """Text with every uri in it redacted, for messages that libraries wrote."""
    return _URL_IN_TEXT.sub(lambda m: redact(m.group()), text) if "://" in text else text


def is_public(address: str) -> bool:
    """Whether an IP address is of the open internet: not private, loopback, link-local, shared, reserved, multicast.

    IPv6 addresses that carry an IPv4 address (mapped, 6to4, Teredo, NAT64) are judged by that one too.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if not ip.is_global or ip.is_multicast or ip.is_reserved or ip.is_unspecified:
        # A mapped address is never global itself; what it maps to decides.
        mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
        in_nat64 = isinstance(ip, ipaddress.IPv6Address) and ip in _NAT64
        if mapped is None and not in_nat64:
            return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
        if ip in _NAT64:
            inner.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        return all(is_public(str(one)) for one in inner if one is not None)
    return True


def resolve(host: str) -> list[str]:
    """Every address that the system's resolver gives for a host.

    Raises:
        OSError: The name cannot be resolved.
    """
    return sorted({str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)})


def check_public(uri: str) -> None:
    """Refuse a web address whose host is not public in every address it resolves to.

    IPv4 in any spelling but four decimal numbers (`0x7f000001`, `2130706433`, `127.1`) is refused whatever it means:
    only an address in disguise is written so. Uris of other schemes pass.

    Raises:
        ElementError: `forbidden_address`, or `unreachable` when the name cannot be resolved.
    """
    if not is_web(uri):
        return
    host = (urllib.parse.urlsplit(uri).hostname or "").rstrip(".")
    addresses = [host]
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        if _is_disguised(host):
            raise ElementError("forbidden_address", f"{redact(uri)}: an address in an unusual spelling") from None
        try:
            addresses = resolve(host)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ElementError("unreachable", f"{redact(uri)}: host {host!r} cannot be resolved ({reason})") from None
    for address in addresses:
        if not is_public(address):
            raise ElementError("forbidden_address", f"{redact(uri)}: host {host!r} is {address}, not a public address")


def _is_disguised(host: str) -> bool:
    try:
        socket.inet_aton(host)
    except (OSError, UnicodeError):
        return False
    return True
