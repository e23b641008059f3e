from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from filters.rights import places
from filters.rights.columns import CellError, value_of
from filters.rights.places import accounts, address, domain_keys, file_name, holds, keys, prefix_keys, shown
from transforms.addresses import normalise

SPELLINGS = [
    ("https://ex.org", "ex.org/"),
    ("ex.org/a", "ex.org/a"),
    ("HTTP://Ex.ORG:80/a", "ex.org/a"),
    ("https://ex.org:443/a", "ex.org/a"),
    ("https://ex.org:08080/a", "ex.org:8080/a"),
    ("https://user:secret@ex.org/a", "ex.org/a"),
    ("https://ex.org./a", "ex.org/a"),
    ("https://ex.org/a#t=10", "ex.org/a"),
    ("https://ex.org/a?", "ex.org/a"),
    ("https://ex.org/a?b=c&d", "ex.org/a?b=c&d"),
    ("https://ex.org?b", "ex.org/?b"),
    ("https://ex.org/a/./b/../c", "ex.org/a/c"),
    ("https://ex.org/../../a", "ex.org/a"),
    ("https://ex.org/a/..", "ex.org/"),
    ("https://ex.org/%61/%2e%2E/%7Eb", "ex.org/~b"),
    ("https://ex.org/a%2fb", "ex.org/a%2Fb"),
    ("https://ex.org/a%2", "ex.org/a%252"),
    ("https://ex.org/ä b", "ex.org/%C3%A4%20b"),
    ("https://ex.org/%c3%a4", "ex.org/%C3%A4"),
    ("https://ex.org/a?q=%61ä", "ex.org/a?q=a%C3%A4"),
    ("https://MÜNCHEN.de/", "xn--mnchen-3ya.de/"),
    ("https://xn--mnchen-3ya.de/", "xn--mnchen-3ya.de/"),
    ("https://例え.jp/", "xn--r8jz45g.jp/"),
    ("https://e%78.org/", "ex.org/"),
    ("https://ex。org/", "ex.org/"),
    ("https://[2001:DB8:0::1]:8080/a", "[2001:db8::1]:8080/a"),
    ("https://192.0.2.1/a", "192.0.2.1/a"),
    (" https://ex.org/a\n", "ex.org/a"),
    ("https://ex.org/a\nb", "ex.org/ab"),
    ("https://www.ex.org/", "www.ex.org/"),
    ("https://ex.org/A", "ex.org/A"),
    ("s3a://Bucket/A b/../c", "s3://Bucket/A b/../c"),
    ("gcs://b/k", "gs://b/k"),
    ("/data/./films//a.mp4", "/data/films/a.mp4"),
    ("//data/a", "/data/a"),
    ("file:///data/a%20b", "/data/a b"),
    ("https://", ""),
    ("", ""),
    ("s3://", ""),
    ("https://:80/a", ""),
]


@pytest.mark.parametrize(("uri", "one"), SPELLINGS)
def test_one_spelling(uri, one):
    assert address(uri) == one


