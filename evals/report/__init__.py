"""Where people look: one run, or a whole evaluation, as a page that works offline."""

from shoestring.evals.report.evaluation import write_report
from shoestring.evals.report.runs import answer_page, trim_page

__all__ = ["answer_page", "trim_page", "write_report"]
