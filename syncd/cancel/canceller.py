"""What a way to cancel is: it is given a cancellation and some seconds, and brings the shop's decision."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from typing import Protocol, TypeVar

from syncd.cancel.protocol import NOT_KNOWN
from syncd.deadline import BusyError, DeadlineError, ThreadError, call_within
from syncd.errors import CancelError
from syncd.model import CancelDecision, Cancellation

log = logging.getLogger("syncd")

NO_SUCH_ORDER = CancelDecision("refused", message=NOT_KNOWN, lasts=False)
T = TypeVar("T")


class Canceller(Protocol):
    """A way to have the shop cancel an order."""

    @property
    def wants_shop_id(self) -> bool:
        """Whether it hands the shop's own key of the order on, and so must know it."""

    def cancel(self, cancellation: Cancellation, seconds: float) -> CancelDecision:
        """Have the shop cancel the order, within so many seconds. CancelError: it did not decide."""

    def close(self) -> None: ...


def values_of(cancellation: Cancellation) -> Mapping[str, str]:
    """What a template, a program or a statement is given; what is not known is empty."""
    return {
        "order_id": cancellation.order_id or "",
        "shop_id": cancellation.shop_id or "",
        "uuid": cancellation.imshop_uuid or "",
        "reason": cancellation.reason or "",
    }


def known(cancellation: Cancellation, names: Collection[str]) -> set[str]:
    """Those of the identifiers that are known. Dots alone name nothing: in an address they lead elsewhere."""
    values = values_of(cancellation)
    return {name for name in names if values[name].strip(".")}


def unnamed(cancellation: Cancellation, missing: Collection[str], where: str) -> CancelDecision:
    """What follows where the way of cancelling, set at `where`, asks for identifiers that are not known: without a
    number it is no order that anybody knows. CancelError: it is one, but has not what the way asks for."""
    if "order_id" in missing or cancellation.order_id is None:
        return NO_SUCH_ORDER
    names = " and no ".join(sorted(missing))
    raise CancelError(
        f"order {cancellation.order_id} has no {names}, and {where} asks for it, so the shop was not asked. "
        "Name the order by what every order has"
    )


def within(seconds: float, call: Callable[[], T], wait: Callable[[Callable[[], T], float], T] | None = None) -> T:
    """What `call` returns or raises, in a thread of its own, which is left behind when time is up. `wait`: how it is
    waited for, if not alone. CancelError: it raised something unexpected, or is not done within `seconds`."""

    def told() -> T:
        try:
            return call()
        except CancelError:
            raise
        except Exception as error:  # the boundary of the thread: whoever waits must learn of it
            log.exception("cancellation_crashed")
            raise CancelError(f"unexpected: {type(error).__name__}", in_doubt=True) from None

    try:
        return wait(told, seconds) if wait else call_within(told, seconds, "cancellation")
    except ThreadError as error:
        raise CancelError(str(error)) from None
    except BusyError:
        raise CancelError("too many earlier ones still wait for the shop") from None
    except DeadlineError:
        raise CancelError(f"the shop did not answer within {seconds:.1f} s", in_doubt=True) from None
