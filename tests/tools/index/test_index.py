"""The index: what it finds, what it redoes, and that it survives kills, rivals and damage."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

from shoestring.tools.files.lock import locked
from shoestring.tools.index.index import Index, IndexBusy, IndexCorrupt, IndexMismatch, Update
from shoestring.tools.words.words import words


class HashedWords(Embeddings):
    """Texts that share words are near; counts what it is asked to embed."""

    def __init__(self, size: int = 64) -> None:
        self.size = size
        self.embedded = 0

    def embed_query(self, text: str) -> list[float]:
        vector = np.full(self.size, 1e-3)
        for word in words(text):
            vector[blake2b(word.encode(), digest_size=1).digest()[0] % self.size] += 1
        return [float(value) for value in vector]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.embedded += len(texts)
        return [self.embed_query(text) for text in texts]


TEXTS = {
    "cats.md": "Cats purr when they are content.",
    "dogs.md": "Dogs bark at the postman.",
    "tax.md": "The income tax is due in April.",
}


def document(source: str, text: str) -> Document:
    metadata = {"source": source, "start": 0, "end": len(text), "title": source}
    return Document(page_content=text, metadata=metadata)


def corpus(texts: dict[str, str]) -> list[Document]:
    return [document(source, text) for source, text in texts.items()]


def many(count: int) -> list[Document]:
    return [document(f"{n:03}.md", f"Topic {n} tells of item{n}.\n" * 40) for n in range(count)]


def check(index: Index, expected: list[Document]) -> None:
    """Every passage is there once, with one vector, and is found."""
    with Index.open(None, None) as fresh:
        fresh.update(expected)
        assert len(index) == len(fresh)
        assert index.sources == fresh.sources
    if index._embeddings is not None:
        assert len(index._open_dense()) == index._manifest.count_embedded() == len(index)
    for wanted in expected[:: max(1, len(expected) // 5)]:
        (best,) = index.search(wanted.page_content[:40], 1)
        assert best.metadata["source"] == wanted.metadata["source"]


def main(path: str, count: int) -> None:
    """Update an index in a process of its own, saying how far it is."""
    with Index.open(path, HashedWords()) as index:
        done = index.update(many(count), _say)
        _say(done.added, done.unchanged)


def _say(*figures: int) -> None:
    sys.stdout.write(f"{' '.join(map(str, figures))}\n")
    sys.stdout.flush()


def process(path: Path, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, __file__, str(path), str(count)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )


@pytest.mark.parametrize("where", ["memory", "disk"])
@pytest.mark.parametrize("dense", [True, False])
def test_a_passage_is_found_with_its_place_and_a_score(
    tmp_path: Path,
    where: str,
    dense: bool,  # noqa: FBT001 - pytest passes it by name
) -> None:
    """The best passage comes first; scores fall, and lie in (0, 1]."""
    path = tmp_path / "index" if where == "disk" else None
    with Index.open(path, HashedWords() if dense else None) as index:
        assert index.update(corpus(TEXTS)) == Update(3, 0, 0, 0)
        found = index.search("why do cats purr", 10)
        assert found[0].page_content == TEXTS["cats.md"]
        assert found[0].metadata.items() >= document("cats.md", TEXTS["cats.md"]).metadata.items()
        scores = [passage.metadata["score"] for passage in found]
        assert scores == sorted(scores, reverse=True)
        assert scores[0] == 1.0
        assert scores[-1] > 0
        assert len(found) == (3 if dense else 1)
        assert len(index.search("cats", 1)) == 1


def test_only_what_changed_is_embedded_again(tmp_path: Path) -> None:
    """An update costs what changed; what has gone is removed, also from the vectors."""
    embeddings = HashedWords()
    with Index.open(tmp_path / "i", embeddings) as index:
        index.update(corpus(TEXTS))
        assert embeddings.embedded == 3
        assert index.update(corpus(TEXTS)) == Update(0, 0, 3, 0)
        assert embeddings.embedded == 3
    changed = {**TEXTS, "cats.md": "Cats sleep all day.", "new.md": "News of the world."}
    del changed["tax.md"]
    with Index.open(tmp_path / "i", embeddings) as index:
        assert index.update(corpus(changed)) == Update(added=1, changed=1, unchanged=1, removed=1)
        assert embeddings.embedded == 5
        check(index, corpus(changed))
        assert "tax.md" not in {p.metadata["source"] for p in index.search("income tax", 10)}


def test_a_part_of_the_corpus_can_be_updated() -> None:
    """With whole=False nothing else is removed."""
    with Index.open(None, None) as index:
        index.update(corpus(TEXTS))
        extra = document("new.md", "More.")
        assert index.update([extra], whole=False) == Update(1, 0, 0, 0)
        assert index.sources == [*sorted([*TEXTS, "new.md"])]


def test_a_passage_that_stays_in_a_changed_source_keeps_its_vector() -> None:
    """Appending to a long file embeds the end only."""
    embeddings = HashedWords()
    pages = [f"# Part {n}\n\nText of part {n}.\n\n" for n in range(20)]
    with Index.open(None, embeddings) as index:
        for text in ("".join(pages), "".join([*pages, "# Last\n\nThe end.\n"])):
            index.update([Document(page_content=text, metadata={"source": "a.md"})])
        assert embeddings.embedded == len(index) == 21


def test_another_passage_size_splits_anew(tmp_path: Path) -> None:
    """The size of passages is part of what an update compares."""
    texts = {"a.md": "A sentence of words. " * 100}
    with Index.open(tmp_path / "i", None, tokens=200) as index:
        index.update(corpus(texts))
        before = len(index)
    with Index.open(tmp_path / "i", None, tokens=50) as index:
        assert index.update(corpus(texts)).changed == 1
        assert len(index) > 2 * before


def test_the_vectors_are_made_later_if_they_were_not_wanted_first(tmp_path: Path) -> None:
    """An index made by words alone gets its vectors when it is updated with an embedder."""
    with Index.open(tmp_path / "i", None) as index:
        index.update(corpus(TEXTS))
    with Index.open(tmp_path / "i", HashedWords()) as index:
        assert index.search("cats", 3)
        assert index.update(corpus(TEXTS)) == Update(0, 0, 3, 0)
        check(index, corpus(TEXTS))


def test_documents_without_a_source_or_with_the_same_one_are_all_kept() -> None:
    """Several documents of one name, in a row or not, do not replace each other."""
    documents = [Document("alpha"), Document("beta"), document("x", "gamma"), Document("delta")]
    with Index.open(None, None) as index:
        index.update(documents)
        assert len(index) == 4
        assert index.update(documents) == Update(0, 0, 3, 0)
        index.update(documents[:3])
        assert [found.page_content for found in index.search("alpha beta gamma delta")] == [
            "alpha",
            "beta",
            "gamma",
        ]


def test_hostile_text_is_indexed() -> None:
    """Lone surrogates, NUL and emptiness neither fail nor change the text."""
    texts = {"a\ud800": "odd \ud800 \x00 text", "b": "", "c": "... !!!"}
    with Index.open(None, HashedWords()) as index:
        index.update(corpus(texts))
        assert index.search("odd \ud800", 1)[0].page_content == texts["a\ud800"]
        assert len(index) == 2


def test_nothing_is_found_in_an_empty_index() -> None:
    """An index without passages, or of passages without words, answers with nothing."""
    with Index.open(None, HashedWords()) as index:
        assert index.search("anything") == []
        index.update([])
        assert (index.search("anything"), len(index), index.sources) == ([], 0, [])
    with Index.open(None, None) as index:
        index.update([document("a", "!!!")])
        assert index.search("!!!") == []


@pytest.mark.parametrize(("query", "k"), [("", 5), (" \n", 5), ("cats", 0), ("cats", -1)])
def test_a_search_needs_a_query_and_a_positive_number(query: str, k: int) -> None:
    """Empty queries and impossible numbers are the caller's mistake."""
    with Index.open(None, None) as index, pytest.raises(ValueError, match=r"query|positive"):
        index.search(query, k)


