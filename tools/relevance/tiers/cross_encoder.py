"""A tier that reads query and unit together: a cross-encoder by its hub name, or from a folder."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shoestring.budget.extras import require
from shoestring.tools.relevance.tiers.tier import Floats, TierCost

__all__ = ["CrossEncoderTier"]

_LONGEST = 4_000  # characters of a query or a unit; the models read 512 tokens of both together


class _Lazy:
    """The model, loaded when it is first needed, used by one thread at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._model: Any = None

    def __reduce__(self) -> "tuple[type[_Lazy], tuple[()]]":
        return _Lazy, ()

    def predict(self, name: str, pairs: Sequence[tuple[str, str]]) -> Floats:
        with self._lock:
            if self._model is None:
                loaded = require("sentence_transformers", "retrieval").CrossEncoder(
                    name, device="cpu"
                )
                if loaded.num_labels != 1:
                    raise ValueError(
                        f"{name} has {loaded.num_labels} outputs: a tier needs a model with one"
                    )
                self._model = loaded
            logits = self._model.predict(
                list(pairs),
                show_progress_bar=False,
                activation_fn=require("torch", "retrieval").nn.Identity(),
            )
        return 1.0 / (1.0 + np.exp(-np.clip(np.asarray(logits, np.float64).reshape(-1), -50, 50)))


@dataclass(frozen=True, slots=True)
class CrossEncoderTier:
    """Scores a unit by a cross-encoder of sentence-transformers that has one output.

    Opt-in: no package carries such weights, so the model is downloaded from the hub the first time,
    unless it is a folder. `weight` and `seconds` are estimates for a model of six layers, not
    measured here.

    Raises:
        MissingExtra: If sentence-transformers is not installed (when the first text comes).
        ValueError: If the model has more than one output (likewise).
    """

    model: str
    """A name on the hub, such as "cross-encoder/ms-marco-MiniLM-L6-v2", or a folder."""
    name: str = "cross-encoder"
    most: int = 32
    weight: float = 0.6
    seconds: float = 1 / 40
    """Seconds a unit of 100 tokens or less, on two cores."""
    _loaded: _Lazy = field(default_factory=_Lazy, init=False, repr=False, compare=False)

    def forecast(self, units: int, tokens: int) -> TierCost:
        """Time alone: it runs in this process."""
        return TierCost(self.seconds * min(units, self.most) * max(1.0, tokens / 100))

    def score(self, query: str, units: Sequence[str]) -> Floats | None:
        """Read each unit together with the query; the logit becomes a chance."""
        return self._loaded.predict(
            self.model, [(_readable(query), _readable(unit)) for unit in units]
        )


def _readable(text: str) -> str:
    return text[:_LONGEST].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
