"""Clip passes: one reading of a source from front to back, in which all its clips are written.

The packet index says beforehand which packets are copied, which are decoded, and which nobody wants; a picture is
decoded once for all clips that show it, and long stretches that nobody wants are skipped. What goes wrong in one clip
is its own affair, unless it is the disk.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import av.error
import numpy as np

from transforms import media
from transforms.clipfile import ENDING, as_os_error
from transforms.cutters import Cutter, Source, Span
from transforms.failures import ElementError
from transforms.frames import Counts, decode_alone, shown_frames
from transforms.groups import Range, merged
from transforms.joining import UnjoinableError, stands_alone
from transforms.previews import STRIP, THUMBNAIL
from transforms.probe import NO_PTS
from transforms.soundtrack import PacketClock, Sound, warm_up

_SKIPPED: Final = 5.0
"""Seconds that no clip wants from which on a seek is worth while."""
_EARLY: Final = 0.05
"""Seconds before what is wanted that a seek goes to, besides what the sound's decoder needs."""
_SEEKABLE: Final = ("mov",)
"""Formats whose times are exact, so that sound is on the same clock after a seek."""
_FAILURES: Final = (UnjoinableError, av.error.FFmpegError, ElementError, ValueError, RuntimeError)
"""What goes wrong in one clip."""
_NEVER: Final = 1 << 62


class OverBudgetError(Exception):
    """Nothing more may be written."""


class LostError(Exception):
    """The file does not read as its index promised.

    Attributes:
        careful: How it must be read: 1 without seeks, 2 with every picture decoded from the start.
    """

    def __init__(self, careful: int) -> None:
        super().__init__(careful)
        self.careful = careful


class Budget:
    """Bytes that may be written, and those that are.

    Attributes:
        most: Of all files; None: no limit.
        spent: Of files that are whole.
    """

    def __init__(self, most: int | None) -> None:
        self.most = most
        self.spent = 0

    def check(self, under_way: int) -> None:
        """Refuse what goes over it.

        Raises:
            OverBudgetError: It does.
        """
        if self.most is not None and self.spent + under_way > self.most:
            raise OverBudgetError


