"""Notices for people who have no Prometheus: that buyers are not told, and that they are told again.

notices.py      pure: the verdict's reasons, and what was announced before -> a notice, or none
sender.py       a notice to each of SYNCD_NOTIFY__URLS through Apprise; a heartbeat by GET

`syncd.runtime.notifier` looks, decides and sends. A notice holds order numbers and syncd's own words: no text of the
shop's or IMSHOP's, which could quote a buyer.
"""
