"""Characters that no feed may carry: those that XML forbids and those that validators refuse.

Pure: knows characters only, neither files nor markup.
"""

import re
from typing import Final

_PLANE_ENDS: Final = "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))

ILLEGAL: Final = re.compile(
    f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffd{_PLANE_ENDS}]"
)
"""The characters that the Char production of XML 1.0 excludes or discourages, and the replacement character.

https://www.w3.org/TR/xml/#charsets; validators of feeds and of HTML refuse all of them.
"""

NEXT_LINE: Final = "\x85"
"""The only one of them that separates words, so it is replaced by a space instead of being removed."""


_CONTROLS: Final = bytes(sorted({*range(0x20), 0x7F} - {0x09, 0x0A, 0x0D}))
_LEADS: Final = (b"\xc2", b"\xef\xb7", b"\xef\xbf", b"\xbf\xbe", b"\xbf\xbf")
_IN_LEADS: Final = bytes(sorted(set(b"".join(_LEADS))))
_HARMLESS: Final = bytes(sorted({*range(0x100)} - {*_CONTROLS, *_IN_LEADS}))
_BEYOND_ASCII: Final = re.compile(b"\xc2[\x80-\x9f]|\xef\xb7|\xef\xbf|\xbf[\xbe\xbf]")
"""The UTF-8 of every illegal character beyond ASCII contains one of these byte sequences."""


def may_hold_illegal(utf8: bytes) -> bool:
    """Whether UTF-8 text may hold a character of `ILLEGAL`. If False, it certainly holds none.

    Scanning the bytes takes a tenth of the time of searching the text for `ILLEGAL`, and nearly every text
    is clean.
    """
    suspects = utf8.translate(None, _HARMLESS)
    if not suspects:
        return False
    if suspects.translate(None, _IN_LEADS):
        return True
    # Searching for bytes is fast; the expression then tells a no-break space from an illegal character.
    return any(lead in utf8 for lead in _LEADS) and _BEYOND_ASCII.search(utf8) is not None


def without_illegal(text: str) -> str:
    """`text` without the characters in `ILLEGAL`; a next-line character becomes a space."""
    try:
        if not may_hold_illegal(text.encode()):
            return text
    except UnicodeEncodeError:  # a surrogate, which `ILLEGAL` removes
        pass
    return ILLEGAL.sub("", text.replace(NEXT_LINE, " "))
