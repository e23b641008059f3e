from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from filters.rights import matching, registry
from filters.rights.compiled import opened, pack
from filters.rights.compiling import compile_matcher
from filters.rights.matching import Matcher, Source, compile_version, open_version
from filters.rights.names import fold, joined
from filters.rights.precedence import Match, Question, decide
from filters.rights.records import IdentifierRow, identifier_id
from filters.rights.registry import Registry, RegistryError
from tests.filters.rights.said import EVERYBODY, day, entries, put, say
from transforms import records, storage

SAGA = pa.table({"work_id": ["saga", "film", "part"], "parent": [None, "saga", "film"]})


def one(work: str, kind: str, value: str, **more: Any) -> dict[str, Any]:
    """A row of the table of identifiers."""
    row = {**dict.fromkeys(records.schema(IdentifierRow).names), "withdrawn": False}
    return {
        **row,
        "identifier_id": identifier_id(work, kind, value),
        "work_id": work,
        "kind": kind,
        "value": value,
        **more,
    }


def table(*rows: dict[str, Any]) -> pa.Table:
    return records.to_table(IdentifierRow, list(rows))


@pytest.fixture
def opening(tmp_path: Path):
    def made(*rows: dict[str, Any], works: pa.Table | None = SAGA) -> Matcher:
        path = tmp_path / f"{time.monotonic_ns()}.bin"
        path.write_bytes(compile_matcher(table(*rows), works, "digest"))
        return Matcher(path, "digest")

    return made


def works(matches: list[Match]) -> list[str]:
    return sorted(match.work_id for match in matches)


def test_names_are_told_with_where_they_stand(opening):
    matcher = opening(one("film", "text", "The Film", aliases=["Der Film", "映画大王"], component="picture"))
    text = "The film. Der  Film, then 映画大王の the-film, the film"
    (match,) = matcher.text(text, "caption")
    assert match[:5] == ("film", "text", identifier_id("film", "text", "The Film"), "picture", None)
    assert match.words == "caption: “The film” at 0-8, “Der  Film” at 10-19, “映画大王” at 26-30 and 2 more"
    assert matcher.text("the films and a film", "caption") == []


def test_apostrophes_and_hyphens_may_be_left_out_on_either_side(opening):
    matcher = opening(one("a", "text", "Spider-Man"), one("b", "text", "Oceans Eleven"))
    assert works(matcher.text("spiderman, Spider-Man, spider man", "title")) == ["a"]
    assert works(matcher.text("Ocean’s Eleven", "title")) == ["b"]
    assert matcher.text("spid erman", "title") == []


def test_a_negative_context_makes_a_near_miss(opening):
    matcher = opening(one("film", "text", "Film", negative_contexts=["photographic film", "Kodak", "!!"]))
    (found,) = matcher.texts(["Photographic film is not this Film" + " and so on" * 9 + ", Film"], "caption")
    assert [m.words for m in found.near] == ["caption: “film” at 13-17, “Film” at 30-34; “photographic film” is near"]
    assert [m.words for m in found.matches] == ["caption: “Film” at 126-130"]
    (found,) = matcher.texts(["a film by Kodaks"], "caption")
    assert works(found.matches) == ["film"]
    (found,) = matcher.texts(["kodak", "a kodak film"], "caption")[1:]
    assert (found.matches, works(found.near)) == ([], ["film"])


def test_a_name_of_another_language_is_a_near_miss_where_both_are_known(opening):
    matcher = opening(one("film", "text", "Gift", language="de-AT"))
    assert works(matcher.text("gift", "title")) == works(matcher.text("gift", "title", "de_DE")) == ["film"]
    for unknown in ("und", "", "deu", "eng", "English", "xx", "en,de", "['en']"):
        assert works(matcher.text("gift", "title", unknown)) == ["film"], unknown
    assert works(matcher.text("gift", "title", " de ")) == ["film"]
    assert works(opening(one("film", "text", "Gift", language="deu")).text("gift", "title", "en")) == ["film"]
    assert matcher.text("gift", "title", " EN_us ") == []
    (found,) = matcher.texts(["gift"], "title", "en")
    assert (found.matches, [m.words for m in found.near]) == (
        [],
        ["title: “gift” at 0-4; a name in de-AT, a text in en"],
    )


