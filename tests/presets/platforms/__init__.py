"""The platforms that there are presets for."""

from tests.presets.platforms.bitrix import BITRIX
from tests.presets.platforms.cs_cart import CS_CART
from tests.presets.platforms.magento import MAGENTO
from tests.presets.platforms.opencart import OPENCART, OPENCART_41
from tests.presets.platforms.platform import UUID, Platform
from tests.presets.platforms.prestashop import PRESTASHOP
from tests.presets.platforms.shop_script import SHOP_SCRIPT
from tests.presets.platforms.woocommerce import HPOS, LEGACY

PLATFORMS = [BITRIX, OPENCART, OPENCART_41, LEGACY, HPOS, PRESTASHOP, MAGENTO, CS_CART, SHOP_SCRIPT]

__all__ = [
    "BITRIX",
    "CS_CART",
    "HPOS",
    "LEGACY",
    "MAGENTO",
    "OPENCART",
    "OPENCART_41",
    "PLATFORMS",
    "PRESTASHOP",
    "SHOP_SCRIPT",
    "UUID",
    "Platform",
]
