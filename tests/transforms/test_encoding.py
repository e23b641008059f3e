"""Encoders are told what the source is, and settings that cannot work are refused."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np
import pytest

from transforms.encoding import ClipSettings, Look, check_settings, configure, pixels_for
from transforms.settings import ConfigError


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"clips": "copy", "clip_side": 480}, "--clip-side"),
        ({"clips": "smart", "clip_frame_rate": 24.0}, "--clip-frame-rate"),
        ({"clips": "copy", "clip_crop": True}, "--clip-crop"),
        ({"clips": "copy", "clip_audio": "aac"}, "--clip-audio"),
        ({"clips": "smart", "clip_codec": "av1"}, "--clip-codec h264"),
        ({"clips": "transcode", "clip_crf": 60}, "--clip-crf 60"),
        ({"clips": "transcode", "clip_preset": "nonsense"}, "--clip-preset nonsense"),
        ({"clips": "transcode", "clip_encoder": "libx264"}, "--clip-encoder libx264"),
        ({"clips": "transcode", "clip_encoder": "hevc_nvenc"}, "--clip-encoder hevc_nvenc"),
        ({"clips": "transcode", "clip_pixel_format": "p010le"}, "--clip-pixel-format p010le"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, said):
    with pytest.raises(ConfigError, match=said):
        check_settings(ClipSettings(**settings))


@pytest.mark.parametrize(
    ("encoder", "source", "chosen"),
    [
        ("libx264", "yuv420p", "yuv420p"),
        ("libx264", "yuv422p10le", "yuv422p10le"),
        ("libx264", "yuv444p12le", "yuv444p10le"),
        ("libx264", "rgb24", "yuv420p"),
        ("libx264", "gray", "yuv420p"),
        ("libx264", "yuva420p", "yuv420p"),
        ("libsvtav1", "yuv422p10le", "yuv420p10le"),
        ("libsvtav1", "yuvj420p", "yuv420p"),
    ],
)
def test_the_pixel_format_is_the_nearest_that_the_encoder_takes(encoder, source, chosen):
    assert pixels_for(encoder, source, "source") == chosen


def test_encoders_open_with_their_own_defaults():
    for codec in ("h264", "hevc", "av1"):
        check_settings(ClipSettings(clips="transcode", clip_codec=codec))


@pytest.mark.parametrize("size", [(426, 240), (320, 180)])
def test_the_same_pictures_give_the_same_bytes_whatever_lies_in_memory(size: tuple[int, int]) -> None:
    wide, high = size
    rng = np.random.default_rng(1)
    soft = cv2.GaussianBlur(rng.uniform(0, 255, (high + 60, wide + 120, 3)), (0, 0), 6)
    view = np.interp(soft, (soft.min(), soft.max()), (0, 255)).astype(np.uint8)
    pictures = [np.ascontiguousarray(view[2 * n : 2 * n + high, 4 * n : 4 * n + wide]) for n in range(30)]
    look = Look("yuv420p", wide, high, Fraction(1, 24), Fraction(24))

    def encoded() -> bytes:
        context: Any = av.CodecContext.create("libx264", "w")
        configure(context, look, ClipSettings())
        packets = []
        for number, bgr in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(bgr, "bgr24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 24)
            packets += context.encode(frame)
        return b"".join(bytes(packet) for packet in [*packets, *context.encode(None)])

    found = set()
    for level in range(6):
        litter = np.full(int(rng.integers(10_000, 2_000_000)), 37 * level, np.uint8)
        found.add(encoded())
        del litter
    assert len(found) == 1
