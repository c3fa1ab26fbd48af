"""A small shop whose orders move by themselves, the sandbox and the real daemon: all of it in one program.

    Mover ──► Shop (SQLite) ──► Daemon ──► Sandbox ──► Ear ──► Heard ──► cli/demo_screen.py
     life.py    shop.py          as `run`    Mishaps    ear.py

The demo needs no hook in the daemon: what is shown is what IMSHOP heard, next to what the shop knows.
"""

from syncd.demo.demo import Demo, Figures, staged
from syncd.demo.imshop_side import Heard

__all__ = ["Demo", "Figures", "Heard", "staged"]
