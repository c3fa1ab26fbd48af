"""What the three HTTP clients share: the shop's API, IMSHOP, and the shop's call that cancels an order.

addresses.py        which host a URL leads to, whether that is this machine, the login in a URL
connections.py      connections with a deadline and a size limit, proxies and trust, the cause of a failure
bodies.py           the body of an answer: limited, decompressed, as text, as JSON
error_messages.py   Retry-After, and what an answer says is wrong
"""

from __future__ import annotations

import sys
import warnings

# requests loads charset_normalizer where it is there, and a daemon keeps 3 MB more. Nothing here asks it: texts are
# decoded in bodies.py. So requests, which is imported later, is told that it is not there.
sys.modules.setdefault("charset_normalizer", None)  # type: ignore[arg-type]  # so Python marks what cannot be imported
warnings.filterwarnings("ignore", "Unable to find acceptable character detection dependency")