class Pass:
    """One reading of a source. Of a clip that is done with nothing is held, as encoders take much memory.

    Attributes:
        again: Clips to be encoded in another pass, with the reason.
        left: Those that nothing was decided about.
    """

    def __init__(
        self,
        container: Any,
        source: Source,
        cutters: Sequence[Cutter],
        careful: int,
        budget: Budget,
        made: Callable[[Cutter, int], None],
        failed: Callable[[Cutter, str, str], None],
    ) -> None:
        """
        Args:
            container: Open, at its start.
            source: Its streams.
            cutters: Of the clips.
            careful: 0: as the index says; 1: without seeks; 2: with every picture decoded, so that nothing is copied.
            budget: For the files.
            made: Is told of each whole clip and its bytes.
            failed: Is told of each other one, with a failure class and a message.
        """
        self._made, self._failed = made, failed
        self.again: dict[Span, str] = {}
        self.left = list(cutters)
        self._container, self._source, self._careful, self._budget = container, source, careful, budget
        self._begin: dict[int, list[tuple[int, Cutter]]] = defaultdict(list)
        """By the number of the first packet that is copied: of the one after the last, and where to."""
        self._copying: list[tuple[int, Cutter]] = []
        self._ended: list[Cutter] = []
        """Clips whose pictures or sound have come to their end since it was looked what to close and where to seek."""
        watches = []
        for cutter in cutters:
            if cutter.copies is not None:
                self._begin[cutter.copies.first].append((cutter.copies.end, cutter))
            watches += [(watch, cutter) for watch in cutter.watches]
        watches.sort(key=lambda pair: pair[0].start)
        self._waiting = watches[::-1]
        self._watching: list[tuple[Range, Cutter]] = []
        self._runs = merged([w for w, _ in watches if w.end > w.first])
        needed = self._runs + [c.copies for c in cutters if c.copies is not None]
        self._needed = merged(needed)
        self._sound = _Sounds(source, cutters, self._fail, self._end)

    def read(self) -> None:
        """Read, and write all clips.

        Raises:
            LostError: The file is not as the index says.
            OverBudgetError: What is left would go over the budget.
            OSError: The disk is full or broken.
        """
        if self._careful > 1:
            self._read_whole()
        else:
            self._read_runs()
        self._sound.over()
        for cutter in list(self.left):
            self._close(cutter)

    def _read_whole(self) -> None:
        """Every picture, on the clock that measuring used."""
        tee = _Tee(self._packets())
        for shown in shown_frames(tee, self._source.video, Counts(), self._source.rate):
            self._show(shown.frame, shown.pts)
        self._end_watches(None)

    def _read_runs(self) -> None:
        context = self._source.video.codec_context
        if context.name == "h264":
            # As `frames.shown_frames`: pictures must not depend on where decoding began.
            context.options = {**context.options, "strict": "strict"}
        run, runs = None, iter(self._runs)
        upcoming = next(runs, None)
        for number, packet in self._packets():
            if upcoming is not None and number >= upcoming[0]:
                run, upcoming = upcoming, next(runs, None)
                if number and not stands_alone(bytes(packet), context.codec.canonical_name, context.extradata):
                    raise LostError(2)
            if number == 0 and self._runs and (run is None or run[0] != 0):
                # What made a stream is told here only, and decoders mend by it (`frames.prime`).
                decode_alone(self._source.video, packet, after_seek=True)
            if number in self._begin:
                self._copying += self._begin.pop(number)
            if self._copying:
                self._copy(number, packet)
            if run is not None:
                self._decode(packet)
                if number + 1 >= run[1]:
                    self._decode(None)
                    context.flush_buffers()
                    self._end_watches(run[1])
                    run = None
            if self._budget.most is not None:
                self._budget.check(sum(file.written for file in self._source.files))
        for _, cutter in self._copying:
            self._end(cutter, cutter.copied)
        self._copying = []
        if run is not None:
            self._decode(None)
        self._end_watches(None)

    def _packets(self) -> Iterator[tuple[int, Any]]:
        """The video's packets with their numbers; the sound's are given to the clips on the way."""
        index, source = self._source.groups.index, self._source
        streams = [source.video] if source.audio is None else [source.video, source.audio]
        seekable = not self._careful and any(kind in self._container.format.name for kind in _SEEKABLE)
        number, sought, checked = -1, False, self._careful < 2
        video, known = source.video.index, index.pts.tolist()
        for packet in media.packets(self._container, streams):
            if packet.stream_index == video:
                pts = packet.pts
                if pts is None and packet.size == 0 and packet.dts is None:
                    continue
                if sought:
                    if not packet.is_keyframe:
                        continue
                    number, sought = self._found(packet, number), False
                else:
                    number += 1
                if checked and (number >= len(known) or (NO_PTS if pts is None else pts) != known[number]):
                    raise LostError(2)
                yield number, packet
            elif packet.size:
                self._sound.packet(packet)
            if number and not self._ended:
                continue
            self._settle()
            if not self.left:
                return
            if seekable and not sought and (target := self._far(number)) is not None:
                # To any picture, as the sound goes where the pictures do, and the wanted keyframe comes soon.
                self._container.seek(target, any_frame=True, stream=source.video)
                self._sound.lost()
                sought = True

    def _found(self, packet: Any, before: int) -> int:
        """The number of a packet read after a seek."""
        index = self._source.groups.index
        last = self._needed[0][0] if self._needed else before
        part = slice(before + 1, last + 1)
        same = np.flatnonzero((index.pts[part] == packet.pts) & (index.size[part] == packet.size))
        if not len(same):
            raise LostError(1)
        return before + 1 + int(same[0])

    def _far(self, number: int) -> int | None:
        """Where to seek after a packet when nothing is wanted for long; None: read on."""
        while self._needed and self._needed[0][1] <= number + 1:
            self._needed.pop(0)
        if not self._needed or self._needed[0][0] <= number + 1 or self._sound.busy:
            return None
        index, base = self._source.groups.index, self._source.time_base
        here, there = int(index.pts[number]), int(index.dts[self._needed[0][0]])
        start = there - round((self._sound.lead + _EARLY) / base)
        return start if NO_PTS not in (here, there) and (start - here) * base > _SKIPPED else None

    def _copy(self, number: int, packet: Any) -> None:
        for pair in list(self._copying):
            end, cutter = pair
            try:
                cutter.packet(number, packet)
            except _FAILURES as error:
                self._fail(cutter, error)
            if cutter.over or number + 1 >= end:
                self._copying.remove(pair)
                self._end(cutter, cutter.copied)

    def _decode(self, packet: Any | None) -> None:
        try:
            frames = self._source.video.codec_context.decode(packet)
        except (av.error.FFmpegError, ValueError):
            return
        for frame in frames:
            if frame.pts is not None:
                self._show(frame, frame.pts)

    def _show(self, frame: Any, pts: int) -> None:
        while self._waiting and self._waiting[-1][0].start <= pts:
            self._watching.append(self._waiting.pop())
        for pair in list(self._watching):
            watch, cutter = pair
            if pts < watch.stop:
                self._try(cutter, cutter.frame, frame, pts)
            else:
                self._watching.remove(pair)
                self._end(cutter, cutter.watched)

    def _end_watches(self, end: int | None) -> None:
        """No more pictures come of packets before a number (None: of any)."""
        pairs = self._watching + (self._waiting if end is None else [p for p in self._waiting if p[0].end <= end])
        over = [pair for pair in pairs if end is None or pair[0].end <= end]
        for pair in over:
            self._end(pair[1], pair[1].watched)
        self._watching = [pair for pair in self._watching if pair not in over]
        self._waiting = [pair for pair in self._waiting if pair not in over]

    def _try(self, cutter: Cutter, call: Callable[..., None], *arguments: Any) -> None:
        """Let one clip go on."""
        if cutter.over:
            return
        try:
            call(*arguments)
        except _FAILURES as error:
            self._fail(cutter, error)

    def _fail(self, cutter: Cutter, error: Exception) -> None:
        """What goes wrong in a clip is its own affair, unless it is the disk."""
        if (broken := as_os_error(error, self._source.folder)) is not None:
            raise broken from error
        cutter.abandon()
        self.left.remove(cutter)
        self._ended.append(cutter)
        if isinstance(error, UnjoinableError):
            self.again[cutter.span] = str(error)
        else:
            failure = media.as_failure(error, "writing the clip")
            self._failed(cutter, failure.error_class, failure.message)

    def _end(self, cutter: Cutter, call: Callable[[], None]) -> None:
        """Tell a clip that it gets no more of something."""
        self._try(cutter, call)
        self._ended.append(cutter)

    def _settle(self) -> None:
        """Close what has all its pictures and its sound."""
        whole = {c for c in self._ended if c.video_done and c.sound_done and not c.over}
        self._ended = []
        for cutter in sorted(whole, key=self.left.index):
            self._close(cutter)

    def _close(self, cutter: Cutter) -> None:
        size = 0

        def finish() -> None:
            nonlocal size
            size = cutter.finish()

        self._try(cutter, finish)
        if cutter not in self.left:
            return
        try:
            self._budget.check(size)
        except OverBudgetError:
            for ending in (ENDING, THUMBNAIL, STRIP):
                (self._source.folder / (cutter.span.clip_id + ending)).unlink(missing_ok=True)
            raise
        self._budget.spent += size
        self.left.remove(cutter)
        self._made(cutter, size)


