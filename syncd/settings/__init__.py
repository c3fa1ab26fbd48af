"""Environment, files of secrets and an env file -> frozen Settings; every fault at once, each naming its variable.

    places (where it is written) ──► loading (groups spelled out, unknown names) ──► shape (what may be written)

`values` and `urls` read one value each. Only the daemon and the command line see Settings: the other rooms are given
the few values that they need.
"""

from syncd.settings.loading import Loaded, Shown, load, masked
from syncd.settings.setting_sources import CONTROLS
from syncd.settings.settings import Settings
from syncd.settings.variables import GROUPS, OPEN_GROUPS, VARIABLES

__all__ = ["CONTROLS", "GROUPS", "OPEN_GROUPS", "VARIABLES", "Loaded", "Settings", "Shown", "load", "masked"]
