"""The budget of an agent: middleware for `langchain.agents.create_agent`."""

from shoestring.agents.middleware.budget import BudgetMiddleware
from shoestring.agents.middleware.place import MisplacedMiddleware

__all__ = ["BudgetMiddleware", "MisplacedMiddleware"]
