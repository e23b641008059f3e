"""Every parser against its table, and against what mutations make of it."""

from __future__ import annotations

import pytest

from filters.rights.records import USES
from filters.rights.signals import aipref, aitxt, page, paths, robots, robotsfile, rsl, tdmrep, xrobots
from filters.rights.signals.signal import ANSWERS, Says, in_words, saying, strictest, without_allow
from filters.rights.signals.visit import Answer, SignalSettings, Visit
from tests.filters.rights.signals import golden
from tests.filters.rights.signals.golden import NOW, PARSERS, SETTINGS, URI, answer, visit

CASES = [pytest.param(p, c, id=f"{p.name}: {c.name}") for p in PARSERS for c in p.cases]


@pytest.mark.parametrize(("parser", "case"), CASES)
def test_what_is_said(parser: golden.Parser, case: golden.Case) -> None:
    assert in_words(parser.read(case.said)) == case.expected


def test_says_has_the_uses_of_the_registry() -> None:
    assert Says._fields == USES


def test_the_strictest_counts_for_each_use() -> None:
    assert strictest(saying("allow", USES), saying("unknown", ["caption"]), saying("deny", ["train"])) == Says(
        "deny", "unknown", "allow", "allow"
    )
    assert strictest() == Says()
    assert [min(a, b, key=ANSWERS.index) for a, b in (("allow", "unset"), ("unknown", "allow"))] == ["allow", "unknown"]
    assert without_allow(Says("allow", "deny", "unknown")) == Says("unset", "deny", "unknown")


@pytest.mark.parametrize("name", ["X-Robots-Tag", "x-robots-tag", "X-ROBOTS-TAG"])
def test_headers_count_in_any_case_and_every_line(name: str) -> None:
    lines = ((name, "noindex"), (name.upper(), "noml"))
    (signal,) = xrobots.of_response(Answer(URI, 200, NOW, lines), URI, visit())
    assert signal.says == Says("deny", "deny")
    assert signal.text == "x-robots-tag: noindex\nx-robots-tag: noml"


def test_a_later_line_takes_no_refusal_back() -> None:
    usage = answer(content_usage=["train-ai=n", "train-ai=y"])
    assert aipref.of_response(usage, URI, visit())[0].says.train == "deny"
    assert tdmrep.of_response(answer(tdm_reservation=["0", "1"]), URI, visit())[0].says.train == "deny"


def test_a_line_that_cannot_be_parsed_hides_no_refusal() -> None:
    usage = answer(content_usage=["train-ai=n", "=="])
    assert aipref.of_response(usage, URI, visit())[0].says == Says("deny", "unknown", "unknown")


def test_no_header_is_no_signal() -> None:
    for protocol in (aipref, xrobots, tdmrep, rsl):
        assert protocol.of_response(answer(content_type="video/mp4"), URI, visit()) == []


def test_tdmrep_later_places_supersede_and_silence_resets_nothing() -> None:
    def settled(site: bytes, header: str | None, meta: str | None) -> str:
        held = visit(tdmrep_json=site)
        found = tdmrep.of_site(URI, held)
        found += tdmrep.of_response(answer(tdm_reservation=[header] if header else []), URI, held)
        if meta:
            read = page.read(f'<head><meta name="tdm-reservation" content="{meta}">', NOW)
            found += tdmrep.of_page(read, URI, held)
        return strictest(*(s.says for s in tdmrep.settled(found))).train

    no, yes = (f'[{{"location": "/", "tdm-reservation": {n}}}]'.encode() for n in (1, 0))
    assert settled(no, None, None) == "deny"
    assert settled(no, "0", None) == "allow"
    assert settled(yes, "1", None) == "deny"
    assert settled(no, "0", "1") == "deny"
    assert settled(yes, "1", "0") == "allow"
    assert settled(no, "2", None) == "deny"
    assert settled(b"broken", None, None) == "unknown"
    assert settled(b"broken", "0", None) == "allow"


def test_what_is_said_of_a_page_supersedes_nothing_that_is_said_of_the_film() -> None:
    film = tdmrep.of_response(answer(tdm_reservation="1"), URI, visit())
    about_page = page.read('<head><meta name="tdm-reservation" content="0">', NOW)
    other = tdmrep.of_page(about_page, "https://example.org/watch", visit())
    assert [s.says.train for s in tdmrep.settled([*film, *other])] == ["deny", "allow"]


