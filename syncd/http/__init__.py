"""What the three HTTP clients share: the shop's API, IMSHOP, and the shop's call that cancels an order.

addresses.py        which host a URL leads to, whether that is this machine, the login in a URL
connections.py      connections with a deadline and a size limit, proxies and trust, the cause of a failure
bodies.py           the body of an answer: limited, decompressed, as text, as JSON
error_messages.py   Retry-After, and what an answer says is wrong
"""