def test_another_embedder_is_refused_with_the_cure(tmp_path: Path) -> None:
    """Vectors of two embedders never mix, even of the same size."""

    class Other(HashedWords):
        def embed_query(self, text: str) -> list[float]:
            return super().embed_query(text[::-1])

    with Index.open(tmp_path / "i", HashedWords()) as index:
        index.update(corpus(TEXTS))
    for other in (HashedWords(size=32), Other()):
        with Index.open(tmp_path / "i", other) as index:
            with pytest.raises(IndexMismatch, match=r"HashedWords.*delete it"):
                index.search("cats")
            with pytest.raises(IndexMismatch):
                index.update(corpus(TEXTS))
    with Index.open(tmp_path / "i", None) as index:
        assert index.search("cats")


def test_a_failing_source_of_documents_loses_nothing(tmp_path: Path) -> None:
    """An update that stops half way removes nothing, and the next one completes it."""

    def failing() -> Iterator[Document]:
        yield from corpus({"first.md": "The first text.", "second.md": "The second."})
        raise OSError("disk gone")

    with Index.open(tmp_path / "i", HashedWords()) as index:
        index.update(corpus(TEXTS))
        with pytest.raises(OSError, match="disk gone"):
            index.update(failing())
        assert index.sources == sorted([*TEXTS, "first.md"])
        assert index.search("cats purr", 1)[0].metadata["source"] == "cats.md"
        index.update(corpus(TEXTS))
        check(index, corpus(TEXTS))


