"""Histories of chats and agents, within a number of tokens."""

from shoestring.tools.history.errors import HistoryTooLong
from shoestring.tools.history.runnable import HistoryTrimmer
from shoestring.tools.history.trimming import LeftOut, TrimmedHistory, trim_history

__all__ = ["HistoryTooLong", "HistoryTrimmer", "LeftOut", "TrimmedHistory", "trim_history"]
