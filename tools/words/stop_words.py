"""Words of a question that say nothing about a text."""

__all__ = ["STOP_WORDS"]

STOP_WORDS = frozenset(
    """
    a about above after again all also am an and any are as at be because been before
    being below between both but by can could did do does doing down during each few for
    from further had has have having he her here hers him his how i if in into is it its
    itself just many me more most much my no nor not now of off on once only or other our out over
    own same she should so some such than that the their them then there these they this
    those through to too under until up very was we were what when where which while who
    whom whose why will with would you your
    """.split()  # noqa: SIM905 - a list of strings would fill a screen
)
"""English; for other languages rarity does it."""