def test_no_work_is_hidden_behind_a_longer_match_of_another(opening):
    matcher = opening(
        one("x", "text", "Great Film"), one("y", "text", "The Great Film Two"), one("z", "text", "Film Two"),
        one("x", "url_prefix", "ex.org/a"), one("y", "url_prefix", "ex.org/a/b"), one("z", "domain", "ex.org"),
    )  # fmt: skip
    assert works(matcher.text("the great film two", "title")) == ["x", "y", "z"]
    assert works(matcher.source("https://ex.org/a/b/c")) == ["x", "y", "z"]


def test_what_the_longer_match_is_part_of_goes_without_saying(opening):
    matcher = opening(
        one("saga", "text", "Film"), one("part", "text", "Film: Part One"), one("film", "text", "Part One"),
        one("part", "text", "Part One", component="sound"),
        one("saga", "domain", "ex.org"), one("film", "url_prefix", "ex.org/film"), one("other", "url_prefix", "ex.org"),
    )  # fmt: skip
    assert works(matcher.text("Film: Part One", "title")) == ["part", "part"]
    assert {match.above for match in matcher.text("Film: Part One", "title")} == {("film", "saga"), ()}
    assert works(matcher.text("Film: Part One, a film", "title")) == ["part", "part", "saga"]
    assert works(matcher.source("https://ex.org/film/1")) == ["film", "other"]


def test_sources_are_known_by_address_account_hash_and_names(opening):
    digest = "ab" * 32
    matcher = opening(
        one("site", "url_prefix", "ex.org/films/"), one("domain", "domain", "ex.net"),
        one("acc", "account", "tube:UC1"),
        one("bytes", "sha256", digest), one("code", "iscc", "ISCC:KAA"), one("shrek", "text", "Shrek 2"),
        one("300", "text", "300"), one("bucket", "url_prefix", "s3://b/acme"), one("disk", "url_prefix", "/data/acme"),
    )  # fmt: skip
    for source, found in (
        (Source("https://ex.org/films/a.mp4"), ["site"]),
        (Source("https://ex.com/a.mp4", {"page": "http://www.ex.net/x"}), ["domain"]),
        (Source("https://ex.com/a.mp4", {"platform": "Tube", "channel_id": "UC1"}), ["acc"]),
        (Source("https://ex.com/a.mp4", {"sha256": digest.upper(), "iscc": "KAA"}), ["bytes", "code"]),
        (Source("https://ex.com/shrek_2.mp4"), ["shrek"]),
        (Source("https://ex.com/a.mp4", {"tags": "fun|Shrek 2|ogre"}), ["shrek"]),
        (Source("https://ex.com/a.mp4", {"title": "300", "frames": "300"}), ["300"]),
        (Source("https://ex.com/a.mp4", {"frames": "300", "empty": ""}), []),
        (Source("s3://b/acme/x.mp4"), ["bucket"]),
        (Source("/data/acme/x.mp4"), ["disk"]),
    ):
        assert works(matcher.source(*source)) == found, source
    assert works(matcher.bytes_hash(f"sha256:{digest}")) == ["bytes"]
    assert works(matcher.iscc("iscc:kaa")) == ["code"]
    batch = [Source("https://ex.com/a.mp4"), Source("https://ex.org/films/shrek-2.mp4")]
    assert [works(matches) for matches in matcher.sources(batch)] == [[], ["shrek", "site"]]


def test_credentials_are_not_told(opening):
    (match,) = opening(one("site", "domain", "ex.org")).source("https://me:secret@ex.org/a?token=hidden")
    assert "secret" not in match.words
    assert "hidden" not in match.words
    assert match.words.endswith("is within ex.org")


def test_matches_are_what_decisions_are_made_of(opening):
    matcher = opening(one("film", "url_prefix", "ex.org/a"), one("film", "text", "The Film"))
    question = Question(use="train", regime="opt-out", at=day(20))
    refused = entries(say("no", "opt_out"))
    assert decide(question, matcher.source("https://ex.org/a/b"), refused).verdict == "deny"
    assert decide(question, matcher.text("the film", "caption"), refused).verdict == "review"
    assert decide(question, matcher.source("https://ex.org/ab"), refused).verdict == "allow"


