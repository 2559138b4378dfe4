"""Where tokens are spent: guarded models, counting, prices, the local model."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shoestring.budget.extras import MissingExtra
    from shoestring.models.counting.counting import (
        ByteBound,
        HuggingFaceCounter,
        TiktokenCounter,
        TokenCounter,
        counter,
        counter_for,
    )
    from shoestring.models.counting.framing import UnboundedInput
    from shoestring.models.counting.measuring import message_counter
    from shoestring.models.counting.vocabularies import VocabularyUnavailable
    from shoestring.models.embedding.sentences import local_embeddings
    from shoestring.models.embedding.static import static_embeddings
    from shoestring.models.guarding.guard import guard
    from shoestring.models.guarding.guarded import is_guarded
    from shoestring.models.guarding.holding import Unreachable, guard_all
    from shoestring.models.guarding.limits import DEFAULT_MAX_OUTPUT
    from shoestring.models.guarding.thinking import ThinkingLimit, UnboundedOutput
    from shoestring.models.guarding.tripwire import UnguardedCall, refuse_unguarded
    from shoestring.models.load import UnknownModel, load_model
    from shoestring.models.local.chat import LocalChatModel
    from shoestring.models.prices import Price, UnknownPrice, known_price, price_of
    from shoestring.models.providers import UnknownProvider
    from shoestring.models.recorded import BrokenRecording, RecordedModel, UnknownPrompt

# Imported when first asked for: guarding a model loads neither the local model nor the embedder.
# No module is named like what it exports: importing it would put the module in the export's place.
_HOMES = {
    "ByteBound": "counting.counting",
    "DEFAULT_MAX_OUTPUT": "guarding.limits",
    "HuggingFaceCounter": "counting.counting",
    "LocalChatModel": "local.chat",
    "MissingExtra": "load",
    "Price": "prices",
    "ThinkingLimit": "guarding.thinking",
    "TiktokenCounter": "counting.counting",
    "TokenCounter": "counting.counting",
    "UnboundedInput": "counting.framing",
    "UnguardedCall": "guarding.tripwire",
    "UnboundedOutput": "guarding.thinking",
    "UnknownModel": "load",
    "UnknownPrice": "prices",
    "UnknownProvider": "providers",
    "Unreachable": "guarding.holding",
    "VocabularyUnavailable": "counting.vocabularies",
    "counter": "counting.counting",
    "counter_for": "counting.counting",
    "guard": "guarding.guard",
    "guard_all": "guarding.holding",
    "is_guarded": "guarding.guarded",
    "known_price": "prices",
    "load_model": "load",
    "local_embeddings": "embedding.sentences",
    "message_counter": "counting.measuring",
    "price_of": "prices",
    "BrokenRecording": "recorded",
    "RecordedModel": "recorded",
    "UnknownPrompt": "recorded",
    "refuse_unguarded": "guarding.tripwire",
    "static_embeddings": "embedding.static",
}

__all__ = [
    "DEFAULT_MAX_OUTPUT",
    "BrokenRecording",
    "ByteBound",
    "HuggingFaceCounter",
    "LocalChatModel",
    "MissingExtra",
    "Price",
    "RecordedModel",
    "ThinkingLimit",
    "TiktokenCounter",
    "TokenCounter",
    "UnboundedInput",
    "UnboundedOutput",
    "UnguardedCall",
    "UnknownModel",
    "UnknownPrice",
    "UnknownPrompt",
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
