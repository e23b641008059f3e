"""Encoders are told what the source is, and settings that cannot work are refused."""

from __future__ import annotations

import pytest

from transforms.encoding import ClipSettings, check_settings, pixels_for
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
