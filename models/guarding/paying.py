"""One paid request or run: sent under a hold, settled by how it ends."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from shoestring.budget import Amount
from shoestring.models.guarding.refusals import never_connected, was_refused

if TYPE_CHECKING:
    from collections.abc import Generator

    from shoestring.budget import Hold
    from shoestring.models.providers import Provider


@contextmanager
def paying(hold: Hold, provider: Provider | None = None) -> Generator[None]:
    """Dispatch within the block, which settles; what ends it otherwise is charged in full.

    Args:
        hold: What is reserved.
        provider: Knows which errors were not billed; None: none.
    """
    handled = sys.exception()
    with hold:
        hold.dispatching()
        try:
            yield
        except BaseException as error:
            if provider is not None and never_connected(error, provider, handled):
                hold.release()
            elif provider is not None and (why := was_refused(error, provider, handled)):
                hold.settle(Amount(calls=1), basis="measured", detail=f"{why}: not billed")
            else:
                detail = f"ended by {type(error).__name__}: its cost is unknown"
                hold.settle(hold.bound, basis="presumed", detail=detail)
            raise
