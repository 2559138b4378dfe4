"""Tiers by name, for command lines and settings."""

from collections.abc import Callable, Mapping

from shoestring.tools.relevance.tiers.cross_encoder import CrossEncoderTier
from shoestring.tools.relevance.tiers.embedding import EmbeddingTier
from shoestring.tools.relevance.tiers.tier import Tier

__all__ = ["tiers_named"]

_PACKAGED: Mapping[str, Callable[[], Tier]] = {
    "static": EmbeddingTier.static,
    "bi-encoder": EmbeddingTier.bi_encoder,
}
_CROSS = "cross-encoder:"


def tiers_named(names: str) -> tuple[Tier, ...]:
    """Make the tiers that a list of names asks for, in its order.

    Args:
        names: Names with commas: "static", "bi-encoder", "cross-encoder:MODEL"; "" for no tier.

    Raises:
        ValueError: If a name is unknown.
        MissingExtra: If a tier's packages are not installed.

    >>> [tier.name for tier in tiers_named("static, cross-encoder:some/model")]
    ['static', 'cross-encoder']
    """
    tiers: list[Tier] = []
    for name in filter(None, map(str.strip, names.split(","))):
        if name in _PACKAGED:
            tiers.append(_PACKAGED[name]())
        elif name.startswith(_CROSS) and name != _CROSS:
            tiers.append(CrossEncoderTier(name.removeprefix(_CROSS)))
        else:
            known = ", ".join([*_PACKAGED, f"{_CROSS}MODEL"])
            raise ValueError(f"there is no tier {name!r}; there are {known}")
    return tuple(tiers)
