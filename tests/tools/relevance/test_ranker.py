"""Rankers: small JSON, read with care, and applied to the best units only."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document
from pydantic import BaseModel

from shoestring.tools import TrimCompressor, trim
from shoestring.tools.relevance.features import FEATURES, features
from shoestring.tools.relevance.ranker import BadRanker, Ranker
from shoestring.tools.relevance.ranking import Text
from shoestring.tools.relevance.tiers import EmbeddingTier


def ranker(*tiers: str, **weights: float) -> Ranker:
    names = (*FEATURES, *(f"tier: {tier}" for tier in tiers))
    chosen = tuple(weights.get(name.replace(" ", "_"), 0.0) for name in names)
    return Ranker(names, (0.0,) * len(names), chosen, -1.0)


DOCUMENTS = [
    Document(
        "The ferry carries cars and bicycles to the island. The ferry has 120 seats and a kitchen. "
        "The ferry sails daily from the western harbour."
    ),
    Document("Ferry tales are told in every harbour."),
]


def test_it_ranks_as_it_was_fitted() -> None:
    """A ranker that likes numbers keeps the sentence with one; without it the rule decides."""
    query = "the ferry"
    liked = trim(DOCUMENTS, query, 11, ranker=ranker(holds_a_number=5.0))
    assert liked.text == "The ferry has 120 seats and a kitchen."
    assert liked.score == pytest.approx(1 / (1 + np.exp(-4)), abs=1e-6)
    compressor = TrimCompressor(tokens=11, ranker=ranker(holds_a_number=5.0))
    assert [d.page_content for d in compressor.compress_documents(DOCUMENTS, query)] == [liked.text]


def test_what_it_does_not_look_at_stays_below() -> None:
    """Beyond its best two hundred units the order is the rule's, below all it ranked."""
    shares = np.linspace(1, 0.1, 300)
    texts = [Text("", [f"unit {n}" for n in range(300)])]
    found = ranker(holds_a_number=-3.0).chances(texts, "unit", shares, {})
    assert found[:200].min() > found[200:].max()
    assert (np.diff(found[200:]) < 0).all()
    assert ((found >= 0) & (found <= 1)).all()


def test_the_tiers_must_be_those_it_knows() -> None:
    """Fitted with a tier it refuses to rank without one, or with another."""
    fitted = ranker("static", **{"tier:_static": 1.0})
    assert trim(DOCUMENTS, "the ferry", 8, tiers=[EmbeddingTier.static()], ranker=fitted).text
    with pytest.raises(ValueError, match="fitted with tiers static, and is given none"):
        trim(DOCUMENTS, "the ferry", 8, ranker=fitted)


def test_it_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    """A few kilobytes of JSON, the same ranker again."""
    one = ranker("static", share=3.25, length=-0.125)
    one.save(tmp_path / "r.json")
    assert Ranker.load(tmp_path / "r.json") == one
    assert (tmp_path / "r.json").stat().st_size < 4_000


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2}, "no ranker of format 1"),
        ({"names": ["share"]}, "tune anew"),
        ({"names": 3}, "names no features"),
        ({"names": [*FEATURES, "other"]}, "tune anew"),
        ({"weights": [1e9] * len(FEATURES)}, "not between"),
        ({"weights": [float("nan")] * len(FEATURES)}, "not between"),
        ({"weights": ["1"] * len(FEATURES)}, "a number is missing"),
        ({"means": [0.0]}, "tune anew"),
        ({"constant": None}, "a number is missing"),
        ({"constant": True}, "a number is missing"),
        ({"names": [*FEATURES, *(f"tier: {n}" for n in range(9))]}, "tune anew"),
    ],
)
def test_a_file_that_is_no_ranker_is_refused(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    """Whatever is wrong in it is an error that names the file."""
    path = tmp_path / "r.json"
    ranker().save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BadRanker, match=said) as caught:
        Ranker.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff\xfe", b"[" * 10_000, b" " * 70_000])
def test_hostile_files_are_refused(tmp_path: Path, content: bytes) -> None:
    """Empty, of another form, no text, nested without end, too large; or not there at all."""
    (tmp_path / "r.json").write_bytes(content)
    for name in ("r.json", "nowhere.json", "."):
        with pytest.raises(BadRanker):
            Ranker.load(tmp_path / name)


def test_features_by_hand() -> None:
    """Each is what its name says, between 0 and about 1, for any text."""
    texts = [
        Text("Old ferries", ["The ferry had 120 seats.", "It sank near Ulm, in Lake Garda."]),
        Text("", ["\ud800 \x00"]),
    ]
    shares = np.array([1.0, 0.4, 0.0])
    seen = {"static": np.array([0.9, 0.1, 0.0])}
    names, rows = features(texts, "How many seats had the ferry?", shares, np.arange(3), seen)
    told = [dict(zip(names, row, strict=True)) for row in rows.tolist()]
    assert [one["share of the unit before"] for one in told] == [0, 1, 0]
    assert [one["share of the unit after"] for one in told] == [0.4, 0, 0]
    assert [one["best share in the document"] for one in told] == [1, 1, 0]
    assert [one["number asked for and held"] for one in told] == [1, 0, 0]
    assert told[0]["query words in the unit"] == 1
    assert told[0]["query words in the title"] == 0.5
    assert [one["place of the document"] for one in told] == [0, 0, 1]
    assert [one["opens the document"] for one in told] == [1, 0, 1]
    assert told[1]["names"] > told[0]["names"]
    assert [one["tier: static"] for one in told] == [0.9, 0.1, 0]
    assert ((rows >= 0) & (rows <= 1.5)).all()
    assert features([], "q", np.zeros(0), np.zeros(0, np.int64), {})[1].shape == (0, len(FEATURES))


def test_a_compressor_with_a_ranker_is_a_pydantic_model() -> None:
    """It validates its fields as before."""
    assert isinstance(TrimCompressor(tokens=8, ranker=ranker()), BaseModel)
