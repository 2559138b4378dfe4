"""The packaged static embedder: WordLlama's own vectors, for any text, in any thread."""

import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from shoestring.budget.extras import MissingExtra
from shoestring.models import static_embeddings
from shoestring.models.embedding import static as static_vectors
from shoestring.models.embedding.static import SHA256, StaticEmbeddings, WrongVectors


def test_the_vectors_are_wordllamas_own() -> None:
    """Reading the files without the package gives what the package gives."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    try:
        import wordllama

        model = wordllama.WordLlama.load(
            cache_dir=Path(wordllama.__file__).parent, disable_download=True
        )
        texts = ["The ferry leaves at 07:40.", "日本語 text", "def f(x): return x", "word " * 300]
        expected = model.embed(texts, norm=True)
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers
    assert np.allclose(static_embeddings().embed_documents(texts), expected, atol=1e-6)


def test_any_text_has_a_vector() -> None:
    """Empty, blank, broken and very long texts are embedded in order, each as if alone."""
    texts = [
        "",
        " \n",
        "\ud800",
        "a" * 10**6,
        "cat " * 10**6,
        "日本語",
        "👩‍👩‍👧",
        "a cat sat on a mat",
    ]
    vectors = np.array(static_embeddings().embed_documents(texts))
    assert vectors.shape == (len(texts), 256)
    lengths = np.linalg.norm(vectors, axis=1)
    assert lengths[0] == 0
    assert np.allclose(lengths[1:], 1, atol=1e-5)
    alone = [static_embeddings().embed_query(text) for text in texts]
    assert np.array_equal(vectors, alone)
    assert static_embeddings().embed_documents([]) == []


def test_near_meanings_are_near() -> None:
    """A question is nearer to its answer in other words than to another passage."""
    question = static_embeddings().embed_query("How tall is the tower?")
    high, old = static_embeddings().embed_documents(
        ["The building's height is 330 metres.", "Bread is baked from flour and water."]
    )
    assert np.dot(question, high) > np.dot(question, old) + 0.2


def test_threads_share_one_load(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight threads that embed at once load the files once and get what each asked for."""
    loads: list[int] = []
    load = static_vectors._load

    def counting() -> object:
        loads.append(1)
        return load()

    monkeypatch.setattr(static_vectors, "_load", counting)
    fresh = StaticEmbeddings()
    texts = [f"text number {n} of many" for n in range(200)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(fresh.embed_query, texts))
    assert len(loads) == 1
    assert together == fresh.embed_documents(texts)


def test_it_is_silent_and_leaves_the_program_alone() -> None:
    """Nothing is loaded before the first text; no logger is set up, no connection made, no warning."""
    code = (
        "import logging, os, socket, sys\n"
        "def no(*a): raise AssertionError('network')\n"
        "socket.socket.connect = no; socket.getaddrinfo = no\n"
        "from shoestring.models import static_embeddings as e\n"
        "assert e() is e(); print(e().name)\n"
        "assert not {'torch', 'tokenizers', 'wordllama'} & set(sys.modules)\n"
        "e().embed_documents(['a', 'b'] * 40)\n"
        "assert not {'torch', 'wordllama'} & set(sys.modules)\n"
        "assert not logging.getLogger().handlers\n"
        "pid = os.fork()\n"
        "if pid == 0: e().embed_query('c'); os._exit(0)\n"
        "assert os.waitpid(pid, 0)[1] == 0\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == (f"wordllama-l2-supercat-256@{SHA256[_weights()][:8]}\n", "")


def _weights() -> str:
    return next(name for name in SHA256 if name.endswith(".safetensors"))


@pytest.mark.parametrize("missing", ["wordllama", "tokenizers", "safetensors"])
def test_missing_packages_say_how_to_install_them(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without weights or library the error comes at once and holds the pip command."""
    static_embeddings.cache_clear()
    monkeypatch.setitem(sys.modules, missing, None)

    def found(name: str) -> object:
        return None if name == missing else find_spec(name)

    monkeypatch.setattr(static_vectors, "find_spec", found)
    with pytest.raises(MissingExtra, match=r"pip install 'shoestring\[offline\]'"):
        static_embeddings()
    static_embeddings.cache_clear()


def test_other_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed byte in the weights is an error with the command that puts it right."""
    for name in SHA256:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"other")
    monkeypatch.setattr(static_vectors, "_folder", lambda: tmp_path)
    with pytest.raises(WrongVectors, match=r"pip install --force-reinstall.*wordllama"):
        StaticEmbeddings().embed_query("a")
