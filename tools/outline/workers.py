"""Workers: processes that grow the trees of several documents at a time."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from itertools import chain, islice
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, NamedTuple

from langchain_core.documents import Document

from shoestring.tools.outline.errors import WorkerLost
from shoestring.tools.outline.grow import Grown, grow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future

    from shoestring.tools.outline.store import Source

    Count = Callable[[str], int]

__all__ = ["Change", "default_count", "grown"]

_LARGEST = 2**24  # characters of a document whose tree may be held as a whole
_AHEAD = 2  # documents a worker that are sent before the first one's tree is stored
_USED = ("title", "page", "start")  # of the metadata, by `grow`

Part = tuple[str, dict[str, Any]]


class Change(NamedTuple):
    """A document that is new or says something else than before."""

    source: Source
    place: int
    digest: str
    parts: Sequence[Document]
    new: bool


def default_count() -> Count:
    """Give what counts where nothing else is said."""
    from shoestring.models.counting.counting import counter

    return counter("o200k_base").count


def grown(
    changes: Iterable[Change], tokens: int, count: Count | None, workers: int
) -> Iterator[tuple[Change, Iterator[Grown]]]:
    """Grow the trees of documents, in their order, `workers` at a time.

    A very large document is grown here, as a stream, and so is one that comes alone: processes take
    a second or two to start.

    Args:
        changes: The documents; some are taken in advance.
        tokens: As for `grow`.
        count: Counts tokens, and can be pickled if there are workers; None is `default_count`.
        workers: How many processes; with 1 everything happens in this one.

    Yields:
        Each document with its nodes; they are to be used before the next one is asked for.

    Raises:
        WorkerLost: If a worker was killed or could not start.
    """
    coming = iter(changes)
    first = list(islice(coming, 2)) if workers > 1 else []
    changes = chain(first, coming)
    own = count or default_count()
    if len(first) < 2:  # noqa: PLR2004 - documents that can be grown side by side
        for change in changes:
            yield change, _here(change, tokens, own)
        return
    try:
        yield from _apart(changes, tokens, count, workers)
    except BrokenProcessPool as error:
        raise WorkerLost(
            "a process that was to read documents could not start or was killed: begin the script "
            "with `if __name__ == '__main__':`, see that there is memory, or use workers=1"
        ) from error


def _apart(
    changes: Iterable[Change], tokens: int, count: Count | None, workers: int
) -> Iterator[tuple[Change, Iterator[Grown]]]:
    own = count or default_count()
    sent: deque[tuple[Change, Future[list[tuple[Any, ...]]] | None]] = deque()
    with ExitStack() as stack:
        # A fork would copy the locks that other threads hold at that moment.
        pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
        stack.callback(pool.shutdown, wait=True, cancel_futures=True)
        for change in chain(changes, [None]):
            if change is not None:
                small = sum(len(part.page_content) for part in change.parts) <= _LARGEST
                sent.append(
                    (change, pool.submit(_there, *_task(change, tokens, count)) if small else None)
                )
            while sent and (change is None or len(sent) > _AHEAD * workers):
                done, future = sent.popleft()
                yield (
                    done,
                    map(Grown._make, future.result()) if future else _here(done, tokens, own),
                )


def _here(change: Change, tokens: int, count: Count) -> Iterator[Grown]:
    return grow(change.parts, change.source.name, change.source.nth, tokens, count)


def _task(
    change: Change, tokens: int, count: Count | None
) -> tuple[list[Part], str, int, int, Count | None]:
    parts = [
        (
            part.page_content,
            {
                key: value
                for key, value in part.metadata.items()
                if key in _USED and isinstance(value, str | int)
            },
        )
        for part in change.parts
    ]
    return parts, change.source.name, change.source.nth, tokens, count


def _there(
    parts: Sequence[Part], source: str, nth: int, tokens: int, count: Count | None
) -> list[tuple[Any, ...]]:
    """Grow a tree in a worker; plain tuples travel fastest."""
    documents = [Document(text, metadata=metadata) for text, metadata in parts]
    return [tuple(node) for node in grow(documents, source, nth, tokens, count or default_count())]
