"""The protocol out: a Push ──► one POST ──► an Answer, or a PushError that says what to do next.

client.py        START HERE: what a push looks like on the wire, and what the reply amounts to
answers.py       pure: MEANINGS, the whole of what a reply can mean, and how a reply is read
exchange.py      one POST over a kept-alive connection, bounded in time and size
connections.py   what such a connection is, and what fails on it before anything is sent
"""

from syncd.imshop.push import Auth, ImshopClient, SendIdAs
from syncd.imshop.replies import MEANINGS, ReplyMeaning
from syncd.imshop.transport import Connected

__all__ = ["MEANINGS", "Auth", "Connected", "ImshopClient", "ReplyMeaning", "SendIdAs"]
