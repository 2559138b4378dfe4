"""The rules a planner may choose by, one a file."""

from shoestring.agents.policies.affordable import Affordable
from shoestring.agents.policies.expected import Expected
from shoestring.agents.policies.thresholds import Thresholds
from shoestring.agents.policies.worth import Worth

__all__ = ["Affordable", "Expected", "Thresholds", "Worth"]
