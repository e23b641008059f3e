"""Assets: their ids, and the way through JSON."""

from __future__ import annotations

import dataclasses
import hashlib
import json

from hypothesis import given
from hypothesis import strategies as st

from generation.asset import Asset, Brand, Copy, EndCard, File, Format, SafeArea, ShotTake, Shown, Subtitle

PLAIN = Asset(
    campaign="c",
    cell="language=ar",
    name="c_ar",
    format=Format(name="wide", width=1280, height=720, frames=150, frame_rate="25"),
    brand=Brand(name="Lumbrel"),
    shots=(
        ShotTake(name="one", requests=("a", "b"), start=0, frames=75),
        ShotTake(name="two", requests=("a",), start=75, frames=75),
    ),
    copy=Copy(language="ar"),
)


def test_an_id_hangs_on_campaign_cell_and_sample_alone():
    said = b'{"campaign":"c","cell":"language=ar","sample":0}'
    assert PLAIN.asset_id == hashlib.sha256(said).hexdigest()[:32]
    assert dataclasses.replace(PLAIN, name="other", shots=()).asset_id == PLAIN.asset_id
    assert dataclasses.replace(PLAIN, sample=1).asset_id != PLAIN.asset_id


def test_requests_are_named_once_in_order():
    assert PLAIN.requests == ("a", "b")


def test_copy_is_found_by_role():
    copy = Copy(language="en", headline="h", legal=("one", "two"))
    assert [copy.text(role) for role in ("headline", "price", "legal")] == ["h", "", "one\ntwo"]


_FILES = st.builds(File, uri=st.text(), sha256=st.text())
_SAFE = st.builds(SafeArea, **{side: st.floats(0, 0.49) for side in ("top", "right", "bottom", "left")})
_COPY = st.builds(
    Copy,
    language=st.text(),
    legal=st.lists(st.text()).map(tuple),
    shown=st.lists(st.builds(Shown, role=st.text(), start=st.integers(), end=st.integers())).map(tuple),
    subtitles=st.lists(st.builds(Subtitle, start=st.integers(), end=st.integers(), text=st.text())).map(tuple),
)


@given(
    st.builds(
        dataclasses.replace,
        st.just(PLAIN),
        format=st.builds(dataclasses.replace, st.just(PLAIN.format), safe_area=_SAFE),
        brand=st.builds(Brand, name=st.text(), fonts=st.lists(_FILES).map(tuple), logo=st.none() | _FILES),
        copy=_COPY,
        end_card=st.none() | st.builds(EndCard, start=st.integers(), frames=st.integers(), picture=st.none() | _FILES),
        music=st.none() | _FILES,
        markets=st.lists(st.text()).map(tuple),
        factors=st.lists(st.tuples(st.text(), st.text())).map(tuple),
    )
)
def test_an_asset_comes_back_from_json_as_it_was(asset):
    assert Asset.from_json(json.loads(json.dumps(asset.to_json()))) == asset
