"""The characters that no feed may carry: what XML forbids, and what validators refuse.

Pure: knows characters, and neither files nor markup.
"""

import re
from typing import Final

_PLANE_ENDS: Final = "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))

ILLEGAL: Final = re.compile(
    f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffd{_PLANE_ENDS}]"
)
"""What the Char production of XML 1.0 leaves out or calls discouraged, and the replacement character.

https://www.w3.org/TR/xml/#charsets; validators of feeds and of HTML refuse them all.
"""

NEXT_LINE: Final = "\x85"
"""The one among them that parts words: a space takes its place."""


def without_illegal(text: str) -> str:
    """`text` without the characters in `ILLEGAL`; a next-line character becomes a space."""
    if NEXT_LINE in text:
        text = text.replace(NEXT_LINE, " ")
    return ILLEGAL.sub("", text)
