"""Layers and scenery: that a frame is made of them as they lie, wherever the camera looks."""

from __future__ import annotations

import numpy as np
import pytest

from generation.animatics.camera import MOVES, View, view
from generation.animatics.colours import palette
from generation.animatics.layers import Layer, composed, layer_of, multiplied
from generation.animatics.scenery import PLACES, motes, place, place_named, standing

SIZES = [(192, 108), (108, 192), (120, 120)]


def solid(width: int, height: int, colour: tuple[int, int, int]) -> Layer:
    return Layer(pixels=np.full((height, width, 4), (*colour, 255), np.uint8), solid=True)


def test_a_layer_lies_where_it_was_put_and_covers_by_its_share():
    square = np.zeros((40, 40, 4), np.uint8)
    square[10:20, 10:30] = (255, 0, 0, 255)
    square[20:30, 10:30] = (255, 0, 0, 128)
    layers = [solid(100, 60, (0, 0, 200)), layer_of(square, at=(5.0, 7.0))]
    frame = composed(layers, View(), 0.0, 100, 60)
    assert tuple(frame[22, 25, :3]) == (255, 0, 0)
    assert frame[32, 25, :3].tolist() == pytest.approx([128, 0, 100], abs=2)
    assert tuple(frame[50, 80, :3]) == (0, 0, 200)


def test_a_layer_outside_the_frame_is_not_seen():
    square = np.full((10, 10, 4), 255, np.uint8)
    frame = composed([solid(50, 50, (0, 0, 0)), layer_of(square, at=(80.0, 80.0))], View(), 0.0, 50, 50)
    assert not frame[..., :3].any()


def test_colours_are_multiplied_by_their_cover():
    assert multiplied(np.array([[[200, 100, 50, 128]]], np.uint8)).tolist() == [[[100, 50, 25, 128]]]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PLACES)
def test_every_place_fills_every_frame_with_real_colours(size, name):
    layers = place(name, palette("", None, "kites"), 3, *size)
    for move in MOVES:
        for t in (0.0, 1.0):
            frame = composed(layers, view(move, t, 4 * t), 4 * t, *size)
            assert frame.shape == (size[1], size[0], 4)
            assert frame[..., :3].std() > 8
            assert (frame[..., :3].max(axis=2) > 8).mean() > 0.99


def test_places_differ_by_name_and_by_seed():
    colours = palette("", None, "kites")
    frames = [
        composed(place(name, colours, seed, 96, 54), View(), 0.0, 96, 54) for name in PLACES for seed in (0, 5, 9)
    ]
    apart = [abs(a.astype(int) - b).mean() for n, a in enumerate(frames) for b in frames[:n]]
    assert min(apart) > 0.5


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("A mountain ridge at first light", "hills"),
        ("a railway platform on a wet winter morning", "studio"),
        ("an abstract of silk before a window", "ribbons"),
    ],
)
def test_the_words_of_a_shot_name_its_place(words, name):
    assert place_named(words) == name


def test_words_that_name_no_place_always_mean_the_same_one():
    assert {place_named(f"take {n}") for n in range(30)} == set(PLACES)
    assert place_named("طائرة ورقية") == place_named("طائرة ورقية")


@pytest.mark.parametrize("size", SIZES)
def test_things_stand_side_by_side_within_the_frame(size):
    one = np.zeros((80, 30, 4), np.uint8)
    one[2:78, 2:28] = (0, 255, 0, 255)
    two = one.copy()
    two[..., :3] = np.where(two[..., 3:] > 0, (255, 0, 255), 0)
    width, height = size
    grey = palette("#808080", None, "")
    near = standing([one, two], grey, width, height, close=True)
    things = standing([one, two], grey, width, height, stone=True)
    layers = [*place("studio", grey, 0, width, height), *things, *motes(grey[-1], 0, width, height)]
    frame = composed(layers, View(), 0.0, width, height).astype(int)
    green = np.argwhere((frame[..., 1] > 200) & (frame[..., 0] < 60))
    pink = np.argwhere((frame[..., 0] > 200) & (frame[..., 1] < 60))
    assert len(green) == pytest.approx(len(pink), rel=0.1)
    assert green[:, 1].max() < pink[:, 1].min()
    assert green[:, 1].min() > 0
    assert pink[:, 1].max() < size[0] - 1
    assert near[1].pixels.size > things[2].pixels.size
