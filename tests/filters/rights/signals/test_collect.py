"""Everything that is said of a source, what follows from it, and what changed since."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from filters.rights.precedence import Decision, Finding, Match
from filters.rights.signals import collect as collecting
from filters.rights.signals.collect import Target, collect, recheck
from filters.rights.signals.evidence import as_findings, gaps, standing
from filters.rights.signals.fetch import Fetcher
from filters.rights.signals.protocols import NAMES, PROTOCOLS
from filters.rights.signals.signal import NOTHING, RAW_CHARACTERS, Says, Spot, saying, strictest
from filters.rights.signals.visit import SignalSettings
from tests.filters.rights.signals import golden
from tests.filters.rights.signals.hostile import HostileServer
from transforms.attempts import StorageSettings
from transforms.settings import ConfigError, validate

OPEN = StorageSettings(allow_private_addresses=True)
CALM = SignalSettings(max_request_seconds=20)


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with HostileServer() as made:
        made.files["/film.mp4"] = b"film"
        yield made


def said(server: HostileServer, target: Target | None = None) -> dict[tuple[str, str], Says]:
    found: dict[tuple[str, str], Says] = {}
    for signal in collect(target or Target(server.address + "/film.mp4"), Fetcher(CALM, OPEN)):
        key = signal.protocol, signal.place
        found[key] = strictest(found.get(key, NOTHING), signal.says)
    return found


def test_a_site_that_says_nothing(server: HostileServer) -> None:
    assert set(said(server).values()) == {NOTHING}
    assert sorted(server.asked) == [
        "GET /.well-known/ai.txt", "GET /.well-known/tdmrep.json", "GET /ai.txt", "GET /robots.txt", "HEAD /film.mp4",
    ]  # fmt: skip


def test_every_place_is_asked(server: HostileServer, tmp_path: Path) -> None:
    server.files["/robots.txt"] = (
        f"User-agent: CCBot\nDisallow: /\nUser-agent: *\nContent-Usage: train-ai=n\nContent-Signal: ai-input=no\n"
        f"License: {server.address}/license.xml\n"
    ).encode()
    server.files["/license.xml"] = golden.RSL[0].said
    server.files["/ai.txt"] = golden.AI_TXT[0].said
    server.files["/.well-known/tdmrep.json"] = b'[{"location": "/*.mp4$", "tdm-reservation": 1}]'
    server.headers["/film.mp4"] = [("x-robots-tag", "noai"), ("CONTENT-USAGE", "all=n")]
    server.files["/watch.html"] = b'<head><meta name="tdm-reservation" content="1"><meta name=robots content=noml>'
    path = tmp_path / "film.mp4"
    path.write_bytes(next(c.said for c in golden.FILES if c.name == "user data"))
    found = said(server, Target(server.address + "/film.mp4", server.address + "/watch.html", path))
    refused = {key for key, says in found.items() if says.train == "deny"}
    assert refused == {
        ("robots.txt", "site"), ("Content-Usage", "site"), ("Content-Usage", "response"), ("X-Robots-Tag", "response"),
        ("X-Robots-Tag", "page"), ("ai.txt", "site"), ("TDMRep", "site"), ("TDMRep", "page"), ("RSL", "site"),
        ("IPTC data mining", "file"),
    }  # fmt: skip
    assert found["Content-Signal", "site"] == saying("deny", ["caption", "generate"])


def test_signals_tell_where_when_and_what(server: HostileServer) -> None:
    server.files["/robots.txt"] = b"User-agent: *\nDisallow: /\n" + b"# x\n" * 50_000
    uri = server.address + "/film.mp4?token=secret"
    (signal,) = (s for s in collect(Target(uri), Fetcher(CALM, OPEN)) if s.protocol == "robots.txt")
    assert signal.uri == server.address + "/robots.txt"
    assert "secret" not in repr(signal)
    assert signal.fetched_at.tzinfo is not None
    assert (len(signal.text), signal.size, len(signal.digest)) == (RAW_CHARACTERS, 200_025 + 1, 64)
    assert "rushes" in signal.words


def test_findings_refuse_and_gaps_are_told(server: HostileServer) -> None:
    server.files["/.well-known/tdmrep.json"] = b'[{"location": "/", "tdm-reservation": 1}]'
    server.faults["/ai.txt"] = "/500"
    found = collect(Target(server.address + "/film.mp4"), Fetcher(CALM, OPEN))
    (finding,) = as_findings(found, "train")
    assert (finding.verdict, finding.match) == ("deny", None)
    assert finding.words.startswith("TDMRep at http://127.0.0.1")
    assert finding.entries[0].startswith("g-")
    (gap,) = gaps(found, "train")
    assert (gap.check, gap.needed) == ("ai.txt", True)
    assert as_findings(found, "display") == []
    assert gaps(found, "display") == []
    silent = [g.check for g in gaps(found, "train", NAMES) if g.words == "was not asked"]
    assert silent == ["X-Robots-Tag", "C2PA", "IPTC data mining"]


def test_where_a_source_leads_has_rules_of_its_own(server: HostileServer) -> None:
    with HostileServer() as store:
        store.files = {"/film.mp4": b"film", "/robots.txt": b"User-agent: *\nDisallow: /\n"}
        server.faults["/film.mp4"] = "/away/" + store.address.replace("/", "!") + "!film.mp4"
        found = collect(Target(server.address + "/film.mp4"), Fetcher(CALM, OPEN))
        refusing = [(s.protocol, s.about) for s in found if s.says.train == "deny"]
        assert refusing == [("robots.txt", store.address + "/film.mp4")]


@pytest.mark.parametrize(
    ("kind", "verdict", "entries", "lifted"),
    [
        ("url_prefix", "allow", ("s-1",), True), ("domain", "allow", ("s-1",), True),
        ("text", "allow", ("s-1",), False), ("url_prefix", "allow", (), False), ("url_prefix", "deny", ("s-1",), False),
    ],
)  # fmt: skip
def test_a_grant_for_the_address_lifts_what_the_site_says_and_not_what_the_file_says(
    kind: str, verdict: str, entries: tuple[str, ...], lifted: bool
) -> None:
    site = Spot("robots.txt", "site", golden.URI, golden.URI, golden.NOW).signal(saying("deny", ["train"]), "no")
    lost = Spot("ai.txt", "site", golden.URI, golden.URI, golden.NOW).signal(saying("unknown", ["train"]), "lost")
    file = Spot("C2PA", "file", golden.URI, golden.URI, golden.NOW).signal(saying("deny", ["train"]), "no")
    registry = Decision("allow", findings=(Finding(verdict, "", entries, Match("w", kind)),))
    findings = as_findings([site, lost, file], "train", registry)
    assert [f.entries[0] for f in findings] == [s.signal_id for s in ([file] if lifted else [site, file])]
    assert len(gaps([site, lost, file], "train", (), registry)) == (not lifted)
    assert len(as_findings([site, lost, file], "train")) == 2


def test_a_yes_gives_no_finding() -> None:
    spot = Spot("Content-Usage", "response", golden.URI, golden.URI, golden.NOW)
    assert as_findings([spot.signal(saying("allow", ["train"]), "")], "train") == []
    assert gaps([spot.signal(saying("allow", ["train"]), "")], "train") == []


def test_signals_of_a_protocol_that_is_no_longer_known_still_count() -> None:
    signal = Spot("old", "site", golden.URI, golden.URI, golden.NOW).signal(saying("deny", ["train"]), "no")
    assert standing([signal]) == [signal]
    assert as_findings([signal], "train")[0].verdict == "deny"


def test_a_source_that_does_not_answer_leaves_unknown(server: HostileServer) -> None:
    server.faults = dict.fromkeys(("/robots.txt", "/film.mp4", "/ai.txt", "/.well-known/tdmrep.json"), "/reset")
    found = said(server)
    assert found["robots.txt", "site"] == Says(*["unknown"] * 4)
    assert found["TDMRep", "response"].train == found["X-Robots-Tag", "response"].train == "unknown"
    assert not any("allow" in says for says in found.values())


def test_a_page_that_is_cut_is_unknown(server: HostileServer) -> None:
    server.files["/watch.html"] = b"<html>" + b" " * 3000 + b'<meta name=robots content="noai">'
    settings = SignalSettings(max_request_seconds=20, max_page_kb=1)
    found = collect(Target(server.address + "/film.mp4", server.address + "/watch.html"), Fetcher(settings, OPEN))
    assert {s.says.train for s in found if s.place == "page"} == {"unknown"}


def test_recheck_tells_what_changed(server: HostileServer, tmp_path: Path) -> None:
    target = Target(server.address + "/film.mp4")
    server.files["/ai.txt"] = b"User-Agent: *\nDisallow: *.mp4\n"
    server.files["/.well-known/tdmrep.json"] = b'[{"location": "/", "tdm-reservation": 1}]'
    before = collect(target, Fetcher(CALM, OPEN))
    assert recheck(before, Fetcher(CALM, OPEN)) == []

    server.files["/ai.txt"] = b"User-Agent: *\nDisallow: *.mp4 # still\n"
    server.files["/.well-known/tdmrep.json"] = b"[]"
    server.faults["/robots.txt"] = "/503"
    server.headers["/film.mp4"] = [("X-Robots-Tag", "noai")]
    words = [d.words for d in recheck(before, Fetcher(CALM, OPEN))]
    assert (
        words
        == [
            f"robots.txt of {target.uri}: said nothing said; says unknown train, caption, generate, display",
            f"Content-Usage of {target.uri}: said nothing said; says unknown train, caption, generate",
            f"Content-Signal of {target.uri}: said nothing said; says unknown train, caption, generate",
            f"ai.txt of {target.uri}: says the same in other words",
            f"TDMRep of {target.uri}: said deny train, caption; says nothing said",
            f"X-Robots-Tag of {target.uri}: said nothing said; says deny train, caption, generate",
        ]
        or words
    )


def test_what_robots_forbids_is_not_asked_for(server: HostileServer) -> None:
    target = Target(server.address + "/film.mp4", server.address + "/watch.html")
    server.files["/watch.html"] = b"<head><meta name=robots content=noml>"
    server.headers["/film.mp4"] = [("X-Robots-Tag", "noml")]
    before = collect(target, Fetcher(CALM, OPEN))
    server.files["/robots.txt"] = b"User-agent: *\nDisallow: /\n"
    server.asked.clear()
    after = collect(target, Fetcher(CALM, OPEN))
    assert {s.place for s in after} == {"site"}
    assert not any("film" in path or "watch" in path for path in server.asked)
    words = [d.words for d in recheck(before, Fetcher(CALM, OPEN)) if "in other words" not in d.words]
    everything = "train, caption, generate, display"
    assert words == [
        f"robots.txt of {uri}: said nothing said; says deny {everything}" for uri in (target.uri, target.page)
    ]


def test_recheck_of_a_file_needs_its_path(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(next(c.said for c in golden.FILES if c.name == "user data"))
    target = Target("local/a.mp4", path=path)
    before = collect(target, Fetcher(CALM))
    assert {s.place for s in before} == {"file"}
    path.write_bytes(golden._FTYP)
    assert recheck(before, Fetcher(CALM)) == []
    (difference,) = [d for d in recheck(before, Fetcher(CALM), [target]) if d.before and d.before.says != NOTHING]
    assert difference.words.endswith("said deny train, caption; says nothing said")


@pytest.mark.parametrize(
    ("library", "protocols"),
    [("protego", {"robots.txt"}), ("http_sf", {"Content-Usage"}), ("defusedxml", {"RSL", "IPTC data mining"}),
     ("c2pa", {"C2PA"})],
)  # fmt: skip
def test_a_protocol_without_its_library_is_unknown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, library: str, protocols: set[str]
) -> None:
    from filters.rights.signals import robots

    robots._rules.cache_clear()
    for name in [n for n in sys.modules if n.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    if library == "defusedxml":
        monkeypatch.setitem(sys.modules, "defusedxml.ElementTree", None)
    path = tmp_path / "a.mp4"
    path.write_bytes(next(c.said for c in golden.FILES if c.name == "user data"))
    text = b"User-agent: *\nContent-Usage: train-ai=y\nLicense: https://example.org/license.xml\n"
    visit = golden.visit(robots_txt=text, license_xml=golden.RSL[2].said)
    unknown = set()
    for protocol in PROTOCOLS:
        found = protocol.of_site(golden.URI, visit) if protocol.of_site else []
        found += protocol.of_file(path, golden.URI, visit) if protocol.of_file else []
        unknown |= {s.protocol for s in found if s.says.train == "unknown" and "pip install 'rushes[" in s.words}
    assert unknown == protocols


def test_pictures(tmp_path: Path) -> None:
    from PIL import Image, PngImagePlugin

    no = golden.XMP[0].said
    from filters.rights.signals import datamining

    def read(data: bytes) -> Says:
        return datamining.told(Spot("", "file", "", "", golden.NOW), io.BytesIO(data)).says

    def saved(kind: str, **options: object) -> bytes:
        held = io.BytesIO()
        Image.new("RGB", (16, 16)).save(held, kind, **options)
        return held.getvalue()

    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", no.decode())
    mining = saying("deny", ["train", "caption"])
    assert read(saved("JPEG")) == read(saved("PNG")) == read(saved("TIFF")) == read(saved("WEBP")) == NOTHING
    assert read(saved("JPEG", xmp=no)) == read(saved("PNG", pnginfo=info)) == read(saved("WEBP", xmp=no)) == mining
    assert read(saved("TIFF", tiffinfo={700: no})) == mining
    jpeg = saved("JPEG")

    def segment(body: bytes) -> bytes:
        return b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body

    xap = b"http://ns.adobe.com/xap/1.0/\0"
    two = jpeg[:2] + segment(xap + no) + segment(xap + b"<a/>") + jpeg[2:]
    assert read(two) == mining  # Pillow itself keeps the last alone.
    halves, extension = (no[:300], no[300:]), b"http://ns.adobe.com/xmp/extension/\0"
    extended = b"".join(
        segment(extension + b"G" * 32 + len(no).to_bytes(4, "big") + at.to_bytes(4, "big") + h)
        for at, h in ((300, halves[1]), (0, halves[0]))
    )  # fmt: skip
    assert read(jpeg[:2] + extended + jpeg[2:]) == mining
    assert read(saved("JPEG", xmp=no)[:400]).train in ("unknown", "deny")
    assert read(b"\xff\xd8\xff" + b"garbage").train == "unknown"
    assert read(b"\0\0\0\x1cftypheic" + bytes(50)).train == "unknown"


def test_settings_are_checked() -> None:
    validate(SignalSettings())
    collecting.check(SignalSettings(skip_protocols=("RSL",)))
    with pytest.raises(ConfigError, match=r"not one of robots\.txt"):
        collecting.check(SignalSettings(skip_protocols=("RLS",)))
    assert "RSL" not in {p.name for p in collecting.asked(SignalSettings(skip_protocols=("RSL",)))}
