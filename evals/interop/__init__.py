"""Other people's harnesses: a target as a solver of inspect-ai, a suite as its dataset.

`pip install 'shoestring[inspect]'`
"""

from shoestring.budget.extras import require

require("inspect_ai", "inspect")

from shoestring.evals.interop.dataset import as_dataset  # noqa: E402 - not without the package
from shoestring.evals.interop.scoring import as_scorer  # noqa: E402
from shoestring.evals.interop.solver import as_solver  # noqa: E402

__all__ = ["as_dataset", "as_scorer", "as_solver"]