def test_a_licence_link_is_followed_and_one_that_is_not_there_is_not_understood() -> None:
    no = golden.RSL[0].said
    named = 'x; rel="license", </other.html>; rel=license, <license.xml>; REL="license"; type="application/rsl+xml"'
    (signal,) = rsl.of_response(answer(link=named), URI, visit(license_xml=no))
    assert (signal.says, signal.uri) == (Says("deny"), "https://example.org/clips/license.xml")
    (gone,) = rsl.of_response(answer(link=named), URI, visit())
    assert gone.says == Says("unknown", "unknown", "unknown")


@pytest.mark.parametrize(
    ("agent", "train"), [("*", "allow"), ("rushes", "allow"), ("GPTBot", "unset"), ("other", "unset"), ("", "allow")]
)
def test_a_licence_for_somebody_else_permits_us_nothing(agent: str, train: str) -> None:
    yes = next(c.said for c in golden.RSL if c.name == "permitted")
    text = f"User-agent: {agent}\n" * bool(agent) + "License: https://example.org/license.xml\n"
    (signal,) = rsl.of_site(URI, visit(robots_txt=text.encode(), license_xml=yes))
    assert signal.says.train == train


def test_many_licences_are_not_all_fetched() -> None:
    text = "".join(f"License: https://example.org/{n}.xml\n" for n in range(100)).encode()
    found = rsl.of_site(URI, visit(robots_txt=text))
    assert len(found) == 9
    assert found[-1].says.train == "unknown"


def test_site_files_that_are_pages_say_nothing() -> None:
    soft = b"<!DOCTYPE html><html><head></head><body>Welcome</body></html>"
    assert tdmrep.of_site(URI, visit(tdmrep_json=soft))[0].says == Says()
    assert [s.says for s in aitxt.of_site(URI, visit(ai_txt=soft))] == [Says(), Says()]


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [(404, "", "unset"), (410, "", "unset"), (403, "", "unset"), (401, "", "unset"), (429, "", "unknown"),
     (500, "", "unknown"), (503, "", "unknown"), (304, "", "unknown"), (0, "timed out", "unknown")],
)  # fmt: skip
def test_what_is_not_there_says_nothing_and_what_failed_is_unknown(status: int, error: str, expected: str) -> None:
    failing = Visit(SETTINGS, lambda uri, limit: Answer(uri, status, NOW, error=error), lambda: NOW)
    for protocol in (robots, aipref, aitxt, tdmrep, rsl):
        for signal in protocol.of_site(URI, failing):
            assert signal.says.train == expected
            assert signal.words


def test_settings_name_the_crawlers() -> None:
    text = b"User-agent: ours\nDisallow: /\n"
    assert robots.read(text, URI, called("ours"))[0] == saying("deny", USES)
    assert robots.read(text, URI, called("other"))[0] == Says()


def called(name: str) -> SignalSettings:
    return SignalSettings(crawlers=(name,), ai_crawlers=())


def test_a_robots_file_of_many_names_and_rules_takes_neither_memory_nor_time() -> None:
    text = b"".join(b"User-agent: a%d\n" % n for n in range(15_000)) + b"Disallow: /b\n" * 18_000
    assert len(text) < robotsfile.PARSED
    assert robots.read(text, URI, SETTINGS)[0] == Says()
    usage = b"User-agent: *\n" + b"Content-Usage: /a train-ai=y\n" * 15_000
    assert aipref.read_robots(usage, URI, SETTINGS)[0].train == "unknown"


@pytest.mark.parametrize(
    ("pattern", "path", "covered"),
    [
        ("/", "/a", True), ("/a", "/ab", True), ("/a$", "/ab", False), ("/a$", "/a", True), ("/*.mp4$", "/x.mp4", True),
        ("/*.mp4$", "/x.mp4?y", False), ("/a*b*c", "/a1b2c3", True), ("/a*b*c", "/acb", False), ("*$", "/x", True),
        ("/ab*ab$", "/ab", False), ("/ab*ab$", "/abab", True), ("", "/", False), ("/%61", "/a", True),
        ("/%e4", "/%E4", True), ("/%2F", "//", False), ("/ä", "/%C3%A4", True), ("/a$b", "/a$b", True),
        ("/" + "*a" * 5000, "/" + "a" * 4999, False),
    ],
)  # fmt: skip
def test_paths(pattern: str, path: str, covered: bool) -> None:
    assert paths.matches(pattern, path) is covered
