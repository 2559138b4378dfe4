"""How many tokens messages are, before anything is sent: what trimming a history counts by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoestring.models.counting.counting import counter as named
from shoestring.models.counting.counting import counter_for
from shoestring.models.counting.framing import UnboundedInput
from shoestring.models.counting.media import Media
from shoestring.models.counting.prompting import media_tokens
from shoestring.models.providers import PROVIDERS, UnknownProvider, of_model, provider_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

    from shoestring.models.counting.counting import TokenCounter


def message_counter(
    model: BaseChatModel | None = None, counter: TokenCounter | None = None
) -> Callable[[Sequence[BaseMessage]], int]:
    """Return what counts messages for a model: roles, calls, reasoning and images included.

    An image counts as the most its provider takes for one, a sound as its length may at most. The
    count raises `UnboundedInput` for a file, or another block whose tokens cannot be bounded.

    Args:
        model: The model that reads them; None for o200k_base, and the dearest images and sounds there are.
        counter: Counts text in place of the model's own.

    Raises:
        VocabularyUnavailable: If its vocabulary is known and cannot be loaded.

    >>> from langchain_core.messages import HumanMessage
    >>> message_counter()([HumanMessage("Name a river.")])
    11
    """
    own = counter or (named("o200k_base") if model is None else counter_for(model))
    image, second = _maxima(model)

    def count(messages: Sequence[BaseMessage]) -> int:
        try:
            return own.count_messages(messages)
        except UnboundedInput:
            # Asked first: a counter may know what an image takes.
            media = Media.of(messages)
            if (beside := media_tokens(media, image, second)) is None:
                raise
            return own.count_messages(media.rest) + beside.tokens

    return count


def _maxima(model: BaseChatModel | None) -> tuple[int | None, int | None]:
    """The most tokens of an image and of a second of sound; None where no maximum is stated."""
    if model is None:
        images = [most for provider in PROVIDERS for most in provider.images.values()]
        sounds = [most for provider in PROVIDERS for most in provider.sounds.values()]
        return max(images), max(sounds)
    try:
        provider = provider_of(model)
    except UnknownProvider:
        return None, None
    names = model._get_ls_params()  # noqa: SLF001 - LangChain's own hook
    name = names.get("ls_model_name") or type(model).__name__
    return of_model(provider.images, name), of_model(provider.sounds, name)