@pytest.mark.slow
@pytest.mark.parametrize("lines", [1, 4, 8, 14])
def test_a_killed_run_is_continued(tmp_path: Path, lines: int) -> None:
    """After kill -9 the index is usable, and the next run does only what is left."""
    path = tmp_path / "index"
    expected = many(300)
    with process(path, len(expected)) as killed:
        assert killed.stdout is not None
        progress = ""
        for _ in range(lines):
            progress = killed.stdout.readline()
        killed.send_signal(signal.SIGKILL)
    ready = int(progress.split()[0])
    embeddings = HashedWords()
    with Index.open(path, embeddings) as index:
        assert index.search("item0", 1)[0].metadata["source"] == "000.md"
        index.update(expected)
        check(index, expected)
        assert embeddings.embedded <= len(index) - ready
        assert index.update(expected) == Update(0, 0, len(expected), 0)


@pytest.mark.slow
def test_two_processes_that_index_one_folder_take_turns(tmp_path: Path) -> None:
    """The second waits, finds the work done, and nothing is doubled."""
    path = tmp_path / "index"
    with process(path, 30) as one, process(path, 30) as other:
        outputs = [one.communicate(timeout=120), other.communicate(timeout=120)]
    assert (one.returncode, other.returncode) == (0, 0), outputs
    assert sorted(output.splitlines()[-1] for output, _ in outputs) == ["0 30", "30 0"]
    with Index.open(path, HashedWords()) as index:
        check(index, many(30))


@pytest.mark.slow
def test_an_open_index_sees_the_update_of_another_process(tmp_path: Path) -> None:
    """A long-lived reader finds, by words and by vectors, what another process added."""
    path = tmp_path / "index"
    with Index.open(path, HashedWords()) as index:
        index.update(many(2))
        assert index.search("item1", 1)
        with process(path, 8) as writer:
            _, errors = writer.communicate(timeout=120)
        assert (writer.returncode, errors) == (0, "")
        assert index.search("item7", 1)[0].metadata["source"] == "007.md"
        nearest = index._nearest("Topic 7 tells of item7.", 3)
        sources = [
            p.document.metadata["source"] for p in index._manifest.passages(nearest).values()
        ]
        assert "007.md" in sources
        with process(path, 10) as writer:
            writer.communicate(timeout=120)
        assert index.update(many(11)) == Update(1, 0, 10, 0)
        check(index, many(11))


def test_a_busy_index_is_readable_and_says_who_to_wait_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """While another updates, searches and openings go on; an update waits, then gives up."""
    path = tmp_path / "index"
    with Index.open(path, None) as index:
        index.update(corpus(TEXTS))
    with locked(path / "lock", wait=0), Index.open(path, None, wait=0.1) as index:
        assert index.search("cats", 1)
        with pytest.raises(IndexBusy, match=r"another process is updating .* Try again"):
            index.update(corpus(TEXTS))
        assert "waiting up to" in caplog.text
    with Index.open(path, None, wait=0) as index:
        assert index.update(corpus(TEXTS)).unchanged == 3


def test_threads_search_while_one_updates() -> None:
    """Searches from several threads give the same answers, whatever an update is doing."""
    failures: list[object] = []
    with Index.open(None, HashedWords()) as index:
        index.update(corpus(TEXTS))

        def search() -> None:
            for _ in range(30):
                found = index.search("cats purr content", 1)
                if [passage.metadata["source"] for passage in found] != ["cats.md"]:
                    failures.append(found)

        threads = [Thread(target=search) for _ in range(4)]
        for thread in threads:
            thread.start()
        index.update([*corpus(TEXTS), *many(20)])
        for thread in threads:
            thread.join()
    assert not failures


def damage_manifest(path: Path) -> None:
    (path / "manifest.sqlite3").write_bytes(b"not a database" * 500)


def damage_schema(path: Path) -> None:
    db = sqlite3.connect(path / "manifest.sqlite3")
    db.execute("DROP TABLE passages")
    db.close()


def damage_vectors(path: Path) -> None:
    (path / "chroma" / "chroma.sqlite3").write_bytes(b"not a database" * 500)


@pytest.mark.parametrize("damage", [damage_manifest, damage_schema, damage_vectors])
def test_damage_is_a_named_error_with_the_cure(tmp_path: Path, damage: object) -> None:
    """Broken files give one clear error, wherever they are noticed; deleting the folder helps."""
    path = tmp_path / "index"
    assert callable(damage)
    with Index.open(path, HashedWords()) as index:
        index.update(corpus(TEXTS))
    damage(path)
    with (
        pytest.raises(IndexCorrupt, match=r"delete .*to build it anew") as caught,
        Index.open(path, HashedWords()) as index,
    ):
        index.search("cats")
    assert "\n" not in str(caught.value)