def test_what_can_never_match_is_told(opening):
    matcher = opening(one("x", "text", "☆☆"), one("x", "text", "★", aliases=["Star"]), one("x", "domain", "."))
    assert set(matcher.unmatchable) == {identifier_id("x", "text", "☆☆"), identifier_id("x", "domain", ".")}
    assert works(matcher.text("a ★ star", "title")) == ["x"]


def test_an_empty_version_matches_nothing(opening):
    matcher = opening()
    assert matcher.entries == 0
    assert matcher.source("https://ex.org/a", {"title": "x", "account": "a:b", "sha256": "00"}) == []
    assert matcher.text("anything", "caption") == matcher.text("", "caption") == []
    assert matcher.sources([]) == matcher.texts([], "caption") == []


SPELLED = st.text(st.sampled_from("abcé B-'’.2ß千と。・は슈렉은"), min_size=1, max_size=8)


def stands(name: str, text: str) -> bool:
    """Whether a name stands in a text, the slow way."""
    for here in (fold(text), fold(joined(text))):
        for wanted in {fold(name), fold(joined(name))} - {""}:
            for at in range(len(here) - len(wanted) + 1):
                if here[at : at + len(wanted)] == wanted and _free(here, at, at + len(wanted)):
                    return True
    return False


def _free(text: str, start: int, stop: int) -> bool:
    plain = lambda letter: letter.isalnum() and letter < "\u1100"  # noqa: E731
    korean = lambda letter: "\u1100" <= letter <= "\u11ff"  # noqa: E731
    before, after = text[start - 1 : start], text[stop : stop + 1]
    if after and (plain(text[stop - 1]) and plain(after)):
        return False
    if before and ((plain(before) and plain(text[start])) or (korean(before) and korean(text[start]))):
        return False
    if after and korean(text[stop - 1]) and korean(after):
        rest = text[stop:]
        word = rest[: next((i for i, letter in enumerate(rest) if not korean(letter)), len(rest))]
        return word == fold("은")
    return text[start] < "\u1160" or text[start] > "\u11ff"


