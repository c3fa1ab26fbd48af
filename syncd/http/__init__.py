"""What all HTTP clients here share: the shop's API, IMSHOP, and the shop's call that cancels.

addresses.py     where a URL leads: whether two are the same host, whether it is this machine, whose login is in it
connections.py   connections within bounds of time and size, proxies, trust, and why one failed
answers.py       an answer's body, decoded and as text; how long it asks to wait; what it says is wrong
"""
