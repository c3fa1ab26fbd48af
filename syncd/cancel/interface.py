"""The interface of the three ways to cancel an order in the shop: by SQL, by an HTTP call, by a program of the
merchant's. And what they share: the values they fill in, the identifiers they miss, the time they have."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from typing import Protocol, TypeVar

from syncd.cancel.protocol import NOT_KNOWN
from syncd.deadline import BoundedCalls, BusyError, DeadlineError, ThreadError, call_within
from syncd.errors import CancelError
from syncd.model import CancelDecision, Cancellation

log = logging.getLogger("syncd")

NO_SUCH_ORDER = CancelDecision("refused", message=NOT_KNOWN, lasts=False)
T = TypeVar("T")


class Canceller(Protocol):
    """A way to have the shop cancel an order."""

    @property
    def wants_shop_id(self) -> bool:
        """Whether it names the order by the shop's own key, so that this must be known."""

    def cancel(self, cancellation: Cancellation, seconds: float) -> CancelDecision:
        """Have the shop cancel the order, within so many seconds. CancelError: the shop did not decide."""

    def close(self) -> None: ...


def values_of(cancellation: Cancellation) -> Mapping[str, str]:
    """What a template, a program or a statement is given; what is not known is empty."""
    return {
        "order_id": cancellation.order_id or "",
        "shop_id": cancellation.shop_id or "",
        "uuid": cancellation.imshop_uuid or "",
        "reason": cancellation.reason or "",
    }


def known_identifiers(cancellation: Cancellation, names: Collection[str]) -> set[str]:
    """Those of the named identifiers that are known. One that is nothing but dots counts as unknown: in an address it
    would lead elsewhere."""
    values = values_of(cancellation)
    return {name for name in names if values[name].strip(".")}


def without_identifiers(cancellation: Cancellation, missing: Collection[str], where: str) -> CancelDecision:
    """The decision where the way to cancel, configured in `where`, asks for identifiers that are not known: an order
    without a number is none that the shop knows. CancelError: it has a number, but not what is asked for."""
    if "order_id" in missing or cancellation.order_id is None:
        return NO_SUCH_ORDER
    names = " and no ".join(sorted(missing))
    raise CancelError(
        f"order {cancellation.order_id} has no {names}, and {where} asks for it, so the shop was not asked. "
        "Name the order by what every order has"
    )


def shop_answer(call: Callable[[], T], seconds: float, calls: BoundedCalls | None = None) -> T:
    """What `call` returns, in a thread of its own; `calls`: those that it is one of, if they are limited. CancelError:
    the call raised it, raised something unexpected, or is not done within `seconds`."""

    def guarded() -> T:
        try:
            return call()
        except CancelError:
            raise
        except Exception as error:  # the boundary of the thread: whoever waits must learn of it
            log.exception("cancellation_crashed")
            raise CancelError(f"unexpected: {type(error).__name__}", in_doubt=True) from None

    try:
        return calls(guarded, seconds) if calls else call_within(guarded, seconds, "cancellation")
    except ThreadError as error:
        raise CancelError(str(error)) from None
    except BusyError:
        raise CancelError("too many earlier ones still wait for the shop") from None
    except DeadlineError:
        raise CancelError(f"the shop did not answer within {seconds:.1f} s", in_doubt=True) from None
