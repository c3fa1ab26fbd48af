"""Environment, files of secrets, an env file and a preset -> frozen Settings; or every fault, each with its variable.

    setting_sources (what is written where) ──► loading (`load`, `masked`) ──► settings (what can be set, its defaults)

To find a setting: settings.py has the groups, source_settings.py and cancel_settings.py the two large ones. Their
fields state default, bounds and meaning; values.py, urls.py, api_values.py and cron.py read one value each. Only the
daemon and the command line see Settings: the other packages are given the few values that they need.
"""

from syncd.settings.loading import Loaded, Shown, load, masked
from syncd.settings.setting_sources import CONTROLS
from syncd.settings.settings import Settings
from syncd.settings.variables import GROUPS, OPEN_GROUPS, VARIABLES

__all__ = ["CONTROLS", "GROUPS", "OPEN_GROUPS", "VARIABLES", "Loaded", "Settings", "Shown", "load", "masked"]
