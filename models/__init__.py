"""Where tokens are spent: guarded models, counting, prices, the local model."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shoestring.budget.extras import MissingExtra
    from shoestring.models.counting import (
        ByteBound,
        HuggingFaceCounter,
        TiktokenCounter,
        TokenCounter,
        counter,
        counter_for,
    )
    from shoestring.models.embeddings import local_embeddings
    from shoestring.models.framing import UnboundedInput
    from shoestring.models.guarded import is_guarded
    from shoestring.models.guarding import guard
    from shoestring.models.holding import Unreachable, guard_all
    from shoestring.models.limits import DEFAULT_MAX_OUTPUT
    from shoestring.models.load import UnknownModel, load_model
    from shoestring.models.local import LocalChatModel
    from shoestring.models.measuring import message_counter
    from shoestring.models.prices import Price, UnknownPrice, known_price, price_of
    from shoestring.models.providers import UnknownProvider
    from shoestring.models.static_vectors import static_embeddings
    from shoestring.models.thinking import ThinkingLimit, UnboundedOutput
    from shoestring.models.tripwire import UnguardedCall, refuse_unguarded
    from shoestring.models.vocabularies import VocabularyUnavailable

# Imported when first asked for: guarding a model loads neither the local model nor the embedder.
# No module is named like what it exports: importing it would put the module in the export's place.
_HOMES = {
    "ByteBound": "counting",
    "DEFAULT_MAX_OUTPUT": "limits",
    "HuggingFaceCounter": "counting",
    "LocalChatModel": "local",
    "MissingExtra": "load",
    "Price": "prices",
    "ThinkingLimit": "thinking",
    "TiktokenCounter": "counting",
    "TokenCounter": "counting",
    "UnboundedInput": "framing",
    "UnguardedCall": "tripwire",
    "UnboundedOutput": "thinking",
    "UnknownModel": "load",
    "UnknownPrice": "prices",
    "UnknownProvider": "providers",
    "Unreachable": "holding",
    "VocabularyUnavailable": "vocabularies",
    "counter": "counting",
    "counter_for": "counting",
    "guard": "guarding",
    "guard_all": "holding",
    "is_guarded": "guarded",
    "known_price": "prices",
    "load_model": "load",
    "local_embeddings": "embeddings",
    "message_counter": "measuring",
    "price_of": "prices",
    "refuse_unguarded": "tripwire",
    "static_embeddings": "static_vectors",
}

__all__ = [
    "DEFAULT_MAX_OUTPUT",
    "ByteBound",
    "HuggingFaceCounter",
    "LocalChatModel",
    "MissingExtra",
    "Price",
    "ThinkingLimit",
    "TiktokenCounter",
    "TokenCounter",
    "UnboundedInput",
    "UnboundedOutput",
    "UnguardedCall",
    "UnknownModel",
    "UnknownPrice",
    "UnknownProvider",
    "Unreachable",
    "VocabularyUnavailable",
    "counter",
    "counter_for",
    "guard",
    "guard_all",
    "is_guarded",
    "known_price",
    "load_model",
    "local_embeddings",
    "message_counter",
    "price_of",
    "refuse_unguarded",
    "static_embeddings",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
