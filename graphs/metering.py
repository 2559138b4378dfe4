"""How a model's calls are counted and priced before any is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoestring.agents import Meter
from shoestring.models import counter_for, is_guarded, known_price, price_of
from shoestring.models.providers import provider_of

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from shoestring.budget import Budget
    from shoestring.models import Price


def meter_of(model: BaseChatModel, price: Price | None, *budgets: Budget | None) -> Meter:
    """Return how a model's calls are counted and priced.

    Raises:
        TypeError: If the model is guarded already.
        UnknownPrice: If dollars are capped and the model's price is not known.
    """
    if is_guarded(model):
        raise TypeError(
            "this model is guarded already: give the unguarded model, and its account to the assistant "
            "as invoke(…, context=BudgetContext(ledger=…))"
        )
    if price is None:
        dollars_capped = any(budget is not None and budget.usd is not None for budget in budgets)
        price = known_price(model) if dollars_capped else price_of(model)
    named = model._get_ls_params().get("ls_model_name")  # noqa: SLF001 - LangChain's own hook
    return Meter(
        counter_for(model),
        price,
        window=(model.profile or {}).get("max_input_tokens"),
        attempts=provider_of(model).attempts,
        model=named or type(model).__name__,
    )
