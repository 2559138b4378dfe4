"""`configurable_fields` of a guarded model: what a configuration builds anew stays guarded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.runnables.configurable import RunnableConfigurableFields

from shoestring.models.guarding.guarded import terms_of, undressed

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable, RunnableConfig


# Not of [Any, Any]: pydantic would take that for another class than the model's.
class ConfigurableFields(RunnableConfigurableFields):  # type: ignore[type-arg]  # see above
    """LangChain's own, for a guarded model: it builds a new model from the class of the old one."""

    def _prepare(
        self, config: RunnableConfig | None = None
    ) -> tuple[Runnable[Any, Any], RunnableConfig]:
        model, config = super()._prepare(config)
        if model is self.default:
            return model, config
        put_on = type(self.default).__kind__.put_on  # type: ignore[attr-defined]  # a guarded class
        return put_on(undressed(model), terms_of(self.default)), config


def configurable_fields(self: Any, **kwargs: Any) -> ConfigurableFields:  # noqa: ANN401 - any model
    """Stands on a guarded class in place of LangChain's method of that name."""
    found: Any = type(self).__unguarded__.configurable_fields(self, **kwargs)
    return ConfigurableFields(default=found.default, fields=found.fields)