@given(
    st.lists(SPELLED, min_size=1, max_size=5),
    st.lists(st.text(st.sampled_from("abcé B-'’.2ß千と。・は슈렉은")), max_size=4),
)
@example(["a"], ["a-a", "a'a"])
@example(["슈렉"], ["슈렉은", "은슈렉", "슈렉슈렉"])
@example(["千は"], ["千。は", "千 は"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_names_are_found_where_a_slow_search_finds_them(tmp_path, spelled, texts):
    path = tmp_path / "matcher.bin"
    path.unlink(missing_ok=True)
    path.write_bytes(compile_matcher(table(*(one(f"w{i}", "text", name) for i, name in enumerate(spelled)))))
    matcher = Matcher(path)
    padded = [f"xx {name} yy" for name in spelled] + texts
    for text, found in zip(padded, matcher.texts(padded, "caption"), strict=True):
        assert works(found.matches) == [f"w{i}" for i, name in enumerate(spelled) if stands(name, text)], text


@given(st.lists(SPELLED, min_size=1, max_size=4), st.lists(SPELLED, max_size=30), st.integers(5, 40))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_long_texts_are_searched_in_parts_as_if_whole(opening, monkeypatch, spelled, words, block):
    matcher = opening(*(one(f"w{i}", "text", name) for i, name in enumerate(spelled)))
    text = " ".join(words)
    whole = works(matcher.text(text, "transcript"))
    with monkeypatch.context() as patched:
        patched.setattr(matching, "_BLOCK", block)
        patched.setattr(matching, "_OVERLAP", 30)
        parts = works(matcher.text(text, "transcript"))
    assert set(whole) <= set(parts)


@given(st.randoms(use_true_random=False), st.lists(st.tuples(SPELLED, st.booleans()), max_size=8))
@settings(max_examples=50, deadline=None)
def test_order_never_matters_and_what_is_withdrawn_never_matches(chance, spelled):
    rows = [one(f"w{i}", "text", name, withdrawn=gone) for i, (name, gone) in enumerate(spelled)]
    rows += [one(f"u{i}", "url_prefix", f"ex.org/{name}", withdrawn=gone) for i, (name, gone) in enumerate(spelled)]
    mixed = random.Random(chance.random()).sample(rows, len(rows))
    data = compile_matcher(table(*rows), SAGA)
    assert compile_matcher(table(*mixed), SAGA) == data
    assert compile_matcher(table(*(row for row in rows if not row["withdrawn"])), SAGA) == data


@pytest.fixture(scope="module")
def compiled_bytes() -> bytes:
    return compile_matcher(table(one("film", "text", "The Film"), one("film", "domain", "ex.org")), SAGA, "digest")


@given(st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_file_is_told(tmp_path, compiled_bytes, data):
    path = tmp_path / "damaged.bin"
    path.unlink(missing_ok=True)
    at = data.draw(st.integers(0, len(compiled_bytes) - 1))
    if data.draw(st.booleans()):
        path.write_bytes(compiled_bytes[:at])
    else:
        other = compiled_bytes[at] ^ data.draw(st.integers(1, 255))
        path.write_bytes(compiled_bytes[:at] + bytes([other]) + compiled_bytes[at + 1 :])
    with pytest.raises(RegistryError):
        Matcher(path)


def test_a_file_of_another_version_or_program_is_told(tmp_path, compiled_bytes, monkeypatch):
    path = tmp_path / "matcher.bin"
    with pytest.raises(RegistryError, match="cannot be read"):
        Matcher(path)
    path.write_bytes(compiled_bytes)
    assert Matcher(path).digest == "digest"
    with pytest.raises(RegistryError, match="another version"):
        Matcher(path, "another")
    monkeypatch.setattr(matching, "RECIPE", 999)
    with pytest.raises(RegistryError, match="another program"):
        Matcher(path)


def test_sections_come_back_as_they_were(tmp_path):
    sections = {"a": b"", "b": b"x" * 65, "c": b"\0" * 64}
    path = tmp_path / "some.bin"
    path.write_bytes(pack({"n": 1}, sections))
    header, found = opened(path)
    assert header == {"n": 1}
    assert {name: bytes(data) for name, data in found.items()} == sections


def test_a_version_is_compiled_once_and_opened_by_all(tmp_path):
    held = registry.create(str(tmp_path / "rights"))
    film = IdentifierRow(identifier_id="i", work_id="film", kind="text", value="The Film")
    state = put(held, *EVERYBODY, film)
    assert works(open_version(held, state, tmp_path / "own").text("the film", "title")) == ["film"]
    assert len(list((tmp_path / "own").iterdir())) == 1
    uri = compile_version(held, state)
    before = Path(uri).stat().st_mtime_ns
    assert compile_version(held, state) == uri
    assert Path(uri).stat().st_mtime_ns == before
    assert open_version(held, state).path == uri
    gone = IdentifierRow(identifier_id="i", work_id="film", kind="text", value="The Film", withdrawn=True)
    later = put(held, gone)
    assert open_version(held, later, tmp_path / "own").text("the film", "title") == []
    Path(uri).write_bytes(Path(uri).read_bytes()[:-1])
    with pytest.raises(RegistryError, match="damaged"):
        open_version(held, state)


def test_a_remote_version_is_copied_once(tmp_path):
    held = Registry("memory://rights-matching")
    try:
        uri = compile_version(held, registry.EMPTY)
        first = open_version(held, registry.EMPTY, tmp_path)
        storage.delete(uri)
        assert open_version(held, registry.EMPTY, tmp_path).path == first.path == str(tmp_path / Path(uri).name)
    finally:
        storage.delete(held.uri("compiled"), recursive=True)


def test_a_matcher_survives_its_file(opening):
    matcher = opening(one("film", "text", "The Film"))
    Path(matcher.path).unlink()
    assert works(matcher.text("the film", "title")) == ["film"]
