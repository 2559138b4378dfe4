"""The rules a planner may choose by, one a file."""

from shoestring.agents.policies.affordable import Affordable
from shoestring.agents.policies.asked import Asked
from shoestring.agents.policies.expected import Expected
from shoestring.agents.policies.learned import BadPolicy, Estimate, Learned
from shoestring.agents.policies.learning import Logged, learn_policy
from shoestring.agents.policies.thresholds import Thresholds
from shoestring.agents.policies.worth import Worth

__all__ = [
    "Affordable",
    "Asked",
    "BadPolicy",
    "Estimate",
    "Expected",
    "Learned",
    "Logged",
    "Thresholds",
    "Worth",
    "learn_policy",
]
