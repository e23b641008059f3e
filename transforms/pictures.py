"""Pictures: from one decoded frame to the numbers and small pictures that are stored of it.

Everything is computed on the small picture, with OpenCV into buffers that are used again; what can wait is done for a
batch of frames at once. The integers are those PySceneDetect would sum, so that its decisions can be taken later from
the store.
"""

from __future__ import annotations

import math
from typing import Any, Final

import av.error
import cv2
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from transforms.failures import ElementError
from transforms.samples import CHUNK, THUMBNAIL_HEIGHT, THUMBNAIL_WIDTH
from transforms.signals import COLUMNS, pack_hash

Picture = npt.NDArray[np.uint8]

SMALL_SIDE: Final = 256
"""PySceneDetect's `DEFAULT_MIN_WIDTH`: the long side of the small picture."""

_SIGMA: Final = 1.0 / 3.0
_HASH_SIDE: Final = 16
_LOW: Final = 8
_NUMBERS: Final = tuple(name for name in COLUMNS if not name.startswith(("pts", "bar_", "hash")))


def small_size(width: int, height: int) -> tuple[int, int]:
    """Size of the small picture of a frame: PySceneDetect's automatic downscale. Frames under 256 stay as they are."""
    side = max(width, height)
    factor = 1.0 if side < SMALL_SIDE else side / float(SMALL_SIDE)
    return max(1, round(width / factor)), max(1, round(height / factor))


def convert(
    reformatter: VideoReformatter,
    frame: Any,
    size: tuple[int, int],
    interpolation: Interpolation,
    tagged_or_guessed: bool = False,
) -> Picture:
    """A frame as an 8-bit BGR array of a given size, (height, width, 3); rows may be padded.

    The matrix is the one the frame is tagged with, and a frame without a tag is BT.601. With `tagged_or_guessed` an
    untagged frame of more than 576 lines is BT.709, as players take it. A matrix unknown to swscale is read as BT.601.
    Neither the transfer nor the primaries are converted: HDR is not tone-mapped.

    Raises:
        ElementError: `unsupported_codec`, for pixels that cannot be converted.
    """
    guessed = Colorspace.ITU709 if tagged_or_guessed and int(frame.colorspace) == 2 and frame.height > 576 else None
    options: dict[str, Any] = {
        "format": "bgr24",
        "interpolation": interpolation,
        "dst_color_range": ColorRange.JPEG,
        "threads": 1,
    }
    try:
        made = reformatter.reformat(frame, *size, src_colorspace=guessed, **options)
    except (av.error.FFmpegError, NotImplementedError, ValueError, OSError):
        bt601 = Colorspace.ITU601
        try:
            made = reformatter.reformat(frame, *size, src_colorspace=bt601, dst_colorspace=bt601, **options)
        except (av.error.FFmpegError, NotImplementedError, ValueError, OSError) as error:
            raise ElementError(
                "unsupported_codec", f"pixels of format {frame.format.name} cannot be converted: {error}"
            ) from error
    plane = made.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: size[1], : size[0] * 3]
    return rows.reshape(size[1], size[0], 3) if plane.line_size == size[0] * 3 else _strided(rows, size)


def _strided(rows: npt.NDArray[np.uint8], size: tuple[int, int]) -> Picture:
    return np.lib.stride_tricks.as_strided(rows, (size[1], size[0], 3), (rows.strides[0], 3, 1), writeable=False)


