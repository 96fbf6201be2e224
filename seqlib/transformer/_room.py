"""Buffers that grow: keys and values of all tokens so far, step after step."""

from __future__ import annotations

from collections.abc import Sequence

from array_api_compat import device

from seqlib._arrays import Array, array_namespace

Pair = tuple[Array, Array]


class Room:
    """Buffers (B, H, room, E/H) for keys and values of each block, filled in part.

    Whoever continues the longest past in a buffer writes behind its end, which no past
    shows; every other continuation copies. So no past ever changes, and a token costs
    no copy of those before it.
    """

    def __init__(self, buffers: list[Pair]) -> None:
        self.buffers, self.filled = buffers, 0

    def shown(self) -> list[Pair]:
        """Return the keys and values of each block, as far as they are filled."""
        S = self.filled
        return [(k[:, :, :S, :], v[:, :, :S, :]) for k, v in self.buffers]


def room_for(
    T: int,
    x: Array,
    num_heads: int,
    kept: Sequence[Pair | None],
    room: Room | None,
) -> Room:
    """Return buffers for T tokens more, which count as filled from now on.

    They are the `room` of the past itself, if it has one in which nothing follows and
    there is place. Else copies of what was kept in each block, keys and
    values (B, H, t, E/H) or None at t = 0, twice as long as needed: so all copies of a
    sequence together cost less than two of it. Shapes: x (B, any, E).
    """
    length = 0 if kept[0] is None else kept[0][0].shape[2]
    S = length + T
    if room is None or room.filled != length or room.buffers[0][0].shape[2] < S:
        xp, (B, _, E) = array_namespace(x), x.shape
        shape, like = (B, num_heads, 2 * S, E // num_heads), {"device": device(x)}
        buffers = []
        for pair in kept:
            k, v = (xp.empty(shape, dtype=x.dtype, **like) for _ in range(2))
            if pair is not None:
                k[:, :, :length, :], v[:, :, :length, :] = pair
            buffers.append((k, v))
        room = Room(buffers)
    room.filled = S
    return room
