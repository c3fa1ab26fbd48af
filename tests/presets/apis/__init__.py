from tests.presets.apis.cs_cart import CsCart, CsCartV1
from tests.presets.apis.insales import InSales
from tests.presets.apis.moysklad import MoySklad
from tests.presets.apis.odata import OData
from tests.presets.apis.platform import HTML, PHONE, UUID, ApiPlatform, Asked, JsonServer, Reply
from tests.presets.apis.retailcrm import RetailCrm
from tests.presets.apis.woocommerce import WooCommerce

APIS: tuple[type[ApiPlatform], ...] = (RetailCrm, InSales, MoySklad, WooCommerce, CsCart, CsCartV1, OData)

__all__ = [
    "APIS",
    "HTML",
    "PHONE",
    "UUID",
    "ApiPlatform",
    "Asked",
    "CsCart",
    "CsCartV1",
    "InSales",
    "JsonServer",
    "MoySklad",
    "OData",
    "Reply",
    "RetailCrm",
    "WooCommerce",
]