def test_lost_or_damaged_parts_that_can_be_made_again_are(tmp_path: Path) -> None:
    """The word index is rebuilt from the manifest, and lost vectors at the next update."""
    path = tmp_path / "index"
    with Index.open(path, HashedWords()) as index:
        index.update(corpus(TEXTS))
        index._open_dense().remove([p.id for p in index._manifest.passages([1, 2]).values()])
        index._open_dense().put(["stranger"], [HashedWords().embed_query("x")])
    for folder in path.glob("lexical-*"):
        for file in folder.iterdir():
            file.write_bytes(b"damaged")
    embeddings = HashedWords()
    with Index.open(path, embeddings) as index:
        assert index.search("cats purr", 1)[0].metadata["source"] == "cats.md"
        index.update(corpus(TEXTS))
        assert embeddings.embedded == 2
        check(index, corpus(TEXTS))


def test_an_index_of_another_version_is_refused_with_the_cure(tmp_path: Path) -> None:
    """A layout this version does not know is not touched."""
    with Index.open(tmp_path / "i", None):
        pass
    db = sqlite3.connect(tmp_path / "i" / "manifest.sqlite3")
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(IndexMismatch, match=r"another version.*delete it"):
        Index.open(tmp_path / "i", None)


def test_an_index_takes_no_folder_that_holds_something_else(tmp_path: Path) -> None:
    """A mistyped path must not mix an index, which one may delete, with somebody's files."""
    (tmp_path / "thesis.md").write_text("years of work")
    with pytest.raises(ValueError, match="holds other files"):
        Index.open(tmp_path, None)
    with pytest.raises(ValueError, match="is a file"):
        Index.open(tmp_path / "thesis.md", None)


def test_an_index_by_words_alone_needs_no_chroma(tmp_path: Path) -> None:
    """Neither importing nor using it without embeddings loads chromadb or torch."""
    code = (
        "import sys; from langchain_core.documents import Document;"
        "from shoestring.tools.index.index import Index; index = Index.open(sys.argv[1], None);"
        "index.update([Document('cats')]); assert index.search('cats');"
        "assert not {'chromadb', 'torch', 'pypdf'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "i")], check=True)


@pytest.mark.slow
def test_the_real_embedder_finds_a_paraphrase(tmp_path: Path) -> None:
    """With MiniLM a passage is found that shares no word with the question."""
    from shoestring.models.embedding.sentences import local_embeddings

    with Index.open(tmp_path / "i", local_embeddings()) as index:
        index.update(corpus(TEXTS))
        assert index.search("Which pet makes a happy sound?", 1)[0].metadata["source"] == "cats.md"


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))


def test_numbers_of_removed_passages_are_not_used_again() -> None:
    """While an update runs, a search finds what was there or nothing, never another passage."""
    with Index.open(None, None) as index:
        index.update([document("a", "dogs bark"), document("z", "cats purr")])

        def documents() -> Iterator[Document]:
            yield document("z", "submarines dive")
            yield document("zz", "and more")
            assert index.search("cats purr") == []

        index.update(documents())


_SLOW_RUN = """
import sys
from pathlib import Path
from shoestring.tools.index.index import Index
sys.path.insert(0, sys.argv[2])
from test_index import HashedWords, many

def progress(ready, total):
    if ready == 64:
        print("partly", flush=True)
        sys.stdin.readline()

with Index.open(Path(sys.argv[1]), HashedWords()) as index:
    index.update(many(100), progress)
"""


def test_an_index_opened_during_an_update_sees_all_vectors_after_it(tmp_path: Path) -> None:
    """What was read while another process embedded is read anew once that has finished."""
    command = [sys.executable, "-c", _SLOW_RUN, str(tmp_path / "index"), str(Path(__file__).parent)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "partly\n"
        with Index.open(tmp_path / "index", HashedWords()) as index:
            early = index.search("zebra", k=1_000)  # no passage holds the word: by vectors alone
            run.communicate("\n")
            late = index.search("zebra", k=1_000)
            assert len(early) < len(late) == len(index)


_FORKED = """
import os, sys
from pathlib import Path
from shoestring.tools.files.lock import locked

lock = Path(sys.argv[1])
read, write = os.pipe()
with locked(lock, 0):
    if os.fork() == 0:
        os.close(write)
        os.read(read, 1)  # until the parent has ended
        os._exit(0)
with locked(lock, 0):
    print("free")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_child_does_not_keep_the_lock(tmp_path: Path) -> None:
    """A child forked while the lock was held does not hold it on."""
    command = [sys.executable, "-c", _FORKED, str(tmp_path / "lock")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.stdout == "free\n", run.stderr