class _Tee:
    """A container of which only the video's packets are seen."""

    def __init__(self, packets: Iterator[tuple[int, Any]]) -> None:
        self._packets = packets

    def demux(self, stream: Any) -> Iterator[Any]:
        return (packet for _, packet in self._packets)


class _Sounds:
    """Gives the sound of a source to the clips that want it."""

    def __init__(
        self,
        source: Source,
        cutters: Sequence[Cutter],
        fail: Callable[[Cutter, Exception], None],
        end: Callable[[Cutter, Callable[[], None]], None],
    ) -> None:
        self._fail, self._end = fail, end
        found = [(c, c.sound) for c in cutters if c.sound is not None]
        self._waiting = sorted(found, key=lambda pair: pair[0].shown[0], reverse=True)
        self._active: list[tuple[Cutter, Sound]] = []
        self.lead = 0.0
        """Seconds before a clip from which on it wants sound."""
        if self._waiting:
            assert source.audio is not None
            context = source.audio.codec_context
            self._clock = PacketClock(context, source.audio.time_base)
            self.lead = warm_up(context.codec.canonical_name)
        self._await()

    def _await(self) -> None:
        """Note where the next clip wants sound, to be compared with every packet."""
        self._begins = self._waiting[-1][1].begins if self._waiting else _NEVER

    @property
    def busy(self) -> bool:
        """Some clip is still to get sound from here on."""
        return bool(self._active)

    def packet(self, packet: Any) -> None:
        """The next packet of the sound."""
        if not self._waiting and not self._active:
            return
        placed = self._clock.place(packet)
        if placed is None:
            return
        first, length, claimed = placed
        while self._begins < first + length:
            self._active.append(self._waiting.pop())
            self._await()
        for pair in list(self._active):
            cutter, sound = pair
            try:
                if cutter.over or not sound.packet(packet, first, length, claimed):
                    self._done(pair)
            except _FAILURES as error:
                self._fail(cutter, error)

    def _done(self, pair: tuple[Cutter, Sound]) -> None:
        self._active.remove(pair)
        cutter, sound = pair
        cutter.sound_done = True
        self._end(cutter, sound.ended)

    def lost(self) -> None:
        """What comes next is somewhere else."""
        if self._waiting or self._active:
            self._clock.forget()

    def over(self) -> None:
        """The file has ended."""
        for pair in list(self._active):
            self._done(pair)
        for cutter, _ in self._waiting:
            cutter.sound_done = True
        self._waiting = []
