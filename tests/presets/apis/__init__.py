from tests.presets.apis.bitrix24 import KEY, Bitrix24, BitrixShop
from tests.presets.apis.cs_cart import CsCart, CsCartV1
from tests.presets.apis.insales import InSales
from tests.presets.apis.magento import Magento
from tests.presets.apis.moysklad import MoySklad
from tests.presets.apis.odata import OData
from tests.presets.apis.platform import HTML, PHONE, UUID, ApiPlatform, Asked, JsonServer, Reply
from tests.presets.apis.retailcrm import RetailCrm
from tests.presets.apis.woocommerce import WooCommerce

APIS: tuple[type[ApiPlatform], ...] = (
    RetailCrm,
    InSales,
    MoySklad,
    WooCommerce,
    CsCart,
    CsCartV1,
    OData,
    Bitrix24,
    BitrixShop,
    Magento,
)

__all__ = [
    "APIS",
    "HTML",
    "KEY",
    "PHONE",
    "UUID",
    "ApiPlatform",
    "Asked",
    "Bitrix24",
    "BitrixShop",
    "CsCart",
    "CsCartV1",
    "InSales",
    "JsonServer",
    "Magento",
    "MoySklad",
    "OData",
    "Reply",
    "RetailCrm",
    "WooCommerce",
]
