"""The budget and the context of an agent: middleware for `langchain.agents.create_agent`."""

from shoestring.agents.middleware.budget import BudgetMiddleware
from shoestring.agents.middleware.context import ContextMiddleware
from shoestring.agents.middleware.place import MisplacedMiddleware
from shoestring.agents.middleware.room import Shares
from shoestring.agents.middleware.verifying import Verifier

__all__ = ["BudgetMiddleware", "ContextMiddleware", "MisplacedMiddleware", "Shares", "Verifier"]
