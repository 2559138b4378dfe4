"""Clients that send a request once: what they would retry by themselves, nobody would have paid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from shoestring.models.providers import Provider


def quiet_clients(model: BaseChatModel, provider: Provider) -> dict[str, Any]:
    """Values for the model's attributes that keep its client from retrying by itself.

    A client that is already built took its number of retries with it: setting the model's field
    changes nothing, so the client is replaced by a copy of it without retries (same connections,
    same keys).
    """
    held = {name: getattr(model, name, None) for name in provider.clients}
    return {name: quieted(client) for name, client in held.items() if client is not None}


def quieted(client: Any) -> Any:  # noqa: ANN401 - whatever a caller gave as a client
    """A copy without retries of a client, or of a resource of one; any other thing as it is."""
    if hasattr(client, "with_options"):
        return client.with_options(max_retries=0)
    owner: Any = getattr(client, "_client", None)
    if hasattr(owner, "with_options"):
        # A resource, such as `client.chat.completions`, made anew from the quiet client.
        return type(client)(owner.with_options(max_retries=0))
    return _without_retries(client) if is_botocore(client) else client


def is_botocore(client: Any) -> bool:  # noqa: ANN401 - whatever a caller gave as a client
    """Whether it is a client of botocore, whose retries can be told apart and left out."""
    return any(base.__module__ == "botocore.client" for base in type(client).__mro__)


def _without_retries(client: Any) -> Any:  # noqa: ANN401 - botocore is no dependency
    """A copy of a botocore client that shares all but the handler which decides on retries.

    botocore asks `needs-retry` handlers after each response; its own, in every retry mode, is
    registered as `retry-config-<service>` when the client is built, and no setting reaches it later.
    """

    # Not copy.copy: the client's __getattr__ recurses on an empty instance.
    def twin(original: Any) -> Any:  # noqa: ANN401
        made = object.__new__(type(original))
        vars(made).update(vars(original))
        return made

    events = client.meta.events.__copy__()
    service = client.meta.service_model.service_id.hyphenize()
    events.unregister(f"needs-retry.{service}", unique_id=f"retry-config-{service}")
    quiet = twin(client)
    quiet.meta = twin(client.meta)
    quiet.meta.events = events
    quiet._endpoint = twin(client._endpoint)  # noqa: SLF001 - see above
    quiet._endpoint._event_emitter = events  # noqa: SLF001
    return quiet
