"""Which open holds have outlived their leases."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shoestring.budget.tree.record import Record

# The heap is tidied when it is this many times the open holds, and not below this size.
_STALE_SHARE = 2
_TIDY_SIZE = 64


class Leases:
    """The open holds by the end of their leases.

    Nothing is done when a hold is settled or its lease renewed: what is stale is found when it
    comes up, or tidied away in bulk.
    """

    __slots__ = ("_heap", "next")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Record]] = []
        # No lease ends before this.
        self.next = float("inf")

    def add(self, record: Record, open_holds: int) -> None:
        """Watch the lease of `record`, one of so many that are open."""
        heap = self._heap
        heapq.heappush(heap, (record.deadline, record.seq, record))
        if len(heap) > _TIDY_SIZE and len(heap) > _STALE_SHARE * open_holds:
            heap[:] = [(item.deadline, seq, item) for _, seq, item in heap if item.open]
            heapq.heapify(heap)
        self.next = heap[0][0]

    def ended(self, now: float) -> Iterator[Record]:
        """Yield the open holds whose leases have ended; they are watched no more."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            _, seq, record = heapq.heappop(heap)
            if not record.open:
                continue
            if record.deadline > now:
                heapq.heappush(heap, (record.deadline, seq, record))
                continue
            yield record
        self.next = heap[0][0] if heap else float("inf")
