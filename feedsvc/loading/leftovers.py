"""Recognises names of files that editors and synchronisers leave behind: backups, locks, conflicted copies.

Pure: knows names only. A name that a newsroom might give to a story is never one of them: `part 2.md` (as
iCloud names a second version), `talks (1).md` and `Copy of talks.md` may be stories.
"""

import re
from typing import Final

_HIDDEN_OR_BACKUP: Final = re.compile(
    r"^[.~]|^#.*#$|~(?:\.\w+)?$|\.(?:swp|bak|backup|orig|old|rej|save|temp|tmp)(?:\.\w+)?$", re.IGNORECASE
)
"""With or without another suffix: `talks.bak.md` is a backup as `talks.md.bak` is."""

_IN_PARENTHESES: Final = "|".join(
    (
        "[Cc]onflicted [Cc]opy",  # Dropbox, Nextcloud, Obsidian, Box
        "In Konflikt stehende Kopie",  # Dropbox, in the user's language
        "[Cc]opie en conflit",
        "[Cc]opia en conflicto",
        "[Cc]opia in conflitto",
        "[Cc]ópia em conflito",
        "Case Conflict",  # Dropbox
        "Unicode Encoding Conflict",  # Dropbox, Koofr
        "[Ss]elective [Ss]ync [Cc]onflict",  # Dropbox, Maestral: a folder
        "[Ww]hite ?[Ss]pace [Cc]onflict",  # Dropbox
        "case clash from",  # Nextcloud
        "SFConflict",  # Seafile
        "# Edit conflict",  # Google's Backup and Sync
    )
)
_ONE_WORD: Final = r"(?:[Cc]onf(?:lict(?:ed|o)?|lit(?:o|to)?)|[Kk]onflikt)(?: \d+)?"
_COPY_IN_CONFLICT: Final = re.compile(
    "|".join(
        (
            rf" \((?:.* )?(?:{_IN_PARENTHESES})\b.*\)(?: \(\d+\))?(?:\.\w+)?$",
            # pCloud and others: a single word in parentheses or brackets, or after a dash.
            rf" ?(?:\({_ONE_WORD}\)|\[{_ONE_WORD}\])(?:\.\w+)?$",
            r" - ?[Cc]onflict(?:ed)?(?: [Cc]opy)?(?: \d+)?(?:\.\w+)?$",
            r"\.sync-conflict-\d{8}(?:-\d{6})?(?:-\w+)?(?:\.\w+)?$",  # Syncthing
            r"_conflict-(?:[\w.@-]+-)?\d{8}-\d{6}(?:\.\w+)?$",  # ownCloud, older Nextcloud
            r"_[A-Z][a-z]{2}-\d{2}-\d{4,6}-\d{4}_(?:Case)?Conflict(?:\.\w+)?$",  # Synology Drive
            r"_conf\(\d+\)(?:\.\w+)?$",  # Google Drive for desktop
            # OneDrive adds the computer's name; these are the names that Windows assigns by default.
            r"-(?:DESKTOP-[A-Z0-9]{7}|LAPTOP-[A-Z0-9]{8}|WIN-[A-Z0-9]{11})(?:-\d{1,3})?(?:\.\w+)?$",
            r"[._](?:BACKUP|BASE|LOCAL|REMOTE)[._]\d+(?:\.\w+)?$",  # git mergetool
        )
    )
)


def is_leftover(name: str) -> bool:
    """Whether a file or folder with this name is hidden, or was left behind by an editor or synchroniser."""
    return bool(_HIDDEN_OR_BACKUP.search(name) or _COPY_IN_CONFLICT.search(name))
