"""Blanks, which are no part of any value: CHAR columns come padded with them, and people copy them along from tables.

One rule for what every source says, for IMSHOP's requests and for what people write in settings. White space of all of
Unicode is blank, the no-break space too, and so are characters that nobody sees: controls, zero-width ones, byte order
marks, marks of direction. Within a value they stay; a value that has nothing else is none.
"""

from __future__ import annotations

BLANKS = "".join(
    chr(code)
    for first, last in (
        (0x01, 0x20),  # not NUL, which no text in PostgreSQL can hold
        (0x7F, 0xA0),
        (0x1680, 0x1680),
        (0x180E, 0x180E),
        (0x2000, 0x200F),
        (0x2028, 0x202F),
        (0x205F, 0x206F),
        (0x3000, 0x3000),
        (0xFEFF, 0xFEFF),
    )
    for code in range(first, last + 1)
)


def without_blanks(text: str) -> str:
    """The text without the blanks at its ends."""
    return text.strip(BLANKS)
