"""`syncd demo`: a small shop whose orders move by themselves, the real daemon and the sandbox, in one process.

    DemoShop (SQLite) ──► Daemon ──► Sandbox ──► PushRecorder ──► RecordedPush ──► cli/demo_command.py
     simulation.py         as `run`   RandomFailures   imshop_side.py

The daemon knows nothing of the demo: what is shown is what reached the sandbox, beside what the shop did.
"""

from syncd.demo.demo import Demo, DemoFigures, running_demo
from syncd.demo.imshop_side import RecordedPush

__all__ = ["Demo", "DemoFigures", "RecordedPush", "running_demo"]
