"""An answer's bytes as they pass to the client, for the services that keep what is thought of answers."""

from __future__ import annotations

from collections.abc import Callable

from raytide.services.feedback.answer import Keeping


class Overheard:
    """Holds a little more than may be kept at most; by then it is known that the answer is too large for it."""

    def __init__(self, keeping: Keeping) -> None:
        self.keeping = keeping
        self._pieces: list[bytes] = []
        self._num_bytes = 0

    def of(self, feed: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
        """The same way of a piece, overheard where it goes on to the client."""

        def passed(piece: bytes) -> bytes:
            piece = feed(piece)
            self.take(piece)
            return piece

        return passed

    def take(self, piece: bytes) -> None:
        """This has gone to the client."""
        if self._num_bytes <= self.keeping.most_bytes:
            self._pieces.append(piece)
            self._num_bytes += len(piece)

    @property
    def answer(self) -> bytes:
        """All that has passed."""
        return b"".join(self._pieces)
