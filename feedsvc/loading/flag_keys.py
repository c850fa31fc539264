"""The keys by which other systems' authors keep a story out of feeds and lists, or for members.

Pure: names, normalised (see `values.normalised`); what a value under them says is in `flags`. Plug-ins and
themes make such keys of few words, so that a pattern has most of them.
"""

import re
from typing import Final

_FEED: Final = "(?:(?:rss|atom|json|news|xml)?feeds?|rss|atom)"
_LIST: Final = "(?:lists?|listings?|blog)"
_PLACE: Final = f"(?:{_FEED}|{_LIST}|index|home|archives?)"
_STORY: Final = "(?:post|page|article|story|entry)"
_WHO: Final = (
    "(?:(?:member|subscriber|patron|supporter|backer|donor|sponsor|insider)s?"
    "|patreon|vip|paid|paying|premium|registered)"
)

OUT_IF_FALSE: Final = re.compile(
    "(?:included?|shown?|add(?:ed)?|publish(?:ed)?|list(?:ed)?|display(?:ed)?|appears?|syndicated?|visible)?"
    f"(?:in|to|on)(?:the)?(?:{_FEED}|{_LIST})"
    f"|(?:include|show|add|publish|display|enable|syndicate)?{_FEED}"
    f"|{_FEED}(?:enabled?|included?|show|publish(?:ed)?|visible)"
    "|render|list|listing|(?:is)?discoverable"
)
"""`feed: false` and its kind."""

OUT_IF_TRUE: Final = re.compile(
    "(?:hide|excluded?|omit(?:ted)?|skip(?:ped)?|ignored?|removed?|leave(?:out)?|keep(?:out)?|drop|suppress|not"
    f"|do(?:no|n)t(?:show|include|list))(?:from|in|on|of|outof)(?:the)?{_PLACE}"
    # Themes that say `hiddenFromHomePage` have such a story in their feeds.
    f"|hidden(?:from|in)(?:{_FEED}|{_LIST})"
    f"|(?:hide|hidden|excluded?|no|not|skip|disabled?|omit|ignore|remove|do(?:no|n)t|without|private){_FEED}"
    f"|{_FEED}(?:hide|hidden|excluded?|skip(?:ped)?|ignored?|disabled?|omit(?:ted)?|removed?|private|off)"
    f"|(?:unlisted|unpublished|hidden|draft){_STORY}"
    "|(?:is)?(?:invisible|archived|inprogress)|istrashed|(?:is)?notlisted"
    "|unlisted|hidden|headless|emailonly"
)
"""`exclude_from_feed: true` and its kind."""

INTERNAL_IF_TRUE: Final = re.compile(f"(?:secret|private|internal|confidential|restricted){_STORY}")

MEMBERS: Final = re.compile(
    f"(?:is|for)?{_WHO}only(?:content|{_STORY})?|(?:only|exclusive)(?:for)?{_WHO}"
    f"|(?:is)?(?:paywall(?:ed)?|premium)|(?:paid|premium)(?:content|{_STORY})|plus(?:artikel|article)"
)
"""Whatever does not deny it says that the story is for members, or which."""

MEMBERS_IF_REQUIRED: Final = re.compile(
    f"for{_WHO}|(?:members?|subscribers?|patrons|supporters)"
    # German, French, Dutch, Italian, Swedish, Spanish, Portuguese
    "|(?:nurf(?:ü|ue)r)?abonnent(?:en|er)?|abo(?:artikel|nnement)?"
    "|(?:r[ée]serv[ée]?aux|pour)?abonn[ée]s?|(?:alleen)?(?:voor)?abonnees?"
    "|(?:solo|per|riservatoagli)?abbonati|prenumerant(?:er)?"
    "|(?:solo|para)?(?:suscriptores|abonados)|(?:s[oó]|para|exclusivo)?assinantes"
)
"""Of several meanings: yes, or a word of who may read it, says that it is for members."""

ACCOUNT: Final = frozenset(
    {"login", "signin", "registration", "subscription", "membership", "account", "authentication"}
)
"""The same, but where yes may be said of a box on the page."""

FREE: Final = re.compile("(?:is)?(?:free|freetoread|accessibleforfree|freearticle|freecontent)")

PASSWORDS: Final = frozenset(
    {"password", "passwords", "postpassword", "pagepassword", "passwd", "pwd", "pass", "passphrase"}
    | {"passcode", "encpwd", "passwort", "kennwort", "motdepasse", "contraseña", "contrasena", "senha"}
    | {"wachtwoord", "lösenord", "losenord", "hasło", "haslo", "пароль", "密码", "密碼", "パスワード"}
)
"""Whose values nobody is to be shown."""

_USUAL: Final = """
unlisted hidden headless emailonly rssignore feedexclude rssexclude render nofeed norss excludefromfeed
excludefromfeeds excludefromrss excludefromatom hidefromfeed hidefromfeeds hidefromrss hiddenfromfeed
hiddenfromrss hideinfeed hideinrss hiddeninfeed hiddeninrss skipfeed skiprss ignorefeed ignorerss
disablefeed disablerss omitfromfeed omitfromrss excludefeed excluderss hidefeed hiderss includeinfeed
includeinfeeds includeinrss includefeed includerss showinfeed showinrss addtofeed addtorss membersonly
memberonly subscribersonly subscriberonly paywall paywalled premium ispremium ispaywalled paidcontent
paidpost premiumcontent isaccessibleforfree accessibleforfree feed feeds rss
"""
USUAL: Final = frozenset(_USUAL.split())
"""Of the patterns' keys, those that an unknown key may be a slip of."""
