"""The protocol out: a Push ──► one POST ──► an Answer, or a PushError that says what to do next.

push.py        START HERE: what a push looks like on the wire, and what its reply amounts to
replies.py     pure: MEANINGS, everything a reply can mean, and how a reply is read
transport.py   one POST over a kept-alive connection, bounded in time and size
statuses.py    pure: IMSHOP's own statuses, and which of them a shop's status probably is

Nothing is imported here: the sandbox and `syncd statuses` need statuses.py without the HTTP client, 0.1 s of start-up.
"""
