"""A hybrid index of documents: lexical and dense, on disk, updating only what changed."""

import json
import shutil
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from hashlib import blake2b
from itertools import groupby
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Self

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

from shoestring.tools.files.lock import LockHeld, locked
from shoestring.tools.index.dense import Dense
from shoestring.tools.index.errors import IndexBusy, IndexCorrupt, IndexMismatch
from shoestring.tools.index.lexical import Lexical
from shoestring.tools.index.manifest import Manifest, Source
from shoestring.tools.splitting.split import split
from shoestring.tools.words.words import words

__all__ = ["Index", "IndexBusy", "IndexCorrupt", "IndexMismatch", "Update"]

# Reciprocal rank fusion: Cormack, Clarke and Buettcher, SIGIR 2009; k = 60 is theirs.
_FUSION = 60
_DEPTH = 4
"""Each ranking is read this many times deeper than the passages asked for."""
_SHALLOWEST = 50

_BATCH = 64  # passages embedded between two commits: what a killed run repeats at most; also the
# sources stored between two reports of progress
_SPLITTING = 1  # grows when `split` cuts differently, so that indexes follow
_PROBE = "shoestring embedder check"
_SAME = 0.98  # cosine; the same model on other hardware stays above 0.999

_FILES = {"lock", "chroma", "manifest.sqlite3", "manifest.sqlite3-wal", "manifest.sqlite3-shm"}


@dataclass(frozen=True, slots=True)
class Update:
    """What an update did, in sources; `changed` ones were there with other content."""

    added: int
    changed: int
    unchanged: int
    removed: int


