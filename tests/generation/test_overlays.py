"""What stands over the picture lies in the safe area, covers nothing else, and is mirrored where reading is."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from PIL import Image

from generation.asset import Copy, SafeArea, Shown, Subtitle
from generation.drawing import open_picture, within
from generation.endcard import end_card
from generation.overlays import overlays, safe_box
from tests.generation.takes import WORDS, make_asset, render_logo
from transforms.failures import ElementError

FORMS = {
    "16:9": (1280, 720, SafeArea()),
    "9:16": (720, 1280, SafeArea(top=0.14, right=0.12, bottom=0.28, left=0.05)),
    "1:1": (720, 720, SafeArea()),
    "4:5": (720, 900, SafeArea(bottom=0.1)),
}


def laid(asset, grey=60, logo=None):
    form = asset.format
    behind = np.full((2, form.height, form.width), grey, np.uint8)
    return overlays(asset, logo, (), behind, (5, 15), 44)


@pytest.fixture
def logo(tmp_path):
    return open_picture(render_logo(tmp_path / "mark.png"))


def asset_in(tmp_path, language, form, **changes):
    width, height, safe = FORMS[form]
    return make_asset(tmp_path, language, width, height, safe, **changes)


@pytest.mark.parametrize("language", WORDS)
@pytest.mark.parametrize("form", FORMS)
def test_nothing_leaves_the_safe_area_and_nothing_covers_anything(tmp_path, language, form, logo):
    asset = asset_in(tmp_path, language, form)
    safe = safe_box(asset.format)
    layers = [layer for layer in laid(asset, logo=logo).layers if layer.name != "veil"]
    names = sorted(layer.name for layer in layers)
    assert names == sorted(["logo", "disclosure", "headline", "subtitle", "price", "call_to_action", "legal"])
    taken = np.zeros((asset.format.height, asset.format.width), int)
    for layer in layers:
        left, top, right, bottom = layer.box
        # Shadows reach further than what throws them.
        seen = layer.through[0] < 110
        rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
        assert left + columns[0] >= safe.left - 1, layer.name
        assert left + columns[-1] < safe.right + 1, layer.name
        assert top + rows[0] >= safe.top - 1, layer.name
        assert top + rows[-1] < safe.bottom + 1, layer.name
        taken[top:bottom, left:right] += seen
    assert taken.max() == 1


def test_in_arabic_everything_stands_on_the_other_side(tmp_path, logo):
    def places(language):
        asset = asset_in(tmp_path, language, "16:9")
        return {layer.name: (layer.box[0] + layer.box[2]) / 2 for layer in laid(asset, logo=logo).layers}

    left, right = places("en"), places("ar")
    for name in ("logo", "headline", "price", "call_to_action", "legal"):
        assert left[name] < 640 < right[name], name
    assert right["disclosure"] < 640 < left["disclosure"]
    assert left["price"] < left["call_to_action"]
    assert right["price"] > right["call_to_action"]


def test_texts_are_seen_when_they_are_planned_and_never_over_the_end_card(tmp_path):
    asset = make_asset(tmp_path)
    copy = dataclasses.replace(
        asset.copy,
        shown=(
            Shown(role="headline", start=3, end=12),
            Shown(role="headline", start=20, end=90),
            Shown(role="price", start=44, end=50),
        ),
        subtitles=(Subtitle(start=40, end=60, text="One."), Subtitle(start=50, end=60, text="Two.")),
    )
    made = laid(dataclasses.replace(asset, copy=copy))
    times = {name: [(x.start, x.end) for x in made.layers if x.name == name] for name in ("headline", "subtitle")}
    assert times == {"headline": [(3, 12), (20, 44)], "subtitle": [(40, 44)]}
    assert {layer.name for layer in made.layers} == {"headline", "subtitle", "disclosure"}
    assert "subtitle of frame 50 is left out: it comes over the end card" in made.told


def test_subtitles_stand_lower_while_nothing_else_does(tmp_path):
    def top(start, end):
        asset = make_asset(tmp_path)
        copy = dataclasses.replace(asset.copy, shown=(Shown(role="price", start=start, end=end),))
        (layer,) = (x for x in laid(dataclasses.replace(asset, copy=copy)).layers if x.name == "subtitle")
        return layer.box[1]

    assert top(20, 44) == top(30, 44) > top(19, 44)


def test_the_logo_goes_while_the_end_card_comes(tmp_path, logo):
    asset = make_asset(tmp_path)
    behind = np.full((1, 180, 320), 60, np.uint8)
    (mark,) = (x for x in overlays(asset, logo, (), behind, (5,), 44, 8).layers if x.name == "logo")
    seen = [mark.opacity(number) for number in range(43, 53)]
    assert seen[0] == 1 > seen[3] > seen[6] > seen[8] > seen[9] == 0


def test_the_label_stays_to_the_last_frame(tmp_path):
    asset = make_asset(tmp_path)
    (label,) = (layer for layer in laid(asset).layers if layer.name == "disclosure")
    assert all(label.opacity(number) == 1 for number in range(asset.format.frames))


@pytest.mark.parametrize(("grey", "veiled"), [(30, False), (128, True), (235, True)])
def test_a_headline_gets_as_much_veil_as_it_needs(tmp_path, grey, veiled):
    made = laid(make_asset(tmp_path), grey)
    assert ("veil" in {layer.name for layer in made.layers}) is veiled
    (said,) = (text for text in made.told if text.startswith("headline"))
    assert float(said.rpartition(" ")[2]) >= 4.5


def test_a_text_that_has_no_place_is_refused(tmp_path):
    asset = make_asset(tmp_path)
    copy = dataclasses.replace(asset.copy, headline="a word and another " * 30)
    with pytest.raises(ElementError) as caught:
        laid(dataclasses.replace(asset, copy=copy))
    assert caught.value.error_class == "bad_copy"


def test_without_words_and_logo_there_is_nothing(tmp_path):
    asset = dataclasses.replace(make_asset(tmp_path), copy=Copy(language="en"))
    assert not laid(asset).layers


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("form", FORMS)
def test_an_end_card_has_everything_inside_the_safe_area(tmp_path, language, form, logo):
    asset = asset_in(tmp_path, language, form)
    product = Image.new("RGBA", (300, 600), (0, 200, 120, 255))
    with_all = np.asarray(end_card(asset, logo, product, ()), int)
    bare = dataclasses.replace(asset, copy=Copy(language=language))
    without = np.asarray(end_card(bare, None, None, ()), int)
    drawn = np.abs(with_all - without).max(axis=2) > 40
    safe = safe_box(asset.format)
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    assert safe.left - 1 <= columns[0]
    assert columns[-1] <= safe.right
    assert safe.top - 1 <= rows[0]
    assert rows[-1] <= safe.bottom
    green = with_all[..., 1] - with_all[..., 0] > 120
    centre = np.flatnonzero(green.any(axis=0)).mean() / asset.format.width
    if form == "16:9":
        assert centre > 0.6 if language == "en" else centre < 0.4
    else:
        assert centre == pytest.approx((safe.left + safe.right) / 2 / asset.format.width, abs=0.02)


def test_an_end_card_keeps_the_labels_place_free(tmp_path, logo):
    asset = asset_in(tmp_path, "en", "16:9")
    copy = dataclasses.replace(asset.copy, disclosure="Made with AI,\nas the law asks for")
    asset = dataclasses.replace(asset, copy=copy)
    (label,) = (layer for layer in laid(asset).layers if layer.name == "disclosure")
    left, top, right, bottom = label.box
    card = np.asarray(end_card(asset, logo, Image.new("RGBA", (500, 900), (0, 255, 0, 255)), ()), int)
    assert card[top:bottom, left:right].std(axis=(0, 1)).max() < 4


def test_an_end_card_shrinks_what_is_much_and_refuses_what_is_too_much(tmp_path, logo):
    asset = make_asset(tmp_path, width=640, height=360)
    long = dataclasses.replace(asset.copy, headline="eight words that need some room of their own " * 2)
    end_card(dataclasses.replace(asset, copy=long), logo, None, ())
    endless = dataclasses.replace(asset.copy, headline="far too many words " * 40)
    with pytest.raises(ElementError) as caught:
        end_card(dataclasses.replace(asset, copy=endless), logo, None, ())
    assert caught.value.error_class == "bad_copy"


def test_pictures_keep_their_shape():
    for size, room in itertools.product([(300, 100), (100, 300)], [(50, 50), (400, 80)]):
        made = within(Image.new("RGBA", size), *room)
        assert made.width / made.height == pytest.approx(size[0] / size[1], rel=0.05)
        assert made.width <= room[0]
        assert made.height <= room[1]


def test_a_picture_that_is_none_is_refused(tmp_path):
    (tmp_path / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    with pytest.raises(ElementError, match=r"logo\.png cannot be read as a picture"):
        open_picture(tmp_path / "logo.png")
