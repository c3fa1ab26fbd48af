"""Where orders come from. Each source gives `syncd.model.Page`s and knows nothing of what was seen before."""

from syncd.sources.database import DatabaseSource
from syncd.sources.dictionary import StatusCount

__all__ = ["DatabaseSource", "StatusCount"]