class Index:
    """Passages of documents, found by words (BM25) and by meaning (vectors).

    Safe to use from several threads. Several processes may open one folder: updates wait for each
    other, searches never wait and see an update of another process once it is complete.
    """

    def __init__(
        self,
        path: Path | None,
        embeddings: Embeddings | None,
        *,
        tokens: int = 200,
        wait: float = 60,
    ) -> None:
        """See `open`."""
        self._path = path
        self._embeddings = embeddings
        self._tokens = tokens
        self._wait = wait
        self._lock = RLock()  # held for moments: around the parts that searches share
        self._updating = RLock()
        self._dense: Dense | None = None
        self._verified = False
        if path is not None:
            _prepare_folder(path)
        manifest = path and path / "manifest.sqlite3"
        # Only making it is exclusive: opening must not wait for another process's update.
        with nullcontext() if manifest is None or manifest.exists() else self._writers():
            self._manifest = Manifest(manifest)
        self._generation, self._lexical = self._load_lexical()

    @classmethod
    def open(
        cls,
        path: str | Path | None,
        embeddings: Embeddings | None,
        *,
        tokens: int = 200,
        wait: float = 60,
    ) -> Self:
        """Open an index, or make an empty one.

        Args:
            path: Its folder, which is created; None keeps the index in memory.
            embeddings: Makes the vectors; None searches by words alone and needs no chromadb.
            tokens: The size of passages, in estimated tokens; another size than before re-splits
                at the next update.
            wait: How long to wait for another process that is updating, in seconds.

        Raises:
            IndexCorrupt: If the files are damaged; the message holds the cure.
            IndexMismatch: If another version of shoestring made it.
            IndexBusy: If it is being made by another process that does not finish in time.
            ValueError: If `path` is a file, or a folder with other things in it.
        """
        return cls(None if path is None else Path(path), embeddings, tokens=tokens, wait=wait)

    def update(
        self,
        documents: Iterable[Document],
        progress: Callable[[int, int], None] | None = None,
        *,
        whole: bool = True,
    ) -> Update:
        """Bring the index in line with documents; only what changed is split and embedded.

        A run that is interrupted, or killed, keeps what it has done, and the next continues.

        Args:
            documents: For example from `read`. A source is known by its `source` metadata.
            progress: Called with the number of passages that are ready and of all passages, after
                each batch; the second grows while documents are read.
            whole: The documents are the whole corpus: other sources are removed from the index.
                Nothing is removed if `documents` raises.

        Raises:
            IndexBusy: If another process is updating and does not finish in time.
            IndexMismatch: If the index was made with another embedder.
            IndexCorrupt: If the files are damaged.
            MissingExtra: If there are embeddings and chromadb is not installed.
        """
        report = progress or _silent
        with self._updating, self._writers():
            with self._lock:
                if self._manifest.generation() != self._generation:
                    self._close_dense()
            dense = self._open_dense() if self._embeddings is not None else None
            done = self._store(documents, report, whole=whole)
            if dense is not None:
                self._embed(dense, report)
            self._rebuild_lexical()
        return done

    def search(self, query: str, k: int = 20) -> list[Document]:
        """Find the passages that answer a query best, by words and by meaning.

        Both rankings are fused by the reciprocals of their ranks.

        Args:
            query: What to look for.
            k: The most passages returned; fewer if fewer match.

        Returns:
            Passages, best first, with their metadata and `score`: the fused score as a share of
            the best possible one, in (0, 1]. It orders passages; it is no probability.

        Raises:
            ValueError: If the query is empty or `k` is not positive.
            IndexMismatch: If the index was made with another embedder.
        """
        if not query.strip():
            raise ValueError("the query is empty")
        if k <= 0:
            raise ValueError(f"k must be positive, not {k}")
        depth = max(_DEPTH * k, _SHALLOWEST)
        rankings = [self._follow().best(words(query), depth)]
        if self._embeddings is not None:
            rankings.append(self._nearest(query, depth))
        scores: dict[int, float] = {}
        best = len(rankings) / (_FUSION + 1)
        for ranking in rankings:
            for rank, number in enumerate(ranking, start=1):
                scores[number] = scores.get(number, 0) + 1 / (_FUSION + rank) / best
        chosen = sorted(scores, key=lambda number: (-scores[number], number))[:k]
        passages = self._manifest.passages(chosen)
        found: list[Document] = []
        for number in chosen:
            if number in passages:
                document = passages[number].document
                document.metadata["score"] = min(1.0, scores[number])
                found.append(document)
        return found

    @property
    def sources(self) -> list[str]:
        """The sources in the index, sorted."""
        return sorted({source.name for source in self._manifest.hashes()})

    def __len__(self) -> int:
        return len(self._manifest)

    def close(self) -> None:
        """Close the files; an index in memory is gone."""
        with self._lock:
            self._manifest.close()
            self._close_dense()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _writers(self) -> Generator[None]:
        with ExitStack() as stack:
            if self._path is not None:
                try:
                    stack.enter_context(locked(self._path / "lock", self._wait))
                except LockHeld as error:
                    raise IndexBusy(str(error)) from error
            yield

    # Updating.

    def _store(
        self, documents: Iterable[Document], report: Callable[[int, int], None], *, whole: bool
    ) -> Update:
        known = self._manifest.hashes()
        seen: dict[str, int] = {}
        added = changed = unchanged = 0
        for name, group in groupby(documents, _source_of):
            source = Source(name, seen.get(name, 0))
            seen[name] = source.part + 1
            parts = list(group)
            digest = self._digest(parts)
            before = known.pop(source, None)
            if before == digest:
                unchanged += 1
                continue
            self._manifest.replace(source, digest, list(split(parts, tokens=self._tokens)))
            added += before is None
            changed += before is not None
            # Counting takes time that grows with the index, so not after every source.
            if (added + changed) % _BATCH == 1:
                self._report(report)
        # A source that came in fewer parts than before has changed, whatever else is kept.
        gone = [source for source in known if whole or source.name in seen]
        for source in gone:
            self._manifest.replace(source, None, [])
        self._report(report)
        return Update(added, changed, unchanged, len(gone))

    def _report(self, report: Callable[[int, int], None]) -> None:
        total = len(self)
        report(total if self._embeddings is None else self._manifest.count_embedded(), total)

    def _digest(self, parts: Sequence[Document]) -> str:
        content = blake2b(digest_size=16)
        content.update(f"{_SPLITTING} {self._tokens}".encode())
        for part in parts:
            facts = json.dumps(part.metadata, sort_keys=True, default=str)
            content.update(f"\0{len(part.page_content)} {facts}\0".encode())
            content.update(part.page_content.encode("utf-8", "surrogatepass"))
        return content.hexdigest()

    def _embed(self, dense: Dense, report: Callable[[int, int], None]) -> None:
        if len(dense) != self._manifest.count_embedded() + len(self._manifest.strays()):
            self._manifest.keep_embedded(dense.ids())
        embeddings = self._embedder()
        before = ready = self._manifest.count_embedded()
        total = len(self)
        while batch := self._manifest.to_embed(_BATCH):
            vectors = embeddings.embed_documents([_embedded_text(p.document) for p in batch])
            dense.put([passage.id for passage in batch], vectors)
            self._manifest.mark_embedded(passage.number for passage in batch)
            ready += len(batch)
            report(ready, total)
        dense.remove(self._manifest.strays())
        self._manifest.forget_strays()
        if ready > before:
            # Who opened the index meanwhile has read a part of the vectors only.
            self._manifest.advance()

    # Dense search.

    def _open_dense(self) -> Dense:
        with self._lock:
            if self._dense is None:
                # Chroma keeps what it has read: an open store does not see other processes, so it
                # is opened anew wherever the generation shows that one has been at work.
                self._dense = Dense.open(self._path and self._path / "chroma")
            return self._dense

    def _close_dense(self) -> None:
        if self._dense is not None:
            self._dense.close()
            self._dense = None

    def _embedder(self) -> Embeddings:
        """Return the embedder, once it is known to be the one the index was made with."""
        if self._embeddings is None:
            raise RuntimeError("this index was opened without embeddings")
        if self._verified:
            return self._embeddings
        probe = np.asarray(self._embeddings.embed_query(_PROBE), dtype=np.float64)
        stored = self._manifest.fact("probe")
        if stored is None:
            self._manifest.set_fact("probe", json.dumps(probe.tolist()))
            self._manifest.set_fact("embedder", type(self._embeddings).__name__)
        elif not _same(probe, np.array(json.loads(stored))):
            raise IndexMismatch(
                f"the index {str(self._path)!r} was made with another embedder "
                f"({self._manifest.fact('embedder')}): open it with that one, "
                "or delete it to build it anew"
            )
        self._verified = True
        return self._embeddings

    def _nearest(self, query: str, most: int) -> list[int]:
        if not self._manifest.has_embedded():
            return []
        vector = self._embedder().embed_query(_storable(query))
        with self._lock:  # the store must not be closed meanwhile
            ids = self._open_dense().best(vector, most)
        numbers = self._manifest.numbers(ids)
        return [numbers[name] for name in ids if name in numbers]

    # Lexical search.

    def _load_lexical(self) -> tuple[int, Lexical]:
        if self._path is not None:
            generation = self._manifest.generation()
            lexical = Lexical.load(self._path / f"lexical-{generation}")
            if lexical is not None:
                return generation, lexical
        generation, terms = self._manifest.terms()
        return generation, Lexical.build(terms)

    def _rebuild_lexical(self) -> None:
        generation = self._manifest.generation()
        saved = self._path and self._path / f"lexical-{generation}"
        if generation != self._generation:
            generation, lexical = self._load_lexical()
            with self._lock:
                self._generation, self._lexical = generation, lexical
        if self._path is None or saved is None:
            return
        if not saved.exists():
            self._lexical.save(saved)
        for folder in self._path.glob("lexical-*"):
            if folder != saved:
                shutil.rmtree(folder, ignore_errors=True)

    def _follow(self) -> Lexical:
        """Take over another process's update once it is complete."""
        if self._path is None:
            return self._lexical
        generation = self._manifest.generation()
        with self._lock:
            if generation != self._generation:
                lexical = Lexical.load(self._path / f"lexical-{generation}")
                if lexical is not None:
                    self._generation, self._lexical = generation, lexical
                    self._close_dense()
            return self._lexical


def _silent(_done: int, _total: int) -> None:
    pass


def _prepare_folder(path: Path) -> None:
    if path.is_dir():
        strangers = [
            child.name
            for child in path.iterdir()
            if child.name not in _FILES and not child.name.startswith("lexical-")
        ]
        if strangers and not (path / "manifest.sqlite3").exists():
            raise ValueError(
                f"{str(path)!r} holds other files ({min(strangers)}): an index needs a folder of "
                "its own"
            )
    elif path.exists():
        raise ValueError(f"{str(path)!r} is a file: an index is a folder")
    path.mkdir(parents=True, exist_ok=True)


def _source_of(document: Document) -> str:
    return str(document.metadata.get("source", ""))


def _embedded_text(document: Document) -> str:
    title = str(document.metadata.get("title", ""))
    return _storable(f"{title}\n{document.page_content}" if title else document.page_content)


def _storable(text: str) -> str:
    # Tokenizers refuse half of a surrogate pair.
    return text.encode("utf-8", "replace").decode("utf-8")


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    if one.shape != other.shape:
        return False
    norms = float(np.linalg.norm(one) * np.linalg.norm(other))
    return norms == 0 or float(one @ other) / norms >= _SAME
