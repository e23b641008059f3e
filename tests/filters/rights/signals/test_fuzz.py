"""Mutated inputs, a few for every change; `python -m benchmarks.rights_fuzz` runs a hundred thousand a parser."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks import rights_fuzz
from filters.rights.signals.protocols import PROTOCOLS
from filters.rights.signals.signal import Says
from tests.filters.rights.signals import golden
from tests.filters.rights.signals.golden import PARSERS

INPUTS = 1000


@pytest.fixture(scope="module")
def parsers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, golden.Parser]:
    return {parser.name: parser for parser in rights_fuzz.every(tmp_path_factory.mktemp("anchors"))}


@pytest.mark.parametrize("name", [*(p.name for p in PARSERS), "pictures", "C2PA"])
def test_mutated_inputs_neither_break_a_parser_nor_make_a_yes(parsers: dict[str, golden.Parser], name: str) -> None:
    if name not in parsers:
        pytest.skip("c2pa-python is not installed: pip install 'rushes[c2pa]'")
    result = rights_fuzz.fuzz(parsers[name], INPUTS // 4 if name in ("C2PA", "boxes", "pictures") else INPUTS)
    assert result.faults == []
    assert result.slowest < 5


@pytest.mark.parametrize("parser", PARSERS, ids=lambda p: p.name)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(said=st.one_of(st.binary(max_size=400), st.text(max_size=200).map(lambda t: t.encode(errors="replace"))))
def test_any_bytes_are_answered(parser: golden.Parser, said: bytes) -> None:
    answer = parser.read(said)
    assert isinstance(answer, Says)
    assert "allow" not in answer or any(word in b"".join(said.lower().split()) for word in parser.yes)


@settings(max_examples=60, deadline=None)
@given(rest=st.text(st.characters(), max_size=60), named=st.text(st.characters(), max_size=60))
def test_any_address_and_any_header_is_answered(rest: str, named: str) -> None:
    visit = golden.visit(
        robots_txt=f"User-agent: *\nDisallow: /{named}\nLicense: {named}\n".encode(errors="replace"),
        ai_txt=b"User-agent: *\nDisallow: *.mp4",
        tdmrep_json=golden.TDM_FILE[0].said,
    )
    answer = golden.answer(link=f'<{named}>; rel="license"; type="application/rsl+xml"', x_robots_tag=named)
    for protocol in PROTOCOLS:
        found = protocol.of_site(f"https://{rest}", visit) if protocol.of_site else []
        found += protocol.of_response(answer, f"https://{rest}", visit) if protocol.of_response else []
        assert all(signal.words and isinstance(signal.says, Says) for signal in found)


def test_the_fuzzer_finds_a_parser_that_says_yes_and_one_that_breaks() -> None:
    seed = golden.Case("", b"tdm-reservation: 1", "")
    lax = golden.Parser("lax", lambda d: Says("unset" if b": 1" in d else "allow"), [seed], (b"yes",))
    assert "allowed" in rights_fuzz.fuzz(lax, 200).faults[0]

    def breaking(data: bytes) -> Says:
        data.decode()
        return Says()

    assert "UnicodeDecodeError" in rights_fuzz.fuzz(lax._replace(read=breaking), 200).faults[0]