PREFIXES = [
    ("ex.org/a", "https://ex.org/a", True),
    ("ex.org/a", "https://ex.org/a/", True),
    ("ex.org/a", "https://ex.org/a/b", True),
    ("ex.org/a", "https://ex.org/a?x", True),
    ("ex.org/a", "https://ex.org/a;v=1", True),
    ("ex.org/a", "https://ex.org/ab", False),
    ("ex.org/a", "https://ex.org/b/../a/c", True),
    ("ex.org/a", "https://ex.org/A", False),
    ("ex.org/a/", "https://ex.org/a", True),
    ("ex.org/a/*", "https://ex.org/a/b", True),
    ("ex.org", "https://ex.org/anything", True),
    ("ex.org/", "https://ex.org", True),
    ("ex.org", "https://ex.org:8443/", False),
    ("ex.org", "https://www.ex.org/", False),
    ("ex.org", "https://nex.org/", False),
    ("ex.org", "https://ex.organic/", False),
    ("ex.org/a?v=1", "https://ex.org/a?v=1", True),
    ("ex.org/a?v=1", "https://ex.org/a?v=1&t=2", True),
    ("ex.org/a?v=1", "https://ex.org/a?v=12", False),
    ("ex.org/a?v=", "https://ex.org/a?v=12", True),
    ("ex.org/a?v=1", "https://ex.org/a", False),
    ("straße.de/a", "https://straße.de/a", True),
    ("straße.de/a", "https://strasse.de/a", True),  # as sources are still listed
    ("münchen.de", "https://xn--mnchen-3ya.de/x", True),
    ("ex.org/ä", "https://ex.org/%c3%a4/b", True),
    ("192.0.2.1/a", "http://192.0.2.1/a/b", True),
    ("[2001:db8::1]/a", "http://[2001:DB8::0:1]/a/b", True),
    ("s3://bucket/a", "s3://bucket/a/b.mp4", True),
    ("s3://bucket/a", "s3://bucket/ab.mp4", False),
    ("s3://bucket/a", "gs://bucket/a/b.mp4", False),
    ("s3://bucket", "s3://bucket/b.mp4", True),
    ("s3://bucket/a?/", "s3://bucket/a?/b", True),
    ("my.bucket/a", "s3://my.bucket/a/b.mp4", True),
    ("my.bucket/a b", "gs://my.bucket/a b/c.mp4", True),
    ("/data/acme", "/data/acme/film.mp4", True),
    ("/data/acme/", "/data/acme", True),
    ("/data/acme", "/data/acmes/film.mp4", False),
    ("/", "/data/acme", True),
]


@pytest.mark.parametrize(("prefix", "uri", "within"), PREFIXES)
def test_prefixes_end_where_parts_end(prefix, uri, within):
    found = [k for k in prefix_keys(prefix) for place in keys(uri) if place.startswith(k) and holds(k, place)]
    assert bool(found) is within


DOMAINS = [
    ("ex.org", "https://ex.org/a", True),
    ("ex.org", "https://www.ex.org/a", True),
    ("ex.org", "https://a.b.ex.org:8080/", True),
    ("Ex.ORG.", "https://ex.org", True),
    ("*.ex.org", "https://a.ex.org", True),
    ("ex.org", "https://nex.org/", False),
    ("ex.org", "https://ex.org.evil.net/", False),
    ("www.ex.org", "https://ex.org/", False),
    ("münchen.de", "https://tv.xn--mnchen-3ya.de/", True),
    ("ex.org", "/ex.org/a", False),
    ("192.0.2.1", "https://192.0.2.1/", True),
    ("0.2.1", "https://192.0.2.1/", False),
]


@pytest.mark.parametrize(("domain", "uri", "within"), DOMAINS)
def test_domains_hold_what_is_below_them(domain, uri, within):
    found = [k for k in domain_keys(domain) for place in keys(uri) if place.startswith(k) and holds(k, place)]
    assert bool(found) is within


@given(st.one_of(st.text(), st.binary().map(lambda data: data.decode("latin-1")), st.from_regex(r"https?://.*")))
@example("https://ex.org:" + "9" * 5000)
@example("https://[v1.x]/")
@example("https://%25%32%35.org/")
@example("http://a%2Fb@c%40d/")
@example("https://xn--a.org/")
@example("::")
@example("https://a:80:/")
@settings(max_examples=400, deadline=None)
def test_any_text_has_one_spelling_at_most_and_nothing_raises(text):
    once = address(text)
    assert address(once) == once
    for place in keys(text):
        assert holds(place, place)
    prefix_keys(text), domain_keys(text), file_name(text)


@given(st.from_regex(r"(?:[a-z]{1,3}\.){1,3}[a-z]{2}(?::[1-9][0-9]{2})?(?:/[a-zA-Z0-9%._~]{0,4}){0,3}", fullmatch=True))
@settings(max_examples=100, deadline=None)
def test_every_address_is_within_itself_and_is_shown_as_it_is(text):
    (place,) = keys(f"https://{text}")
    assert shown(place) == address(text)
    assert all(place.startswith(k) and holds(k, place) for k in prefix_keys(text))
    host = text.partition("/")[0].partition(":")[0]
    assert all(place.startswith(k) and holds(k, place) for k in domain_keys(host))


