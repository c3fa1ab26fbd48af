"""A small shop whose orders move by themselves, the sandbox and the real daemon: all of it in one program.

    Mover ──► DemoShop (SQLite) ──► Daemon ──► Sandbox ──► PushRecorder ──► RecordedPush ──► cli/demo_screen.py
     life.py    shop.py          as `run`    RandomFailures    ear.py

The demo needs no hook in the daemon: what is shown is what IMSHOP heard, next to what the shop knows.
"""

from syncd.demo.demo import Demo, DemoFigures, staged
from syncd.demo.imshop_side import RecordedPush

__all__ = ["Demo", "DemoFigures", "RecordedPush", "staged"]
