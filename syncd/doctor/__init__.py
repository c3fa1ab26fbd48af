"""`syncd check`: tries everything a daemon needs, changes and pushes nothing, and says what to mend.

examination ──► bounded ──► configuration, shop (samples, timing), memory, endpoint, address ──► Findings
"""

from syncd.doctor.examination import examine
from syncd.doctor.findings import Area, Finding, Level

__all__ = ["Area", "Finding", "Level", "examine"]
