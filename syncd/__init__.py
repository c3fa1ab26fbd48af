"""syncd: an order's status, changed in the shop, is changed in the buyer's IMSHOP app."""

__version__ = "0.2.0"
