"""Decoding: from what a model says of the next token to the best sentence.

Greedy where one beam is kept, beam search where more are. It is written here because open_clip's own `generate` needs
parts of transformers that version 5 no longer has, sums raw logits instead of log probabilities over a beam, and
searches the same beams once for each group. Nothing is drawn by chance. Images whose sentence is done are no longer
asked about.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

Step = Callable[[Any, Any], Any]
"""From the numbers of images (n,) and the tokens so far (n, length), both int64, to what the model says of the next
token: logits (n, vocabulary)."""


class Sentence(NamedTuple):
    """Tokens of a sentence, without those that begin and end it, and whether it ran into the limit of length."""

    tokens: list[int]
    truncated: bool


class Limits(NamedTuple):
    """Where sentences begin and end.

    Attributes:
        start: Token that begins one.
        end: Token that ends one.
        shortest: Tokens before the end, at least, 0 or more.
        longest: Tokens before the end, at most; a sentence that reaches it is truncated.
    """

    start: int
    end: int
    shortest: int
    longest: int


def decode(torch: Any, step: Step, count: int, limits: Limits, beams: int, device: str) -> list[Sentence]:
    """The best sentence for each of some images.

    The score of a sentence is the mean log probability of its tokens and its end, so that short ones have no advantage.
    An image is done when as many sentences as there are beams have ended, and none that goes on scores better.

    Args:
        torch: The package.
        step: The model.
        count: Images, numbered from 0.
        limits: Where sentences begin and end.
        beams: Sentences that are followed at once for an image, 1 or more.
        device: Where the tensors are made.

    Returns:
        One for each image, in their order.
    """
    alive = list(range(count))
    tokens = torch.full((count, beams, 1), limits.start, dtype=torch.int64, device=device)
    scores = torch.full((count, beams), -torch.inf, device=device)
    scores[:, 0] = 0.0  # all beams are the same at first
    ended: list[list[tuple[float, list[int]]]] = [[] for _ in range(count)]
    best = [Sentence([], True)] * count
    for length in range(limits.longest + 1):
        rows = torch.tensor(alive, device=device).repeat_interleave(beams)
        said = step(rows, tokens.reshape(len(alive) * beams, -1)).float().log_softmax(-1)
        if length < limits.shortest:
            said[:, limits.end] = -torch.inf
        size = said.shape[-1]
        totals = (scores.reshape(-1, 1) + said).reshape(len(alive), beams * size)
        values, places = (found.tolist() for found in totals.topk(2 * beams, dim=-1))
        going, chosen, new, sums = [], [], [], []
        for k, image in enumerate(alive):
            followed: list[tuple[float, int]] = []
            for rank, (value, place) in enumerate(zip(values[k], places[k], strict=True)):
                if place % size != limits.end:
                    followed.append((value, place))
                elif rank < beams and value > -math.inf:
                    ended[image].append((value / (length + 1), tokens[k, place // size, 1:].tolist()))
            enough = len(ended[image]) >= beams and max(ended[image])[0] >= followed[0][0] / (length + 1)
            if enough or length == limits.longest:
                # Beams are kept from the best to the worst.
                whole = bool(ended[image])
                best[image] = Sentence(max(ended[image])[1] if whole else tokens[k, 0, 1:].tolist(), not whole)
                continue
            going.append(image)
            followed = followed[:beams]
            chosen.append([k * beams + place // size for _, place in followed])
            new.append([place % size for _, place in followed])
            sums.append([value for value, _ in followed])
        if not going:
            break
        alive = going
        before = tokens.reshape(-1, length + 1)[torch.tensor(chosen, device=device)]
        tokens = torch.cat([before, torch.tensor(new, device=device)[..., None]], dim=-1)
        scores = torch.tensor(sums, device=device)
    return best
