"""What is said in every protocol, with what follows: tables for tests, and where mutations start from.

Expected answers are written `deny train, caption; allow generate`, as `signal.in_words` does.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, NamedTuple

from filters.rights.signals import aipref, aitxt, contentsignal, datamining, page, robots, rsl, tdmrep, xrobots
from filters.rights.signals.signal import NOTHING, Says, Spot, strictest
from filters.rights.signals.visit import Answer, SignalSettings, Visit

NOW: Final = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
URI: Final = "https://example.org/clips/film.mp4"
SETTINGS: Final = SignalSettings()
NEVER: Final = "train, caption, generate, display"
AI_NO: Final = "deny train, caption, generate"
AI_YES: Final = "allow train, caption, generate"
AI_UNKNOWN: Final = "unknown train, caption, generate"
MINING_NO: Final = "deny train, caption"
MINING_YES: Final = "allow train, caption"
MINING_UNKNOWN: Final = "unknown train, caption"


class Case(NamedTuple):
    """A text and what it says of `URI`."""

    name: str
    said: bytes
    expected: str


def _text(*cases: tuple[str, str, str]) -> list[Case]:
    return [Case(name, said.encode(), expected) for name, said, expected in cases]


_CLOSED: Final = b"User-agent: *\nDisallow: /\n"

ROBOTS: Final = [
    *_text(
        ("empty", "", "nothing said"),
        ("all closed", "User-agent: *\nDisallow: /\n", f"deny {NEVER}"),
        ("ours closed", "User-agent: RUSHES\nDisallow: /clips\n", f"deny {NEVER}"),
        ("another folder", "User-agent: *\nDisallow: /masters/\n", "nothing said"),
        ("longest wins", "User-agent: *\nDisallow: /\nAllow: /clips/\n", "nothing said"),
        ("equal is open", "User-agent: *\nDisallow: /clips/\nAllow: /clips/\n", "nothing said"),
        ("pattern", "User-agent: *\nDisallow: /*.mp4$\n", f"deny {NEVER}"),
        ("trainers closed", "User-agent: GPTBot\nDisallow: /\n", "deny train"),
        ("own group over everybody's", "User-agent: *\nDisallow: /\nUser-agent: rushes\nDisallow:\n", "deny train"),
        ("a name that begins alike", "User-agent: rush\nAllow: /\nUser-agent: *\nDisallow: /\n", f"deny {NEVER}"),
        ("a version behind the name", "User-agent: rushes/1.0\nDisallow: /\n", f"deny {NEVER}"),
        ("carriage returns", "User-agent: *\rDisallow: /\r", f"deny {NEVER}"),
        ("comments", "# hello\nUser-agent: * # all\nDisallow: / # everything\n", f"deny {NEVER}"),
        ("a page", "<!doctype html><html><p>Not found</html>", "nothing said"),
        ("several agents", "User-agent: a\nUser-agent: CCBot\nUser-agent: rushes\nDisallow: /\n", f"deny {NEVER}"),
        ("percent-encoding", "User-agent: *\nDisallow: /cl%69ps/\n", f"deny {NEVER}"),
    ),
    Case("byte order mark", b"\xef\xbb\xbfUser-agent: *\nDisallow: /\n", f"deny {NEVER}"),
    Case("UTF-16", "User-agent: *\nDisallow: /\n".encode("utf-16"), f"deny {NEVER}"),
    Case("broken UTF-8", b"\xff\xc3\nUser-agent: *\nDisallow: /\n", f"deny {NEVER}"),
    Case("no text", bytes(range(256)) * 4, "nothing said"),
    Case("within 500 KiB", b"#" * (500 * 1024 - 40) + b"\n" + _CLOSED, f"deny {NEVER}"),
    Case("beyond 500 KiB", b"#" * (500 * 1024) + b"\n" + _CLOSED, "nothing said"),
    Case("cut in a rule", _CLOSED.ljust(500 * 1024 - 8, b"\n") + b"Allow: /masters", f"deny {NEVER}"),
]  # fmt: skip

CONTENT_USAGE: Final = _text(
    ("refused", "train-ai=n", "deny train"),
    ("allowed", "train-ai=y", "allow train"),
    ("older label", "train-genai=n", "deny train"),
    ("everything", "all=n", AI_NO),
    ("search alone", "search=n", "nothing said"),
    ("no other label is known", "foo=n, bar=y", "nothing said"),
    ("parameters are ignored", "train-ai=n;exp=5", "deny train"),
    ("the last of one line", "train-ai=n, train-ai=y", "allow train"),
    ("spaces", "  train-ai=n , search=y ", "deny train"),
    ("another token", "train-ai=maybe", "unknown train"),
    ("a boolean", "train-ai=?0", "unknown train"),
    ("a bare key", "train-ai", "unknown train"),
    ("a string", 'train-ai="y"', "unknown train"),
    ("a list", "train-ai=(y n)", "unknown train"),
    ("upper-case value", "train-ai=Y", "unknown train"),
    ("upper-case key", "Train-AI=n", AI_UNKNOWN),
    ("a comma too many", "train-ai=n,", AI_UNKNOWN),
    ("an equals sign too many", "train-ai==y", AI_UNKNOWN),
    ("semicolons", "train-ai=n; search=y; ;", AI_UNKNOWN),
    ("not ASCII", "train-ai=ñ", AI_UNKNOWN),
    ("empty", "", "nothing said"),
)

_TRAINERS: Final = "deny train; allow caption, generate"

ROBOTS_USAGE: Final = _text(
    ("everybody", "User-agent: *\nContent-Usage: train-ai=n\n", "deny train"),
    ("with a path", "User-agent: *\nContent-Usage: /clips/ train-ai=y\n", "allow train"),
    ("longest path", "User-agent: *\nContent-Usage: train-ai=n\nContent-Usage: /clips/ train-ai=y\n", "allow train"),
    ("equal paths", "User-agent: *\nContent-Usage: /clips train-ai=y\nContent-Usage: /clips train-ai=n", "deny train"),
    ("another path", "User-agent: *\nContent-Usage: /masters/ train-ai=n\n", "nothing said"),
    ("own group", "User-agent: *\nContent-Usage: all=n\nUser-agent: rushes\nContent-Usage: all=y", _TRAINERS),
    ("trainers' group", "User-agent: GPTBot\nContent-Usage: train-ai=n\n", "deny train"),
    ("trainers' yes is not ours", "User-agent: GPTBot\nContent-Usage: train-ai=y\n", "nothing said"),
    ("nobody's no", "Content-Usage: train-ai=n\n", "deny train"),
    ("nobody's yes", "Content-Usage: train-ai=y\n", "nothing said"),
    ("a stranger's", "User-agent: other\nContent-Usage: train-ai=n\n", "nothing said"),
    ("malformed", "User-agent: *\nContent-Usage: train-ai=n=n\n", AI_UNKNOWN),
    ("any case", "USER-AGENT: *\nCONTENT-USAGE: train-ai=n\n", "deny train"),
)  # fmt: skip

CONTENT_SIGNAL: Final = _text(
    ("no", "User-Agent: *\nContent-Signal: search=yes,ai-train=no\nAllow: /\n", "deny train"),
    ("yes", "User-Agent: *\nContent-Signal: ai-train=yes, ai-input=no\n", "deny caption, generate; allow train"),
    ("neither", "User-Agent: *\nContent-Signal: ai-train=perhaps\n", "unknown train"),
)

X_ROBOTS: Final = _text(
    ("noai", "noai", AI_NO),
    ("any case", "NoAI, NOIMAGEAI", AI_NO),
    ("noml", "noindex, noml", MINING_NO),
    ("search alone", "noindex, nofollow", "nothing said"),
    ("ours", "rushes: noai", AI_NO),
    ("a trainer's", "GPTBot: noai", "deny train"),
    ("another's", "otherbot: noai", "nothing said"),
    ("another's and then anybody's", "otherbot: noindex, noai", AI_UNKNOWN),
    ("two names", "otherbot: noindex, rushes: noai", AI_NO),
    ("a date", "unavailable_after: 25 Jun 2027 15:00:00 PST, noai", AI_NO),
    ("a value", "max-snippet: 20, max-image-preview: large", "nothing said"),
    ("a name twice", "otherbot: rushes: noai", AI_NO),
    ("spaces", "  no ai ", AI_NO),
    ("empty", "", "nothing said"),
)

AI_TXT: Final = [
    *_text(
        ("by kind", "# Spawning AI\nUser-Agent: *\nDisallow: *.mp4\nAllow: *.txt\n", "deny train"),
        ("allowed by kind", "User-Agent: *\nDisallow: *.jpg\nAllow: *.mp4\n", "allow train"),
        ("everything", "User-Agent: *\nDisallow: /\n", "deny train"),
        ("everything, as a star", "User-Agent: *\nDisallow: *\n", "deny train"),
        ("longest", "User-Agent: *\nDisallow: /\nAllow: *.mp4\n", "allow train"),
        ("equal is closed", "User-Agent: *\nAllow: *.mp4\nDisallow: *.mp4\n", "deny train"),
        ("a kind without a star", "User-Agent: *\nDisallow: .mp4\n", "deny train"),
        ("without an agent", "Disallow: *.mp4\n", "deny train"),
        ("another's", "User-Agent: other\nDisallow: /\n", "nothing said"),
        ("a trainer's yes is not ours", "User-Agent: GPTBot\nAllow: /\n", "nothing said"),
        ("without colons", "User-Agent *\nDisallow *.mp4\n", "deny train"),
        ("a trainer's no", "User-Agent: *\nAllow: *.mp4\n\nUser-Agent: GPTBot\nDisallow: /\n", "deny train"),
        ("a yes without a colon", "User-Agent: *\nAllow *.mp4\n", "nothing said"),
        ("a yes to nobody", "Allow: *.mp4\n", "nothing said"),
        ("a yes beside what is not understood", "User-Agent: *\nAllow: *.mp4\nUnless: paid\n", "nothing said"),
        ("prose", "title: our app\nWe make films.\n", "nothing said"),
    ),
    Case("byte order mark", b"\xef\xbb\xbfUser-Agent: *\r\nDisallow: *.mp4\r\n", "deny train"),
]

TDM_FILE: Final = _text(
    ("reserved", '[{"location": "/clips/*.mp4", "tdm-reservation": 1}]', MINING_NO),
    ("not reserved", '[{"location": "/clips/", "tdm-reservation": 0}]', MINING_YES),
    ("first covers", '[{"location":"/clips/","tdm-reservation":1},{"location":"/","tdm-reservation":0}]', MINING_NO),
    ("two", '[{"location": "/", "tdm-reservation": 2}]', "nothing said"),
    ("a word", '[{"location": "/", "tdm-reservation": "1"}]', MINING_NO),
    ("a word's yes", '[{"location": "/", "tdm-reservation": "0"}]', "nothing said"),
    ("true", '[{"location": "/", "tdm-reservation": true}]', MINING_NO),
    ("false", '[{"location": "/", "tdm-reservation": false}]', "nothing said"),
    ("another folder", '[{"location": "/masters/", "tdm-reservation": 1}]', "nothing said"),
    ("case counts", '[{"location": "/CLIPS/", "tdm-reservation": 1}]', "nothing said"),
    ("a key that is none", '[{"location": "/", "tdm-reservation": 0, "unless": 1}]', MINING_UNKNOWN),
    ("twice in one rule", '[{"location":"/","tdm-reservation":1,"tdm-reservation":0}]', MINING_UNKNOWN),
    ("no location before", '[{"tdm-reservation":1},{"location":"/","tdm-reservation":0}]', MINING_UNKNOWN),
    ("no location before a no", '[7, {"location": "/", "tdm-reservation": 1}]', MINING_NO),
    ("byte order mark", '\ufeff[{"location": "/", "tdm-reservation": 1}]', MINING_NO),
    ("no list", '{"location": "/", "tdm-reservation": 1}', MINING_UNKNOWN),
    ("cut", '[{"location": "/", "tdm-reser', MINING_UNKNOWN),
    ("empty", "", MINING_UNKNOWN),
    ("no rules", "[]", "nothing said"),
    ("a deep one", "[" * 100_000, MINING_UNKNOWN),
    ("a long number", '[{"location": "/", "tdm-reservation": 1' + "0" * 5000 + "}]", MINING_UNKNOWN),
)  # fmt: skip

TDM_HEADER: Final = _text(
    ("reserved", "1", MINING_NO),
    ("not reserved", "0", MINING_YES),
    ("two", "2", "nothing said"),
    ("both", "0, 1", MINING_NO),
    ("spaces", " 1 ", MINING_NO),
    ("a no that is none", "0, 01", "nothing said"),
    ("a word", "yes", "nothing said"),
)


def _rsl(inside: str, attributes: str = 'url="/"') -> str:
    return f'<rsl xmlns="https://rslstandard.org/rsl"><content {attributes}>{inside}</content></rsl>'


def _licence(inside: str, attributes: str = 'url="/"') -> str:
    return _rsl(f"<license>{inside}</license>", attributes)


_SOME: Final = "deny caption, generate; unknown train"
_TRAIN: Final = '<permits type="usage">ai-train</permits>'

RSL: Final = _text(
    ("prohibited", _licence('<prohibits type="usage">ai-train</prohibits>'), "deny train"),
    ("prohibited altogether", _licence('<prohibits type="usage">all</prohibits>'), AI_NO),
    ("permitted", _licence('<permits type="usage">ai-all</permits>'), AI_YES),
    ("permitted, free", _licence(_TRAIN + '<payment type="free"/>'), "deny caption, generate; allow train"),
    ("paid", _licence(_TRAIN + '<payment type="training"/>'), AI_NO),
    ("paid, how is not said", _licence(_TRAIN + "<payment><standard>x</standard></payment>"), AI_NO),
    ("for credit", _licence(_TRAIN + '<payment type="attribution"/>'), AI_NO),
    ("a licence server", _licence(_TRAIN, 'url="/" server="https://l.example"'), AI_NO),
    ("search alone", _licence('<permits type="usage">search</permits>'), AI_NO),
    ("for some users", _licence(_TRAIN + '<permits type="user">some</permits>'), _SOME),
    ("both", _licence(_TRAIN + '<prohibits type="usage">ai-train</prohibits>'), AI_NO),
    ("an unknown prohibition", _licence('<prohibits type="usage">ai-training</prohibits>'), AI_UNKNOWN),
    ("any case of a no", _licence('<prohibits type="usage">AI-Train</prohibits>'), "deny train"),
    ("another folder", _licence('<prohibits type="usage">all</prohibits>', 'url="/masters/"'), "nothing said"),
    ("another site", _licence('<prohibits type="usage">all</prohibits>', 'url="https://else.org/"'), "nothing said"),
    ("its own site", _licence('<prohibits type="usage">all</prohibits>', 'url="https://EXAMPLE.org/clips/*"'), AI_NO),
    ("no address", _licence('<permits type="usage">all</permits>', ""), "nothing said"),
    ("another namespace", _licence('<permits type="usage">all</permits>').replace("/rsl\"", '/x"'), AI_UNKNOWN),
    ("two licences", _rsl(f"<license>{_TRAIN}</license><license><permits>ai-input</permits></license>"), AI_YES),
    ("an empty licence", _licence(""), "nothing said"),
    ("an element that is none", _licence(_TRAIN + "<pajment/>"), _SOME),
    ("text that is none", _licence(_TRAIN + "payment: 5"), _SOME),
    ("an attribute that is none", _licence(_TRAIN, 'url="/" sever="x"'), _SOME),
    ("no XML", "<rsl", AI_UNKNOWN),
    ("a page", "<!doctype html><html></html>", AI_UNKNOWN),
    ("entities", '<!DOCTYPE r [<!ENTITY a "b">]>' + _licence(""), AI_UNKNOWN),
    ("no content", '<rsl xmlns="https://rslstandard.org/rsl"/>', AI_UNKNOWN),
    ("deep", "<rsl>" + "<a>" * 50_000, AI_UNKNOWN),
)  # fmt: skip

_DMI: Final = datamining.VOCABULARY + "DMI-"


def xmp(value: str, shape: str = "element") -> bytes:
    """A packet whose property has a value, as `element`, `attribute` or `resource`."""
    inside = {
        "element": f"><plus:DataMining>{value}</plus:DataMining></rdf:Description>",
        "attribute": f' plus:DataMining="{value}"/>',
        "resource": f'><plus:DataMining rdf:resource="{value}"/></rdf:Description>',
    }[shape]
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF xmlns:rdf="{datamining.RDF}"><rdf:Description rdf:about="" xmlns:plus="{datamining.PLUS}"{inside}'
        '</rdf:RDF></x:xmpmeta>   \n<?xpacket end="w"?>'
    ).encode()


XMP: Final = [
    Case("prohibited", xmp(_DMI + "PROHIBITED"), MINING_NO),
    Case("as an attribute", xmp(_DMI + "PROHIBITED", "attribute"), MINING_NO),
    Case("as a resource", xmp(_DMI + "PROHIBITED-AIMLTRAINING", "resource"), "deny train"),
    Case("generative", xmp(_DMI + "PROHIBITED-GENAIMLTRAINING"), "deny train"),
    Case("but search", xmp(_DMI + "PROHIBITED-EXCEPTSEARCHENGINEINDEXING"), MINING_NO),
    Case("constrained", xmp(_DMI + "PROHIBITED-SEECONSTRAINT"), MINING_NO),
    Case("a later prohibition", xmp(_DMI + "PROHIBITED-OF-2030"), MINING_NO),
    Case("a code alone", xmp("DMI-PROHIBITED"), MINING_NO),
    Case("allowed", xmp(_DMI + "ALLOWED"), MINING_YES),
    Case("a code alone allows nothing", xmp("DMI-ALLOWED"), MINING_UNKNOWN),
    Case("unspecified", xmp(_DMI + "UNSPECIFIED"), "nothing said"),
    Case("another value", xmp("yes please"), MINING_UNKNOWN),
    Case("padding", b"\0\n " + xmp(_DMI + "PROHIBITED") + b"\n" * 2000 + b"\0", MINING_NO),
    Case("UTF-16", xmp(_DMI + "PROHIBITED").decode().encode("utf-16"), MINING_NO),
    Case("no XML", b"<x:xmpmeta", MINING_UNKNOWN),
    Case("entities", b'<!DOCTYPE r [<!ENTITY a "b">]><r>&a;</r>', MINING_UNKNOWN),
    Case("nothing of it", b"<a/>", "nothing said"),
    Case("empty", b"", "nothing said"),
]

PAGES: Final = _text(
    ("robots", '<html><head><META NAME="Robots" CONTENT="noai, noimageai"></head>', AI_NO),
    ("for a trainer", '<meta name=gptbot content=noai>', "deny train"),
    ("reserved", '<head><meta name="tdm-reservation" content="1"><meta name="tdm-policy" content="/p">', MINING_NO),
    ("not reserved", '<head><meta name="tdm-reservation" content="0"></head>', MINING_YES),
    ("not reserved, in the body", '<head></head><body><meta name="tdm-reservation" content="0">', "nothing said"),
    ("reserved, in the body", '<body><p>x<meta name="tdm-reservation" content="1">', MINING_NO),
    ("the first of equal attributes", '<head><meta name="tdm-reservation" content="1" content="0">', MINING_NO),
    ("a yes among others", '<head><meta name="tdm-reservation" conte="1" content="0">', "nothing said"),
    ("in a comment", '<!-- <meta name="tdm-reservation" content="0"> -->', "nothing said"),
    ("in a script", '<script>"<meta name=tdm-reservation content=0>"</script>', "nothing said"),
    ("a licence inside", f'<script type="application/rsl+xml">{RSL[1].said.decode()}</script>', AI_NO),
    ("prose", "<p>noai", "nothing said"),
)  # fmt: skip


def box(name: bytes, *inside: bytes) -> bytes:
    """An MP4 box."""
    body = b"".join(inside)
    return struct.pack(">I4s", 8 + len(body), name) + body


def wide_box(name: bytes, body: bytes) -> bytes:
    """An MP4 box with a 64-bit size."""
    return struct.pack(">I4sQ", 1, name, 16 + len(body)) + body


def uuid_box(packet: bytes) -> bytes:
    """The `uuid` box of XMP."""
    from filters.rights.signals.boxes import XMP_UUID

    return box(b"uuid", XMP_UUID, packet)


def riff(*chunks: tuple[bytes, bytes], form: bytes = b"AVI ") -> bytes:
    """A RIFF file."""
    body = form + b"".join(n + struct.pack("<I", len(d)) + d + b"\0" * (len(d) % 2) for n, d in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


_NO: Final = xmp(_DMI + "PROHIBITED")
_YES: Final = xmp(_DMI + "ALLOWED")
_FTYP: Final = box(b"ftyp", b"isom\0\0\0\0isom")
_MOOV: Final = box(b"moov", box(b"mvhd", b"\0" * 100), box(b"trak", box(b"tkhd", b"\0" * 84)))
_MDAT: Final = box(b"mdat", bytes(500))

FILES: Final = [
    Case("no packet", _FTYP + _MDAT + _MOOV, "nothing said"),
    Case("uuid at the end", _FTYP + _MDAT + _MOOV + uuid_box(_NO), MINING_NO),
    Case("uuid after the type", _FTYP + uuid_box(_YES) + _MDAT + _MOOV, MINING_YES),
    Case("uuid beside the tracks", _FTYP + box(b"moov", uuid_box(_NO)) + _MDAT, MINING_NO),
    Case("user data", _FTYP + _MDAT + box(b"moov", box(b"udta", box(b"XMP_", _NO))), MINING_NO),
    Case("user data, ended by zeros", _FTYP + box(b"moov", box(b"udta", box(b"XMP_", _NO), bytes(4))), MINING_NO),
    Case("user data of a track", _FTYP + box(b"moov", box(b"trak", box(b"udta", box(b"XMP_", _NO)))), MINING_NO),
    Case("both", _FTYP + uuid_box(_YES) + box(b"moov", box(b"udta", box(b"XMP_", _NO))), MINING_NO),
    Case("a wide box", _FTYP + wide_box(b"mdat", bytes(99)) + uuid_box(_NO), MINING_NO),
    Case("a QuickTime file", box(b"wide") + _MDAT + _MOOV + uuid_box(_NO), MINING_NO),
    Case("an open last box", _FTYP + uuid_box(_NO) + struct.pack(">I4s", 0, b"mdat") + bytes(99), MINING_NO),
    Case("bytes behind the last box", _FTYP + uuid_box(_YES) + bytes(99), MINING_YES),
    Case("cut", (_FTYP + uuid_box(_YES) + _MDAT)[:-9], MINING_UNKNOWN),
    Case("cut in the packet", (_FTYP + uuid_box(_YES))[:-9], MINING_UNKNOWN),
    Case("a size below its head", _FTYP + uuid_box(_YES) + struct.pack(">I4s", 7, b"mdat") + bytes(99), MINING_UNKNOWN),
    Case("a size beyond everything", _FTYP + struct.pack(">I4sQ", 1, b"mdat", 2**64 - 1) + bytes(99), MINING_UNKNOWN),
    Case("many boxes", _FTYP + box(b"free") * 210_000 + uuid_box(_YES), MINING_UNKNOWN),
    Case("many packets", _FTYP + uuid_box(_YES) * 70, MINING_UNKNOWN),
    Case("a packet too long", _FTYP + uuid_box(b" " * (4 * 2**20 + 1)), MINING_UNKNOWN),
    Case("AVI", riff((b"LIST", b"hdrl1234"), (b"_PMX", _NO)), MINING_NO),
    Case("AVI, cut", riff((b"LIST", b"hdrl1234"), (b"_PMX", _YES))[:-9], MINING_UNKNOWN),
    Case("WebP", riff((b"VP8 ", b"abc"), (b"XMP ", _NO), form=b"WEBP"), MINING_NO),
    Case("Matroska", b"\x1a\x45\xdf\xa3" + bytes(99), "nothing said"),
    Case("empty", b"", "nothing said"),
]  # fmt: skip


def answer(body: bytes = b"", uri: str = URI, **headers: str | list[str]) -> Answer:
    """An answer with header lines; underscores in their names are dashes."""
    lines = [
        (name.replace("_", "-"), value)
        for name, values in headers.items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    return Answer(uri, 200, NOW, tuple(lines), body)


def visit(**bodies: bytes) -> Visit:
    """A visit to a site whose files are bodies by their name, the rest missing."""

    def fetch(uri: str, limit: int) -> Answer:
        body = bodies.get(uri.rpartition("/")[2].replace(".", "_").replace("-", "_"))
        if body is None:
            return Answer(uri, 404, NOW)
        return Answer(uri, 200, NOW, (), body[:limit], len(body) <= limit)

    return Visit(SETTINGS, fetch, lambda: NOW)


def _robots_file(said: bytes) -> Says:
    return robots.read(said, URI, SETTINGS)[0]


def _usage(said: bytes) -> Says:
    found = aipref.of_response(answer(Content_Usage=said.decode(errors="replace")), URI, visit())
    return strictest(NOTHING, *(s.says for s in found))


def _page(said: bytes) -> Says:
    read = page.read(said.decode(errors="replace"), NOW)
    found = [s for p in (xrobots, tdmrep, rsl) for s in p.of_page(read, URI, visit())]
    return strictest(NOTHING, *(s.says for s in found))


def _media(said: bytes) -> Says:
    return datamining.told(Spot("", "file", URI, URI, NOW), io.BytesIO(said)).says


def _tdm_header(said: bytes) -> Says:
    found = tdmrep.of_response(answer(TDM_Reservation=said.decode(errors="replace")), URI, visit())
    return strictest(NOTHING, *(s.says for s in found))


def _in_robots(field: str) -> Callable[[bytes], Says]:
    module = {"usage": aipref, "signal": contentsignal}[field]
    return lambda said: module.of_site(URI, visit(robots_txt=said))[0].says


class Parser(NamedTuple):
    """A parser with its table."""

    name: str
    read: Callable[[bytes], Says]
    cases: list[Case]
    yes: tuple[bytes, ...]
    """Bytes without any of which (in any case, blanks aside) no text of the protocol says yes."""


PARSERS: Final = [
    Parser("robots.txt", _robots_file, ROBOTS, ()),
    Parser("Content-Usage", _usage, CONTENT_USAGE, (b"=y",)),
    Parser("Content-Usage in robots.txt", _in_robots("usage"), ROBOTS_USAGE, (b"=y",)),
    Parser("Content-Signal", _in_robots("signal"), CONTENT_SIGNAL, (b"=yes",)),
    Parser("X-Robots-Tag", lambda said: xrobots.read(said.decode(errors="replace"), SETTINGS), X_ROBOTS, ()),
    Parser("ai.txt", lambda said: aitxt.read(said, URI, SETTINGS)[0], AI_TXT, (b"allow:",)),
    Parser("TDMRep file", lambda said: tdmrep.read(said, URI)[0], TDM_FILE, (b"0",)),
    Parser("TDMRep header", _tdm_header, TDM_HEADER, (b"0",)),
    Parser("RSL", lambda said: rsl.read(said, URI, "https://example.org/license.xml")[0], RSL, (b"permits",)),
    Parser("XMP", datamining.read, XMP, (b"allowed",)),
    Parser("boxes", _media, FILES, (b"allowed",)),
    Parser("pages", _page, PAGES, (b"0", b"permits")),
]
"""Every parser that reads bytes from strangers, but C2PA, which a library reads."""


def manifest(state: str = "Trusted", active: str = "a", **uses: str) -> tuple[str, str]:
    """A manifest store as the C2PA library gives it, with one training-mining assertion."""
    entries = {f"cawg.{key}": {"use": use} for key, use in uses.items()}
    held = {"assertions": [{"label": "cawg.training-mining", "data": {"entries": entries}}]}
    return json.dumps({"active_manifest": active, "manifests": {"a": held}}), state
