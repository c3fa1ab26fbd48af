"""`syncd check`: checks everything that a daemon needs, changes and pushes nothing, and says what to correct.

examination.py      which checks, in which order
findings.py         what a check is and what it says
host_checks.py      settings, disk, HTTP address, the way to IMSHOP
state_checks.py     the state
database_checks.py  the shop's database, by database_inspection.py, planner.py and column_origin.py
api_checks.py       the shop's API
order_checks.py     what both say of orders: rows that cannot be used, the push of an order, shared keys
clock_checks.py     clocks, time zones and replicas
cancel_checks.py    cancelling in the shop
"""

from syncd.doctor.examination import examine
from syncd.doctor.findings import Area, Finding, Level

__all__ = ["Area", "Finding", "Level", "examine"]