class Meter:
    """Measures small pictures one after another, each against the one before, into batches of `CHUNK` frames.

    `measure` fills the next row; `keep` makes it count, so frames that only serve as the one before leave no trace.

    Args:
        width: Width of the small picture.
        height: Height of the small picture.
        dark_level: Gray level up to which a pixel is dark.
        edges: Measure `delta_edges`: the dearest number of all, 0.35 ms a frame.
        thumbnails: Make thumbnails.
    """

    def __init__(self, width: int, height: int, dark_level: int, edges: bool, thumbnails: bool) -> None:
        cv2.setNumThreads(1)  # A child process a core uses the machine better than threads on small pictures.
        shape = (height, width)
        self._dark_level, self._edges, self._make_thumbnails = dark_level, edges, thumbnails
        self._hsv = [np.empty((*shape, 3), np.uint8) for _ in range(2)]
        self._gray = [np.empty(shape, np.uint8) for _ in range(2)]
        self._edge = [np.empty(shape, np.uint8) for _ in range(2)]
        self._scratch3, self._scratch = np.empty((*shape, 3), np.uint8), np.empty(shape, np.uint8)
        self._laplacian = np.empty(shape, np.int16)
        self._kernel = np.ones((_kernel_size(width, height),) * 2, np.uint8)
        self._seen = 0
        self._pixels = width * height
        self.count = 0
        self._pts = np.zeros(CHUNK, np.int64)
        self._numbers = np.zeros((CHUNK, len(_NUMBERS)), np.int64)
        self._row_max = np.empty((CHUNK, height), np.uint8)
        self._column_max = np.empty((CHUNK, width), np.uint8)
        self._low = np.empty((CHUNK, _LOW, _LOW), np.float32)
        self._thumbnails = np.empty((CHUNK if thumbnails else 0, THUMBNAIL_HEIGHT, THUMBNAIL_WIDTH, 3), np.uint8)

    @property
    def full(self) -> bool:
        """The batch must be taken before the next `measure`."""
        return self.count == CHUNK

    def measure(self, bgr: Picture, pts: int, duration: int, size: int, picture: int, keyframe: bool) -> int:
        """Measure a small picture and make it the one before.

        Returns:
            Sum of the absolute differences of hue, saturation and value: PySceneDetect's content score, times 3 times
            pixels.
        """
        now, then = self._seen % 2, (self._seen + 1) % 2
        first = self._seen == 0
        self._seen += 1
        slot = self.count
        hsv, gray = self._hsv[now], self._gray[now]
        cv2.cvtColor(bgr, cv2.COLOR_BGR2HSV, dst=hsv)
        cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY, dst=gray)
        hue = saturation = value = edge = change = 0.0
        if self._edges:
            self._find_edges(hsv, self._edge[now])
        if not first:
            cv2.absdiff(hsv, self._hsv[then], dst=self._scratch3)
            hue, saturation, value, _ = cv2.sumElems(self._scratch3)
            change = cv2.norm(gray, self._gray[then], cv2.NORM_L1)
            edge = cv2.norm(self._edge[now], self._edge[then], cv2.NORM_L1) if self._edges else 0.0
        blue, green, red, _ = cv2.sumElems(bgr)
        cv2.Laplacian(gray, cv2.CV_16S, dst=self._laplacian)
        cv2.threshold(gray, self._dark_level, 255, cv2.THRESH_BINARY, dst=self._scratch)
        dark = self._pixels - cv2.countNonZero(self._scratch)
        self._pts[slot] = pts
        self._numbers[slot] = (
            *(duration, size, picture, keyframe, hue, saturation, value, edge, change, blue, green, red),
            *(cv2.sumElems(gray)[0], round(cv2.norm(gray, cv2.NORM_L2SQR))),
            *(cv2.sumElems(self._laplacian)[0], round(cv2.norm(self._laplacian, cv2.NORM_L2SQR)), dark),
        )
        gray.max(axis=1, out=self._row_max[slot])
        gray.max(axis=0, out=self._column_max[slot])
        self._low[slot] = _low_frequencies(gray)
        if self._make_thumbnails:
            half = cv2.resize(bgr, (2 * THUMBNAIL_WIDTH, 2 * THUMBNAIL_HEIGHT), interpolation=cv2.INTER_LINEAR)
            cv2.resize(
                half, (THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT), dst=self._thumbnails[slot], interpolation=cv2.INTER_LINEAR
            )
        return int(hue + saturation + value)

    def keep(self) -> None:
        """The picture measured last is one of the frames to store."""
        self.count += 1

    def take(self, bar_level: int) -> tuple[dict[str, npt.NDArray[Any]], npt.NDArray[np.uint8]]:
        """The batch so far, as signals' columns and RGB thumbnails, and start the next."""
        count, self.count = self.count, 0
        batch: dict[str, npt.NDArray[Any]] = {
            name: self._numbers[:count, place].astype(COLUMNS[name].kind) for place, name in enumerate(_NUMBERS)
        }
        batch["pts"] = self._pts[:count].copy()
        low = self._low[:count]
        batch["hash"] = pack_hash(low > np.median(low.reshape(count, -1), axis=1)[:, None, None])
        batch["bar_top"], batch["bar_bottom"] = _bars(self._row_max[:count] > bar_level)
        batch["bar_left"], batch["bar_right"] = _bars(self._column_max[:count] > bar_level)
        return batch, self._thumbnails[:count, :, :, ::-1].copy()

    def _find_edges(self, hsv: Picture, out: Picture) -> None:
        """PySceneDetect's edge map of the value plane: Canny around the median, dilated."""
        plane = cv2.extractChannel(hsv, 2, dst=self._scratch)
        counts = np.cumsum(cv2.calcHist([plane], [0], None, [256], [0, 256]).ravel())
        middle = np.searchsorted(counts, ((self._pixels - 1) // 2, self._pixels // 2), side="right")
        median = float(middle[0] + middle[1]) / 2.0
        low, high = int(max(0, (1.0 - _SIGMA) * median)), int(min(255, (1.0 + _SIGMA) * median))
        cv2.dilate(cv2.Canny(plane, low, high), self._kernel, dst=out)


def _kernel_size(width: int, height: int) -> int:
    """PySceneDetect's `_estimated_kernel_size`."""
    size = 4 + round(math.sqrt(width * height) / 192)
    return size + 1 if size % 2 == 0 else size


def _low_frequencies(gray: Picture) -> npt.NDArray[np.float32]:
    """The 8x8 low frequencies that PySceneDetect's `HashDetector.hash_frame` compares with their median."""
    square = cv2.resize(gray, (_HASH_SIDE, _HASH_SIDE), interpolation=cv2.INTER_AREA)
    brightest = square.max() or np.uint8(1)
    spectrum = cv2.dct(np.divide(square, brightest, dtype=np.float32))
    return np.asarray(spectrum, np.float32)[:_LOW, :_LOW]


def _bars(bright: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]:
    """Dark lines before the first bright one and after the last, (frames,) each; all and 0 where no line is bright."""
    lines, some = bright.shape[1], bright.any(axis=1)
    before = np.where(some, bright.argmax(axis=1), lines)
    after = np.where(some, bright[:, ::-1].argmax(axis=1), 0)
    return before.astype(np.int16), after.astype(np.int16)


def jpeg_of(
    reformatter: VideoReformatter, frame: Any, side: int, quality: int, rotation: int
) -> tuple[bytes, int, int]:
    """A frame as JPEG: long side at most `side`, never enlarged, turned upright, sample aspect ignored.

    Returns:
        The bytes, the width and the height.
    """
    scale = min(1.0, side / max(frame.width, frame.height))
    size = (max(1, round(frame.width * scale)), max(1, round(frame.height * scale)))
    bgr: Any = convert(reformatter, frame, size, Interpolation.AREA, tagged_or_guessed=True)
    turn = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}.get(rotation)
    if turn is not None:
        bgr = cv2.rotate(bgr, turn)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes(), bgr.shape[1], bgr.shape[0]
