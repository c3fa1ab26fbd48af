"""Where orders come from. Each source gives `syncd.model.Page`s and knows nothing of what was seen before.

`database` and `api` are imported by those that use them: a shop has one of the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from syncd.sources.api import ApiSource
    from syncd.sources.database import DatabaseSource

Source: TypeAlias = "DatabaseSource | ApiSource"

__all__ = ["Source"]