def test_plain_addresses_are_spelled_by_the_general_rules_too(monkeypatch):
    listed = [f"https://{p.removeprefix('https://')}" for p, _, _ in PREFIXES] + [uri for uri, _ in SPELLINGS]
    quick = [(address(uri), keys(uri)) for uri in listed]
    monkeypatch.setattr(places, "_PLAIN", re.compile("(?!)"))
    assert [(address(uri), keys(uri)) for uri in listed] == quick


@pytest.mark.parametrize(
    ("metadata", "found"),
    [
        ({"account": "YouTube:UCabc"}, ["youtube:UCabc"]),
        ({"platform": "YouTube", "account_id": "UCabc"}, ["youtube:UCabc"]),
        ({"platform": "vimeo", "account": "77"}, ["vimeo:77"]),
        ({"platform": "x", "channel_id": "1", "uploader_id": "2"}, ["x:1", "x:2"]),
        ({"account": "UCabc"}, []),
        ({"account_id": "UCabc"}, []),
        ({"platform": "youtube"}, []),
        ({}, []),
    ],
)
def test_accounts_of_a_list(metadata, found):
    assert accounts(metadata) == found


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("https://ex.org/films/The%20Lion.King.mp4?x=/y.z#a/b", "The Lion.King"),
        ("/data/Shrek_2.mkv", "Shrek_2"),
        ("s3://b/.hidden", ".hidden"),
        ("https://ex.org/", ""),
        ("file.mp4", "file"),
        ("", ""),
    ],
)
def test_file_names(uri, name):
    assert file_name(uri) == name


LISTED = [
    # what the team writes in the list, as it is stored, and a source as it is listed, within it or not
    ("https://example.org/film/", "example.org/film/", "https://example.org/film/a.mp4", True),
    ("http://media/films/", "http://media/films/", "http://media/films/a.mp4", True),
    ("http://localhost:8080/x", "http://localhost:8080/x", "http://localhost:8080/x/a.mp4", True),
    ("/mnt/My films/*", "/mnt/My films", "/mnt/My films/a b.mp4", True),
    ("/mnt/My films/*", "/mnt/My films", "/mnt/My films 2/a.mp4", False),
    ("file:///mnt/My%20films/", "/mnt/My films", "file:///mnt/x/../My%20films/a.mp4", True),
    ("s3a://bucket/My films/", "s3://bucket/My films", "s3://bucket/My films/a.mp4", True),
    ("s3://bucket/films", "s3://bucket/films", "gs://bucket/films/a.mp4", False),
    ("gs://bucket", "gs://bucket", "gcs://bucket/a.mp4", True),
    ("gs://bucket/straße", "gs://bucket/straße", "gs://bucket/strasse/a.mp4", False),
    ("https://straße.de/x", "straße.de/x", "https://straße.de/x/a.mp4", True),
    ("https://straße.de/x", "straße.de/x", "https://xn--strae-oqa.de/x/a.mp4", True),
    ("https://straße.de/x", "straße.de/x", "https://strasse.de/x/a.mp4", True),  # as it was looked up once
    ("💩.la/a", "💩.la/a", "https://xn--ls8h.la/a", True),
]


@pytest.mark.parametrize(("written", "stored", "listed", "within"), LISTED)
def test_prefixes_of_the_list_hold_sources_as_they_are_listed(written, stored, listed, within):
    value = value_of("url_prefix", written)
    assert (value, value_of("url_prefix", value)) == (stored, stored)
    held = [any(key.startswith(prefix) and holds(prefix, key) for prefix in prefix_keys(value) for key in keys(uri))
            for uri in (listed, normalise(listed))]  # fmt: skip
    assert held == [within, within]


@pytest.mark.parametrize(
    "text",
    ["/", "file:///", "file://host/a", "//nas/films", "gs://", "media/films", "my film", "https:///x", "memory://a/b"],
)
def test_what_is_no_prefix_is_refused(text):
    with pytest.raises(CellError):
        value_of("url_prefix", text)


@pytest.mark.parametrize("host", ["straße.de", "FAß.example", "例え.jp", "ex。org", "MÜNCHEN.de", "💩.la"])
def test_a_host_has_one_spelling_everywhere(host):
    assert normalise(f"https://{host}/a") == f"https://{address(f'https://{host}/a')}"
