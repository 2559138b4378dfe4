"""What a kind of text is: a rule that splits it into units."""

from typing import Protocol, runtime_checkable

from shoestring.tools.trimming.units import Unit

__all__ = ["Kind"]


@runtime_checkable
class Kind(Protocol):
    """Splits texts of one kind into units; a new kind is one class with these two members."""

    @property
    def name(self) -> str:
        """What a document's metadata `kind` calls it."""
        ...

    def units(self, text: str, source: str) -> list[Unit] | None:
        """Split a text, or say that it is of another kind.

        Args:
            text: Any text.
            source: Where it comes from, for instance a file's name.

        Returns:
            Units with rising, disjoint spans and only white space or punctuation of the kind
            between them; None if the text is not of this kind.
        """
        ...
