"""Circular buffers: a queue of pages between two of a core's programs."""

from __future__ import annotations

from dataclasses import dataclass, field

from ttgen.plan.model import CircularBuffer
from ttgen_runtime.interp.errors import Misuse, Wait, check
from ttgen_runtime.interp.formats import Array


@dataclass
class Page:
    """One page in L1. ``values`` is None while nothing has been written into it.

    ``loading`` and ``sending`` are the places of a transfer into it and out of it that no barrier
    has waited for.
    """

    values: Array | None = None
    loading: str | None = None
    sending: str | None = None


@dataclass
class Buffer:
    """A circular buffer of true capacity; ``front`` and ``back`` count pages popped and pushed.

    ``reserved`` and ``waited`` pages are the producer's and the consumer's to use; ``*_at`` is
    where the producer did so last.
    """

    plan: CircularBuffer
    pages: list[Page] = field(init=False)
    front: int = 0
    back: int = 0
    reserved: int = 0
    waited: int = 0
    reserved_at: str = ""
    pushed_at: str = ""

    def __post_init__(self) -> None:
        self.pages = [Page() for _ in range(self.plan.pages)]

    @property
    def name(self) -> str:
        """As the plan calls it."""
        return self.plan.name

    @property
    def filled(self) -> int:
        """How many pages have been pushed and not popped."""
        return self.back - self.front

    def reserve(self, pages: int, at: str) -> Wait | None:
        """Free pages for the producer, or what they wait for."""
        self._fits(pages)
        free = len(self.pages) - self.filled
        if free < pages:
            return Wait(self.name, pages, free, "free")
        self.reserved, self.reserved_at = pages, at
        return None

    def push(self, pages: int, at: str) -> None:
        """Hand pages to the consumer."""
        check(
            pages <= self.reserved,
            f"{pages} pages of '{self.name}' are pushed, {self.reserved} are reserved",
        )
        self.back, self.reserved = self.back + pages, self.reserved - pages
        self.pushed_at = at

    def wait(self, pages: int) -> Wait | None:
        """Filled pages for the consumer, or what they wait for."""
        self._fits(pages)
        if self.filled < pages:
            return Wait(self.name, pages, self.filled, "filled")
        self.waited = pages
        return None

    def pop(self, pages: int) -> None:
        """Give pages back to the producer."""
        check(
            pages <= self.waited,
            f"{pages} pages of '{self.name}' are popped, {self.waited} were waited for",
        )
        for number in range(self.front, self.front + pages):
            index = number % len(self.pages)
            sending = self.pages[index].sending
            if sending is not None:
                raise Misuse(
                    f"a page of '{self.name}' is popped before a barrier has waited for its "
                    f"transfer at {sending}"
                )
            self.pages[index] = Page()
        self.front, self.waited = self.front + pages, self.waited - pages

    def write(self, slot: int, values: Array) -> None:
        """Store a page that the producer has made."""
        self.target(slot).values = values

    def target(self, slot: int) -> Page:
        """The page ``slot`` pages behind the write pointer, to be written."""
        check(
            0 <= slot < self.reserved,
            f"slot {slot} of '{self.name}' is written, {self.reserved} pages are reserved",
        )
        page = self.pages[self._index(self.back, slot)]
        if page.loading is not None:
            raise Misuse(
                f"a page of '{self.name}' is written while the transfer at {page.loading} "
                "fills it: no barrier has waited for that"
            )
        return page

    def read(self, slot: int) -> Array:
        """What the page ``slot`` pages behind the read pointer holds."""
        page = self.front_page(slot)
        assert page.values is not None
        return page.values

    def front_page(self, slot: int) -> Page:
        """The page ``slot`` pages behind the read pointer; it holds something."""
        check(
            0 <= slot < self.waited,
            f"slot {slot} of '{self.name}' is read, {self.waited} pages were waited for",
        )
        page = self.pages[self._index(self.front, slot)]
        if page.loading is not None:
            raise Misuse(
                f"a page of '{self.name}' is read before a barrier has waited for its transfer "
                f"at {page.loading}"
            )
        check(page.values is not None, f"a page of '{self.name}' is read that nothing has written")
        return page

    def _index(self, pointer: int, slot: int) -> int:
        index = pointer % len(self.pages) + slot
        check(index < len(self.pages), f"a block straddles the end of '{self.name}'")
        return index

    def _fits(self, pages: int) -> None:
        check(
            0 < pages <= len(self.pages),
            f"{pages} pages of '{self.name}' are wanted, it has {len(self.pages)}",
        )
