"""How many tokens messages are, before anything is sent: what trimming a history counts by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoestring.models.counting import counter as named
from shoestring.models.counting import counter_for
from shoestring.models.framing import UnboundedInput, without_images
from shoestring.models.providers import PROVIDERS, UnknownProvider, provider_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

    from shoestring.models.counting import TokenCounter


def message_counter(
    model: BaseChatModel | None = None, counter: TokenCounter | None = None
) -> Callable[[Sequence[BaseMessage]], int]:
    """Return what counts messages for a model: roles, calls, reasoning and images included.

    An image counts as the most its provider takes for one. The count raises `UnboundedInput` for a
    file, or another block whose tokens cannot be bounded.

    Args:
        model: The model that reads them; None for o200k_base, and the dearest images there are.
        counter: Counts text in place of the model's own.

    Raises:
        VocabularyUnavailable: If its vocabulary is known and cannot be loaded.

    >>> from langchain_core.messages import HumanMessage
    >>> message_counter()([HumanMessage("Name a river.")])
    11
    """
    own = counter or (named("o200k_base") if model is None else counter_for(model))
    image = _image_tokens(model)

    def count(messages: Sequence[BaseMessage]) -> int:
        try:
            return own.count_messages(messages)
        except UnboundedInput:
            # Asked first: a counter may know what an image takes.
            rest, images = without_images(messages)
            if not images or image is None:
                raise
            return own.count_messages(rest) + images * image

    return count


def _image_tokens(model: BaseChatModel | None) -> int | None:
    """The most tokens of one image; None where its provider states no maximum."""
    if model is None:
        return max(most for provider in PROVIDERS for most in provider.images.values())
    try:
        provider = provider_of(model)
    except UnknownProvider:
        return None
    names = model._get_ls_params()  # noqa: SLF001 - LangChain's own hook
    return provider.image_tokens(names.get("ls_model_name") or type(model).__name__)
