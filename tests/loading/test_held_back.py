"""What may be meant to hold a story back does: mistyped, in another system's words, or in a file in ruins."""

import string
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedsvc.domain import gate
from feedsvc.domain.model import Loaded, Rejected
from feedsvc.domain.rights import Audience
from feedsvc.domain.selection import Rules
from feedsvc.lint.check import check
from feedsvc.loading import generators
from feedsvc.loading.generators import Generator, Site
from feedsvc.loading.rules import LoadRules
from feedsvc.loading.story_file import load, parse
from feedsvc.loading.walk import walk
from tests.stories import NOON, article

RULES = LoadRules()


def read(*keys: str, path: str = "story.md", rules: LoadRules = RULES) -> Loaded | Rejected:
    text = "\n".join(["---", "title: T", "date: 2026-02-11", *keys, "---", "Text.", ""])
    return parse(path, text.encode(), rules)


def of(generator: Generator, *, is_root: bool = False) -> LoadRules:
    return LoadRules(site=Site(generator, is_root))


def is_out(made: Loaded | Rejected) -> bool:
    """Whether everybody has the story now."""
    return isinstance(made, Loaded) and gate.eligible(made.article, gate.PUBLIC, NOON)


# -- keys that feedsvc does not know ----------------------------------------------------------------------

SUSPECTED = [
    ("embagro: 2027-01-01", "embargo"),
    ("Embarго: 2027-01-01", "embargo"),
    ("embargoed: 2027-01-01", "embargo"),
    ("embargo_until: 2027-01-01 10:00", "embargo"),
    ("press-embargo: tomorrow at noon", "embargo"),
    ("embargoed: true", "embargo"),
    ("hold_until: 2027-01-01", "embargo"),
    ("Sperrfrist: 2027-01-01", "embargo"),
    ("go_live_at: 2099-01-01", "embargo"),
    ("published_at: 2099-01-01", "embargo"),
    ("release_date: 2099-01-01", "embargo"),
    ("publishDtae: 2099-01-01", "publishDate"),
    ("expiry: 2020-01-01", "expires"),
    ("expirs: 2020-01-01", "expires"),
    ("expire_at: 2020-01-01", "expires"),
    ("expiration-date: soon", "expires"),
    ("take_down_on: 2020-01-01", "expires"),
    ("acces: internal", "access"),
    ("acess: intrnal", "access"),
    ("audience: members", "access"),
    ("privacy: private", "access"),
    ("accessLevel: subscribers", "access"),
    ("members: true", "access"),
    ("private: yes", "access"),
    ("confidential: true", "access"),
    ("publish: false", "published"),
    ("publish: never", "published"),
    ("live: no", "published"),
    ("released: false", "published"),
    ("public: false", "published"),
    ("approved: off", "published"),
    ("publish: 2099-01-01", "published"),
    ("pubished: false", "published"),
    ("darft: true", "draft"),
    ("Drafts: yes", "draft"),
    ("is_draft: true", "draft"),
    ("wip: true", "draft"),
    ("on_hold: legal", "draft"),
    ("do_not_publish: true", "draft"),
    ("hide: true", "draft"),
    ("staus: draft", "status"),
    ("statsu: someday", "status"),
    ("workflow_state: in review", "status"),
    ("state: draft", "status"),
    ("post_status: pending", "status"),
    ("killed: by the lawyers", "withdrawn"),
    ("withdrwan: true", "withdrawn"),
    ("retracted: 2026-03-01", "withdrawn"),
    ("syndicaton: none", "syndication"),
    ("republish: false", "syndication"),
    ("no_syndication: true", "syndication"),
    ("unlsted: true", "unlisted"),
    ("visiblity: paid", "visibility"),
    ("hiden: true", "hidden"),
    ("passwrod: hunter2", "password"),
    ("params: {embargo: 2027-01-01}", "embargo"),
    ("params: {premium: true}", "premium"),
    ("extra: {rss: false}", "rss"),
    ("params: {build: {list: never}}", "build"),
    ("meta: {withdrawn: libel}", "withdrawn"),
    ("premuim: true", "premium"),
    ("paywal: true", "paywall"),
    ("subscribers_olny: yes", "subscribersonly"),
    ("exclude_from_fed: true", "excludefromfeed"),
    ("isAccesibleForFree: false", "isaccessibleforfree"),
    ("eleventyExcludeFromCollection: true", "eleventyexcludefromcollections"),
    ("headles: true", "headless"),
    ("draf: true", "draft"),
    ("sttsus: draft", "status"),
    ("acecs: members", "access"),
    ("embargo_utnil: 2099-01-01", "embargo"),
    ("private: ja", "access"),
    ("hold: until Monday", "draft"),
    ("publish: later", "published"),
    ("valid_through: 2025-01-01", "expires"),
    ("entwurf: ja", "draft"),
    ("publié: non", "published"),
    ("pubstatus: stat:withheld", "status"),
    ("moderation_state: needs review", "status"),
    ("audience: only_paid", "access"),
    ("release_date: 2999-01-01", "embargo"),
    ("extra: {draft: true}", "draft"),
    ("params: {embagro: 2027-01-01}", "embargo"),
    ("images: [{url: /a.jpg, may_sindicate: false}]", "may_syndicate"),
    ("image: {url: /a.jpg, maySyndicat: no}", "may_syndicate"),
    ("image: {url: /a.jpg, no_syndication: true}", "may_syndicate"),
    ("image: {url: /a.jpg, may_not_syndicate: true}", "may_syndicate"),
    ("image: {url: /a.jpg, mayBeSyndicated: false}", "may_syndicate"),
    ("image: {url: /a.jpg, embargo: 2027-01-01}", "may_syndicate"),
    ("image: {url: /a.jpg, expires: 2025-01-01}", "may_syndicate"),
    ("image: {url: /a.jpg, access: internal}", "may_syndicate"),
    ("enclosures: [{url: /a.mp3, may_syndicate: false}]", "syndication of the whole story"),
    ("enclosures: [{url: /a.mp3, access: internal}]", "syndication of the whole story"),
    ("may_syndicate: false", "syndication"),
    ("image_may_syndicate: false", "syndication"),
    ("withheld_until: 2027-01-01", "embargo"),
    ("\uff45\uff4d\uff42\uff41\uff52\uff47\uff4f: 2027-01-01", "embargo"),
    # numbers that are dates, or that nobody can read as one
    ("embargoed: 20990101", "embargo"),
    ("embargoed: 4070908800", "embargo"),
    ("embargoed: 2099", "embargo"),
    ("embargoed: 12", "embargo"),
    ("embagro: 2099", "embargo"),
    ("membargo: 20990101", "embargo"),
    ("hold_until: 01012099", "embargo"),
    ("hold_until: 209901011200", "embargo"),
    ("expiry: 20250101", "expires"),
    ("expiry: 1735689600000", "expires"),
    ("publish_on: 4070908800", "embargo"),
    ("release_date: 209901", "embargo"),
    ("publish: 20990101", "published"),
    # dates that can't be read as one
    ("publish_on: 01/02/2099", "embargo"),
    ("publish_on: 2099-01", "embargo"),
    ("publish_on: 2099-01-01 CET", "embargo"),
    ("publish_on: 1. 2. 2099", "embargo"),
    ("publish_on: next week", "embargo"),
    ("publish_on: Q1", "embargo"),
    ("publish_on: when legal says so", "embargo"),
    ("publish_on: never", "embargo"),
    ("publish_on: [2099-01-01]", "embargo"),
    ("published_at: 01/02/2099", "embargo"),
    ("published_at: next week", "embargo"),
    ("release_date: autumn 2099", "embargo"),
    ("publish: 1.2.2099", "published"),
    ("publish: next week", "published"),
    ("go_live: Q2", "published"),
    # words of newsrooms
    ("hold_for_release: true", "draft"),
    ("HFR: yes", "draft"),
    ("do_not_run: true", "draft"),
    ("do_not_run_before: 2099-01-01", "embargo"),
    ("Do not use: true", "draft"),
    ("not_for_web: true", "draft"),
    ("no-web: true", "draft"),
    ("excludeFromWeb: true", "draft"),
    ("web: false", "published"),
    ("drafted: true", "draft"),
    ("sub_judice: true", "withdrawn"),
    ("reporting_restrictions: yes", "withdrawn"),
    ("contempt: true", "withdrawn"),
    ("copyright_hold: true", "withdrawn"),
    ("retraction: true", "withdrawn"),
    ("for_internal_use_only: true", "access"),
    ("staff: true", "access"),
    ("intern: ja", "access"),
    ("öffentlich: nein", "published"),
    ("publicar: no", "published"),
    ("ne pas publier: oui", "draft"),
    ("nicht_veröffentlichen: ja", "draft"),
    ("non_pubblicare: sì", "draft"),
    ("niet publiceren: ja", "draft"),
    ("não_publicar: sim", "draft"),
    ("nie_publikować: tak", "draft"),
    ("remove_by: 2026-01-01", "expires"),
    ("best_before: 2026-01-01", "expires"),
    ("first_published_at: 2099-01-01", "embargo"),
    ("firstPublishDate: 2099-01-01", "embargo"),
    ("launch_date: 2099-01-01", "embargo"),
    ("lift: 2099-01-01", "published"),
    ("one_time_use: true", "syndication"),
    ("daft: true", "draft"),
    ("privace: true", "access"),
    ("rendr: false", "render"),
    ("is_drafted: true", "draft"),
    ("onder embargo: ja", "embargo"),
    ("reporting restriction: s39", "withdrawn"),
    ("embargo_lifted: false", "published"),
    # tables of further keys
    ("cms: {status: draft}", "status"),
    ("editorial: {hold: true}", "draft"),
    ("cms: {workflow: {state: draft}}", "status"),
    ("article: {private: true}", "access"),
    ("params: {bulid: {list: never}}", "build"),
    # Hugo's build options
    ("bulid: {list: never}", "build"),
    ("_biuld: {render: link}", "build"),
    ("builds: {list: local}", "build"),
    ("bulid: never", "build"),
    ("build: {lits: never}", "build"),
    ("build: {redner: false}", "build"),
    ("build: [{list: never}]", "build"),
    # parts of pictures
    ("images: [{url: /a.jpg, acces: internal}]", "may_syndicate"),
    ("images: [{url: /a.jpg, emabrgo: 2027-01-01}]", "may_syndicate"),
    ("images: [{url: /a.jpg, expirse: 2025-01-01}]", "may_syndicate"),
    ("images: [{url: /a.jpg, embargoed: until Monday}]", "may_syndicate"),
    ("image: {url: /a.jpg, hold: true}", "may_syndicate"),
    ("image: {url: /a.jpg, draft: true}", "may_syndicate"),
    ("image: {url: /a.jpg, status: withdrawn}", "may_syndicate"),
    ("image: {url: /a.jpg, staus: killed}", "may_syndicate"),
    ("image: {url: /a.jpg, one_time_use: true}", "may_syndicate"),
    ("image: {url: /a.jpg, restrictions: internal}", "may_syndicate"),
    ("image: {url: /a.jpg, meta: {embargo: 2027-01-01}}", "may_syndicate"),
    ("enclosures: [{url: /a.mp3, not_for_web: true}]", "syndication of the whole story"),
]


@pytest.mark.parametrize(("key", "nearest"), SUSPECTED, ids=[key for key, _ in SUSPECTED])
def test_unknown_key_that_may_hold_back_sets_aside(key: str, nearest: str) -> None:
    """It is named with its line, what was seen, and the nearest key there is."""
    made = read(key)
    assert isinstance(made, Rejected), made
    assert (made.rule, made.line) == ("key-unknown", 4)
    assert key.partition(":")[0] in made.reason
    assert f"write {nearest}: …" in made.reason


HARMLESS = [
    *("hide: false", "publish: true", "members: 95", "release: true", "expert: Jane Doe", "embed: true"),
    *("experts: [Jane, Joe]", "members: [Jane, Joe]", "stats: {views: 3}", "craft: IPA", "embryo: cell"),
    *("state: California", "stage: 3", "audience: developers", "tier: gold", "schedule: weekly"),
    *("embagro: false", "embargoed: no", "expiry: never", "private: false", "draft_version: 3"),
    *("release_date: 2019-05-03", "published_at: 2026-02-11", "publish: 2020-01-01", "public: yes"),
    *("hide_table_of_contents: true", "hideMeta: true", "showToc: false", "show_reading_time: false"),
    *("comments: false", "toc: false", "math: true", "sitemap: false", "noindex: true", "search: exclude"),
    *("image: {url: /a.jpg, access: public}", "enclosures: [{url: /a.mp3, may_syndicate: true}]"),
    *("enclosures: [{url: /a.mp3, duration: 95, episode: 3}]", "may_syndicate: true"),
    *("cover: {image: a.jpg, hidden: true}", "layout: post", "weight: 10", "type: docs", "publisher: Acme"),
    *("availability: available", "internal_links: true", "access_key: s", "private_note: call Jane"),
    *("hiddenFromHomePage: true", "distribution: print", "partners: Acme and sons", "exclude: [a, b]"),
    *("publish_to: [web, print]", "syndicate_to: [twitter]", "subscribe: true", "states: [NY, NJ]"),
    *("inlist: true", "restriction: none", "restrictions: none", "killed: 12", "recall: 2019 vehicle"),
    *("share: false", "skipIntros: true", "publication: {name: The Daily, none: none}", "displayName: false"),
    *("arms_embargo: true", "trade_embargo: Cuba", "oil_embargo: yes", "country_embargoed: Cuba"),
    *("release_date: 2026-02-12", "permalink: '/blog/{{ page.fileSlug }}/'", "permalink: {serverless: /x}"),
    *("publish_on: 2015-01-01", "publish_on: 20150101", "publish_on: 03/17/2015", "published_at: 2015-03"),
    *("publish_on: 1420070400", "publish_on: none", "publish_on: https://example.org/a", "release: 2099.1"),
    *(
        "published_at: The Guardian",
        "release_date: autumn 2015",
        "schedule: every Monday",
        "killed: 20150101",
    ),
    *("web: true", "web: [a, b]", "staff: [Jane, Joe]", "staff: Jane Doe", "accesso: libero", "killer: true"),
    *("feeds: true", "launch: true", "builds: {linux: ok}", "build: {list: always, render: always}"),
    *("built: {list: [a]}", "lift: true", "reviewed: true", "internet: true", "retire: true"),
    *("image: {url: /a.jpg, hidden: true}", "image: {url: /a.jpg, status: approved}"),
    *("image: {url: /a.jpg, visible: false, placeholder: true, date: 2099-01-01}", "stats: 2099"),
    *("needs: 2015-01-01", "lunch: 2015-01-01", "gender: false", "reader: false", "interim: true"),
    *("live: after the rain, in Rome", "image: {url: /a.jpg, meta: {camera: {state: new}}}"),
    *("subtitle: Draft picks", "params: {toc: false}", "extra: {status: accepted}", "video: {live: false}"),
]


@pytest.mark.parametrize("key", HARMLESS)
def test_unknown_key_that_holds_nothing_back_lets_the_story_out(key: str) -> None:
    assert is_out(read(key)), read(key)


@given(
    st.sampled_from(["embargo", "expires", "access", "syndication", "withdrawn", "unlisted", "visibility"]),
    st.data(),
)
def test_any_single_slip_in_a_restricting_key_is_noticed(key: str, data: st.DataObject) -> None:
    """A letter left out, doubled, replaced or swapped with the next one."""
    at = data.draw(st.integers(0, len(key) - 2))
    letter = data.draw(st.sampled_from(string.ascii_lowercase))
    slips = [key[:at] + key[at + 1 :], key[:at] + letter + key[at:], key[:at] + letter + key[at + 1 :]]
    slips.append(key[:at] + key[at + 1] + key[at] + key[at + 2 :])
    value = {"embargo": "2099-01-01", "expires": "2020-01-01", "access": "internal", "syndication": "none"}
    written = data.draw(st.sampled_from(slips))
    made = read(f"{written}: {value.get(key, 'private' if key == 'visibility' else 'true')}")
    assert not is_out(made) or (
        key == "syndication" and isinstance(made, Loaded) and made.article.syndication
    )


@pytest.mark.parametrize(
    ("merge", "out"),
    [
        ("defaults: &d {draft: true}\n<<: *d", False),
        ("defaults: &d\n  draft: true\n  tags: [a]\ndraft: false\n<<: *d", True),
        ("a: &a {draft: false}\nb: &b {draft: true}\n<<: [*a, *b]", True),
        ("a: &a {embargo: 2999-01-01}\nb: &b {<<: *a}\n<<: *b", False),
        ("a: &a {embagro: 2999-01-01}\n<<: *a", False),
        ("<<: {draft: true}", False),
        ("<<: draft", False),
        ('"<<": {draft: true}', False),
        ("a: &a {draft: true}", False),
        ("a: &a {draft: true}\ndraft: false", True),
    ],
)
def test_keys_that_a_yaml_merge_brings_hold_back(merge: str, out: bool) -> None:
    made = parse("a.md", f"---\ntitle: A\ndate: 2026-02-11\n{merge}\n---\nText.\n".encode(), RULES)
    assert is_out(made) is out


def test_merges_have_a_bound() -> None:
    merges = "\n".join(f"k{number}: {{<<: *a}}" for number in range(101))
    made = parse("a.md", f"---\ntitle: A\ndate: 2026-02-11\na: &a {{b: c}}\n{merges}\n---\nx".encode(), RULES)
    assert isinstance(made, Rejected)
    assert made.rule == "too-many"


def test_withdrawal_goes_through_whatever_else_is_mistyped() -> None:
    made = read("status: withdrawn", "reason: Libel", "embagro: 2027-01-01")
    assert isinstance(made, Loaded)
    assert made.article.status == "withdrawn"


def test_misspelt_key_is_a_finding_and_the_story_goes_out() -> None:
    made = read("sumary: Short", "catgories: [a]", "colour: red")
    assert isinstance(made, Loaded)
    assert [(note.line, note.rule) for note in made.notes] == [(4, "key-unknown"), (5, "key-unknown")]
    assert "did you mean summary?" in made.notes[0].reason


def test_setting_says_how_strict_unknown_keys_are_told() -> None:
    keys = ("sumary: Short", "colour: red")
    told = {which: read(*keys, rules=LoadRules(unknown_keys=which)) for which in ("near", "all", "none")}  # type: ignore[arg-type]
    counts = {which: len(made.notes) for which, made in told.items() if isinstance(made, Loaded)}
    assert counts == {"near": 1, "all": 2, "none": 0}
    assert isinstance(read("embagro: 2027-01-01", rules=LoadRules(unknown_keys="none")), Rejected)


# -- other systems' flags ---------------------------------------------------------------------------------

HONOURED = [
    *("unlisted: true", "headless: true", "hidden: true", "email_only: true", "render: false"),
    *("build: {list: never}", "build: {list: local}", "_build: {render: never}", "build: {render: link}"),
    *("build: {list: false}", "permalink: false", "eleventyExcludeFromCollections: true"),
    *("eleventyExcludeFromCollections: [posts]", "published: false", "published: hidden", "draft: true"),
    *(
        "visibility: paid",
        "visibility: members",
        "visibility: tiers",
        "visibility: private",
        "visibility: none",
    ),
    *("password: hunter2", "post_password: hunter2", "premium: true", "members_only: yes", "paywall: true"),
    *(
        "isAccessibleForFree: false",
        "feed: false",
        "rss: no",
        "exclude_from_feed: true",
        "hide_from_rss: true",
    ),
    *(
        "status: private",
        "status: pending",
        "status: future",
        "status: trash",
        "status: hold",
        "status: sent",
    ),
    *("permalink: {build: false}", "premium: gold", "paywall: metered", "paywall: ture", "members_only: oui"),
    *("feed: flase", "feed: none", "rss: {exclude: true}", "hiddenInRss: true", "exclude_rss: yes"),
    *("include_in_feeds: false", "add_to_feed: no", "status: canceled", "status: stat:canceled"),
    *("status: needs edit", "status: to be reviewed", "status: not for publication", "draft: ja"),
    *("published: never", "published: none", "published: nein", "published: n/a", "publishDate: never"),
    *("publishDate: false", "pubDate: never"),
    *("status: inherit", "status: auto-draft", "status: In Review", "access: subscribers", "access: private"),
    *("exclude_from_rss_feed: true", "removeFromFeed: true", "do_not_feed: true", "not_in_rss: yes"),
    *("rss_skip: true", "feed_hidden: true", "private_feed: true", "leave_out_of_feed: true", "rss: hide"),
    *(
        "rss_feed: false",
        "publishRSS: false",
        "feeds: false",
        "atom: no",
        "jsonfeed: false",
        "feed: disabled",
    ),
    *("feed: {enable: false}", "rss: {Show: no}", "feed_enabled: false", "publish_to_rss: false"),
    *(
        "not_listed: true",
        "list: false",
        "list: never",
        "listing: no",
        "in_list: false",
        "showInLists: false",
    ),
    *("hide_in_blog: true", "hideFromBlog: true", "hideFromHome: true", "exclude_from_blog: yes"),
    *("excludeFromIndex: true", "exclude_from_archive: true", "omit_from_the_list: true", "invisible: true"),
    *("archived: true", "is_trashed: true", "in_progress: true", "_discoverable: no", "unlisted_post: true"),
    *("eleventyComputed: {permalink: false}", "eleventyComputed: {eleventyExcludeFromCollections: true}"),
    *("eleventyComputed: {draft: true}", "type: revision", "post_type: Revision", "secret_post: true"),
    *("free: false", "is_free: no", "isFree: false", "free_to_read: false", "accessibleForFree: never"),
    *("login: required", "subscription: required", "registration: mandatory", "subscribers: only"),
    *(
        "for_members: only",
        "only_members: true",
        "patreon_only: true",
        "supportersOnly: gold",
        "for_patrons: yes",
    ),
    *(
        "abo: true",
        "abonnement: ja",
        "réservé_aux_abonnés: oui",
        "nur für Abonnenten: ja",
        "solo_abbonati: sì",
    ),
    *("visibility: {public: false}", "visibility: {level: paid}", "visibility: {list: never}"),
    *("visibility: {members: true}", "visibility: [public, members]", "visibilities: paid", "roles: [admin]"),
    *("pwd: hunter2", "pass: hunter2", "mot_de_passe: hunter2", "passwords: [hunter2]", "Kennwort: hunter2"),
    *("confidentiality: internal", "confidentiality: high", "tlp: red", "TLP: TLP:AMBER+STRICT"),
]


_OWN = ("status", "draft", "published", "access")


@pytest.mark.parametrize("key", HONOURED)
def test_other_systems_flag_is_honoured_and_named(key: str) -> None:
    made = read(key)
    assert isinstance(made, Loaded), made
    assert not is_out(made)
    own = key.partition(":")[0] in {*_OWN, "publishDate", "pubDate"}
    assert own or key.partition(":")[0] in gate.refusals(made.article, gate.PUBLIC, NOON)[0]
    assert "hunter2" not in made.article.held_by


NOT_HELD = [
    *("unlisted: false", "hidden: no", "build: {list: always}", "build: 22A380", "render: true"),
    *("visibility: public", "visibility: 10 km", "password: ''", "premium: none", "feed: podcast"),
    *("feed: {excerpt_only: true}", "status: publish", "status: featured", "isAccessibleForFree: true"),
    *("eleventyExcludeFromCollections: false", "email_only: false", "permalink: /x/", "members_only: no"),
    *("exclude_from_rss_feed: false", "feed: {title: x}", "feeds: [a, b]", "rss: /feed.xml", "rss_feed: yes"),
    *(
        "list: [a, b]",
        "listing: [a]",
        "list: ordered",
        "in_list: true",
        "not_listed: false",
        "archived: no",
        "archive: true",
    ),
    *("show_on_home: false", "hiddenInHomeList: true", "hideInToc: true", "show_in_menu: false"),
    *("eleventyComputed: {permalink: '/{{ slug }}/', title: x}", "eleventyComputed: {draft: false}"),
    *(
        "type: page",
        "type: post",
        "free: true",
        "free: as in beer",
        "is_free: yes",
        "login: jdoe",
        "login: true",
    ),
    *("subscription: monthly", "subscribers: 95", "members: [Jane, Joe]", "for_members: no", "abo: 12 Euro"),
    *("visibility: {public: true, members: false}", "visibility: {value: 10, unit: km}", "roles: [Hamlet]"),
    *("confidentiality: none", "confidentiality: public", "tlp: clear", "TLP: white", "pwd: ''", "pro: Jane"),
    *(
        "patreon: https://patreon.example/x",
        "plus: 1",
        "test: true",
        "patrons: [Jane]",
        "registration: 9 Euro",
    ),
]


@pytest.mark.parametrize("key", NOT_HELD)
def test_other_systems_flag_that_is_off_holds_nothing_back(key: str) -> None:
    assert is_out(read(key)), read(key)


@pytest.mark.parametrize(
    "key",
    [
        "unlisted: maybe",
        "build: {list: sometimes}",
        "visibility: acquaintances",
        "archived: maybe",
        "members: 2027-01-01",
    ],
)
def test_other_systems_flag_that_cannot_be_read_sets_aside(key: str) -> None:
    made = read(key)
    assert isinstance(made, Rejected)
    assert made.line == 4


def test_hidden_means_what_the_generator_says() -> None:
    assert not is_out(read("hidden: true"))
    assert not is_out(read("hidden: true", rules=of("hexo")))
    assert is_out(read("hidden: true", rules=of("jekyll")))


@pytest.mark.parametrize(
    ("path", "generator", "out"),
    [
        ("guides/next-steps.md", "hugo", True),
        ("guides/index.md", "hugo", False),
        ("guides/index.en.md", "hugo", False),
        ("guides/next-steps.md", None, False),
        ("guides/next-steps.md", "zola", False),
    ],
)
def test_headless_counts_in_hugo_for_a_bundles_own_page(
    path: str, generator: Generator | None, out: bool
) -> None:
    assert is_out(read("headless: true", path=path, rules=LoadRules(site=Site(generator)))) is out


def test_what_is_said_of_a_picture_without_url_still_holds_back() -> None:
    assert is_out(read("cover: {relative: false, hidden: true}"))
    assert is_out(read('featured_image: {uid: x, alt: ""}'))
    for picture in (
        "{alt: x, embargo: 2999-01-01}",
        "{url: '', access: internal}",
        "[{expires: 2020-01-01}]",
    ):
        assert not is_out(read(f"image: {picture}"))


def test_status_is_the_sites_own_where_its_generator_has_none() -> None:
    assert is_out(read("status: past", rules=of("jekyll")))
    assert not is_out(read("status: draft", rules=of("jekyll")))
    assert not is_out(read("status: withdrwn", rules=of("jekyll")))
    assert isinstance(read("status: past"), Rejected)


def test_nikolas_tags_hold_back_in_its_own_tree() -> None:
    assert not is_out(read("tags: [draft, Rail]", rules=of("nikola")))
    assert is_out(read("tags: [draft, Rail]"))


@pytest.mark.parametrize(
    ("path", "generator", "out"),
    [
        ("drafts/a.md", None, False),
        ("world/Drafts/a.md", "jekyll", False),
        ("unpublished/a.md", None, False),
        ("drafts/a.md", "hugo", True),
        ("_drafts/a.md", "hugo", False),
        ("_notes.md", None, False),
        ("_notes.md", "hugo", True),
        ("draft-day/a.md", None, True),
        ("nfl-drafts/a.md", None, True),
        ("2026-draft/a.md", None, True),
        ("privateers/a.md", None, True),
        ("vendor/a.md", None, True),
        ("_posts/a.md", None, True),
        *((f"{folder}/a.md", None, False) for folder in ("_unpublished", "_private", "_trash", "_archive")),
        *((f"{folder}/a.md", None, False) for folder in ("Trash", "WIP", "world/_news", "vendor/bundle/x")),
        *((f"{folder}/a.md", None, False) for folder in ("00-drafts", "My drafts", "draft posts", "on-hold")),
        *(
            (f"{folder}/a.md", None, False)
            for folder in ("Brouillons", "entwürfe", "entwu\u0308rfe", "черновики")
        ),
        ("_news/a.md", "jekyll", True),
        ("_posts/a.md", "jekyll", True),
        ("_archive/a.md", "hugo", True),
        ("_private/a.md", "jekyll", False),
        ("private/a.md", "hugo", True),
        ("_private/a.md", "hugo", False),
        ("vendor/bundle/gems/a.md", "jekyll", False),
    ],
)
def test_folders_of_drafts_hold_back(path: str, generator: Generator | None, out: bool) -> None:
    made = read(path=path, rules=LoadRules(site=Site(generator)))
    assert is_out(made) is out
    assert out or (isinstance(made, Loaded) and made.article.held_by)


# -- members only -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["none", "headline", "summary", "full"])
def test_members_story_is_public_as_far_as_the_setting_says(level: str) -> None:
    story = article(access="members")
    everybody = Audience(members=level)  # type: ignore[arg-type]
    assert gate.level(story, everybody) == level
    assert gate.eligible(story, everybody, NOON) is (level != "none")


def test_members_story_is_for_partners_that_it_names() -> None:
    partner, other = Audience("acme"), Audience("globex")
    assert not gate.eligible(article(access="members"), partner, NOON)
    story = article(access="members", syndication=(("acme", "full"),))
    assert gate.eligible(story, partner, NOON)
    assert not gate.eligible(story, other, NOON)
    assert gate.eligible(article(access="members", syndication=(("partners", "full"),)), other, NOON)


# -- generators -------------------------------------------------------------------------------------------

FOUND: list[tuple[str, str, Generator]] = [
    ("hugo.toml", "", "hugo"),
    ("config.toml", 'baseURL = "https://x.example/"', "hugo"),
    ("config.toml", 'base_url = "https://x.example"', "zola"),
    ("_config.yml", "title: x", "jekyll"),
    ("_config.yml", "skip_render: x", "hexo"),
    ("pelicanconf.py", "", "pelican"),
    ("eleventy.config.mjs", "", "eleventy"),
    (".eleventy.js", "", "eleventy"),
    ("conf.py", "POSTS = ()", "nikola"),
    ("docusaurus.config.ts", "", "docusaurus"),
    ("astro.config.mjs", "", "astro"),
]


@pytest.mark.parametrize(("name", "text", "generator"), FOUND, ids=[f"{one[0]}-{one[2]}" for one in FOUND])
def test_generator_is_told_by_its_configuration(
    tmp_path: Path, name: str, text: str, generator: Generator
) -> None:
    content = tmp_path / "site" / "src" / "content"
    content.mkdir(parents=True)
    (tmp_path / "site" / ".git").mkdir()
    (tmp_path / "site" / name).write_text(text, "utf-8")
    assert generators.detect(content) == Site(generator)
    assert generators.detect(tmp_path / "site") == Site(generator, is_root=True)


def test_own_configuration_is_no_generators(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "config.toml").write_text('[site]\nurl = "https://x.example"\n', "utf-8")
    (tmp_path / "conf.py").write_text("project = 'Sphinx'", "utf-8")
    assert generators.detect(tmp_path) == Site()


STORY = "---\ntitle: T\ndate: 2026-02-11\n---\nText.\n"


def test_what_generators_leave_out_is_not_read_and_named(tmp_path: Path, rules: Rules) -> None:
    root = tmp_path / "content"
    for path in (
        "a.md",
        "node_modules/x/b.md",
        "_includes/c.md",
        "world/_data/d.md",
        ".secret/e.md",
        "drafts/f.md",
    ):
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(STORY, "utf-8")
    (root / "world" / "world.11tydata.js").write_text("export default {draft: true}", "utf-8")
    (root / "_layouts").mkdir()
    (root / "_layouts" / "default.html").write_text("---\nlayout: base\n---\n{{ content }}", "utf-8")
    assert [found.path for found in walk(root)] == ["a.md", "drafts/f.md"]
    places = {finding.place: finding.rule for finding in check(root, RULES, rules)}
    left_out = ("node_modules/", "_includes/", "world/_data/", ".secret/")
    assert places == {
        **{f"content/{path}": "name-left-out" for path in left_out},
        "content/drafts/": "name-of-drafts",
        "content/world/world.11tydata.js": "data-unread",
    }


@pytest.mark.parametrize(
    "name", ["@eaDir", "$RECYCLE.BIN", "__MACOSX", "lost+found", "#recycle", "System Volume Information"]
)
def test_what_systems_keep_on_a_disk_is_not_read_and_named(tmp_path: Path, rules: Rules, name: str) -> None:
    (tmp_path / "world" / name).mkdir(parents=True)
    (tmp_path / "world" / name / "a.md").write_text(STORY, "utf-8")
    for generator in (None, "hugo", "jekyll"):
        assert not list(walk(tmp_path, site=Site(generator)))  # type: ignore[arg-type]
    [finding] = check(tmp_path, RULES, rules)
    assert (finding.place, finding.rule) == (f"{tmp_path.name}/world/{name}/", "name-left-out")


def test_folders_that_hold_back_are_named(tmp_path: Path, rules: Rules) -> None:
    for path in ("_private/a.md", "_trash/drafts/b.md", "vendor/bundle/x/c.md", "news/d.md"):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(STORY, "utf-8")
    found = {
        finding.place.removeprefix(f"{tmp_path.name}/"): finding for finding in check(tmp_path, RULES, rules)
    }
    assert {one.rule for one in found.values()} == {"name-of-drafts"}
    assert found.keys() == {"_private/", "_trash/", "vendor/bundle/"}


def test_a_sites_own_folders_are_left_out_at_its_root(tmp_path: Path) -> None:
    for path in ("posts/a.md", "themes/x/b.md", "world/themes/c.md", "public/d.md"):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(STORY, "utf-8")
    assert [one.path for one in walk(tmp_path, site=Site("hugo", is_root=True))] == [
        "posts/a.md",
        "world/themes/c.md",
    ]
    assert len(list(walk(tmp_path, site=Site("hugo")))) == 4


# -- folders ----------------------------------------------------------------------------------------------


def outcomes(root: Path, files: dict[str, str], generator: Generator | None = None) -> dict[str, str]:
    """What holds each story back, "" for one that is out, by path."""
    for path, text in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    rules = LoadRules(site=Site(generator))
    made = [load(root, found.path, rules) for found in walk(root, site=rules.site)]
    return {
        one.path: one.rule
        if isinstance(one, Rejected)
        else ""
        if is_out(one)
        else one.article.held_by or "held"
        for one in made
    }


def test_hugos_cascade_holds_back_what_is_below(tmp_path: Path) -> None:
    cascade = "---\ncascade:\n  build:\n    list: never\n    render: never\n---\n"
    own = STORY.replace("title: T", "title: T\nbuild: {list: always}")
    made = outcomes(
        tmp_path,
        {"a.md": STORY, "b/_index.md": cascade, "b/c.md": STORY, "b/d/e.md": STORY, "b/own.md": own},
        "hugo",
    )
    told = "build: list never, render never in b/_index.md"
    assert made == {"a.md": "", "b/c.md": told, "b/d/e.md": told, "b/own.md": ""}


def test_hugos_cascade_is_for_the_pages_it_names(tmp_path: Path) -> None:
    cascade = (
        "+++\n[[cascade]]\ndraft = true\n[cascade.target]\npath = '{/b/secret*,/b/x/**}'\n"
        "[[cascade]]\nheadless = true\n[cascade._target]\nkind = 'section'\n+++\n"
    )
    files = dict.fromkeys(("b/secret-1.md", "b/open.md", "b/x/y/z.md", "b/x.md"), STORY)
    made = outcomes(tmp_path, {"_index.md": cascade, **files}, "hugo")
    told = "draft: true in _index.md"
    assert made == {"b/open.md": "", "b/secret-1.md": told, "b/x.md": "", "b/x/y/z.md": told}


def test_section_that_is_a_draft_holds_back_but_in_hugo(tmp_path: Path) -> None:
    files = {"a/_index.md": "+++\ndraft = true\n+++\n", "a/b.md": STORY}
    for generator, held in (("zola", True), (None, True), ("hugo", False)):
        assert bool(outcomes(tmp_path, files, generator)["a/b.md"]) is held  # type: ignore[arg-type]


def test_eleventys_data_of_a_folder_holds_back(tmp_path: Path) -> None:
    data = '{"eleventyExcludeFromCollections": true, "layout": "x"}'
    made = outcomes(tmp_path, {"a/a.11tydata.json": data, "a/b.md": STORY, "c.md": STORY}, "eleventy")
    assert made["a/b.md"] == "eleventyExcludeFromCollections: true in a/a.11tydata.json"
    assert made["c.md"] == ""


@pytest.mark.parametrize("name", ["a/a.json", "a/a.11tydata.json"])
def test_eleventys_data_holds_back_without_its_configuration(tmp_path: Path, name: str) -> None:
    made = outcomes(tmp_path, {name: '{"draft": true}', "a/b.md": STORY, "c.md": STORY})
    assert made["a/b.md"] == f"draft: true in {name}"
    assert made["c.md"] == ""


def test_story_named_as_its_folder_speaks_for_itself_alone(tmp_path: Path) -> None:
    story = '{"title": "T", "date": "2026-01-01", "text": "x", "draft": true}'
    made = outcomes(tmp_path, {"a/a.json": story, "a/b.md": STORY})
    assert made["a/a.json"]
    assert not made["a/b.md"]


def test_mistyped_key_of_a_folder_sets_its_stories_aside(tmp_path: Path) -> None:
    made = outcomes(tmp_path, {"a/_index.md": "---\ncascade: {darft: true}\n---\n", "a/b.md": STORY}, "hugo")
    assert made["a/b.md"] == "key-unknown"


# -- files in ruins ---------------------------------------------------------------------------------------

RUINED = [
    ("---\ntitle: T\nstatus: withdrawn\ntags: [a\n---\nText.", True),
    ("---\ntitle: 'T\ndraft: true\n---\nText.", True),
    ("---\ntitle: T\nembargo: 2099-01-01\n\nText.", True),
    ("---\ntitle: T\nembargo: 2020-01-01\ntags: [a\n---\nText.", False),
    ("---\ntitle: T\nexpires: 2020-01-01\ntags: [a\n---\nText.", True),
    ("---\ntitle: T\nexpires: 2099-01-01\ntags: [a\n---\nText.", False),
    ("---\ntitle: T\nbuild:\n  list: never\ntags: [a\n---\nText.", True),
    ("+++\ntitle = T\naccess = 'internal'\n+++\nText.", True),
    ('{"title": "T", "status": "draft", "date": }', True),
    ("---\ntitle: T\ntags: [a\n---\nstatus: withdrawn", False),
    ("---\ntitle: T\ndate: 2026-02-11\nembargo: soon\n---\nText.", True),
    ("---\ntitle: T\ndate: 2026-02-11\nembagro: 2099-01-01\n---\nText.", True),
    ("---\ntitle: T\ndate: someday\n---\nText.", False),
]


@pytest.mark.parametrize(("text", "may_hold"), RUINED)
def test_file_in_ruins_tells_whether_it_may_hold_back(text: str, may_hold: bool) -> None:
    made = parse("story.json" if text.startswith("{") else "story.md", text.encode(), RULES)
    assert isinstance(made, Rejected)
    assert made.may_hold is may_hold


@pytest.mark.parametrize(
    ("line", "out"),
    [
        ("Embargo 2099-01-01", False),
        ("Status draft", False),
        ("embagro 2099-01-01", False),
        ("Embargo on wheat is lifted, ministers say.", True),
        ("Access to the harbour is closed.", True),
        ("", True),
    ],
)
def test_header_line_without_its_colon_holds_back(line: str, out: bool) -> None:
    made = parse("story.md", f"Title: T\nDate: 2026-02-11\n{line}\n\nText.\n".encode(), RULES)
    assert is_out(made) is out
    assert out or (isinstance(made, Rejected) and made.line == 3)


UNFENCED = [
    ("title: T\ndate: 2026-02-11\ntags:\n- a\n- b\npublished: false\n---\nText.\n", "hexo", False),
    ("title: T\ndate: 2026-02-11\ncategories:\n- a\npassword: geheim\n---\nText.\n", "hexo", False),
    ("title: T\ndate: 2026-02-11\n# not yet\npublished: false\n---\nText.\n", "hexo", False),
    ("title: T\ndate: 2026-02-11\n\npublished: false\n---\nText.\n", "hexo", False),
    ("title: T\ndate: 2026-02-11\ntags:\n- a\n---\nText.\n", "hexo", True),
    ("title: T\ndate: 2026-02-11\ntags:\n- a\npublished: false\n---\nText.\n", None, False),
    ("title: T\ndate: 2026-02-11\n\npublished: false\n---\nText.\n", None, False),
    ("title: T\ndate: 2026-02-11\n\nAccess: by road only\n---\nText.\n", None, True),
    ("Title: T\nDate: 2026-02-11\nTags:\n- a\nStatus: draft\n\nText.\n", "pelican", False),
    ("Title: T\nDate: 2026-02-11\nHold until: 2099-01-01\n\nText.\n", "pelican", False),
    ("Title: T\n Status: draft\nDate: 2026-02-11\n\nText.\n", "pelican", False),
    ("Title: T: C# is #1\nDate: 2026-02-11\nStatus: draft\n---\nText.\n", "pelican", False),
    ("Title: T: C# is #1\nDate: 2026-02-11\n---\nText.\n", "pelican", True),
    ("Title: T\nDate: 2026-02-11\n- so it began\n\nStatus: draft\n\nText.\n", "pelican", True),
    ("Title: T\nDate: 2026-02-11\nThe embargo is lifted\n---\nText.\n", "pelican", True),
]
"""Front matter without a first line of dashes: as Hexo has it, and as Pelican does."""


@pytest.mark.parametrize(("text", "generator", "out"), UNFENCED)
def test_key_below_a_list_in_unfenced_front_matter_holds_back(
    text: str, generator: Generator | None, out: bool
) -> None:
    """It was taken for body: the story went out, and readers saw the key."""
    made = parse("story.md", text.encode(), LoadRules(site=Site(generator)))
    assert is_out(made) is out
    assert isinstance(made, Loaded) or (made.rule, made.may_hold) == ("key-unknown", True)


def test_unfenced_yaml_is_read_as_yaml() -> None:
    text = "title: T\ndate: 2026-02-11\ntags:\n- Ferries\n- Climate\n---\nText.\n"
    made = parse("story.md", text.encode(), of("hexo"))
    assert isinstance(made, Loaded)
    assert ([tag.label for tag in made.article.tags], made.article.body) == (["Ferries", "Climate"], "Text.")


def test_tabs_indent_yaml_where_hexo_reads_it() -> None:
    text = "---\ntitle: T\ndate: 2026-02-11\ntags:\n\t- Ferries\n\t- Climate\n---\nText.\n"
    made = parse("story.md", text.encode(), of("hexo"))
    assert isinstance(made, Loaded)
    assert [tag.label for tag in made.article.tags] == ["Ferries", "Climate"]
    assert not is_out(parse("story.md", text.replace("tags", "draft: true\ntags").encode(), of("hexo")))
    other = parse("story.md", text.encode(), of("jekyll"))
    assert isinstance(other, Rejected)
    assert other.rule == "yaml-syntax"


def test_html_below_unknown_front_matter_is_not_published() -> None:
    """Eleventy's `---json` may say anything; the page's own head tells nothing of it."""
    page = '<html><head><title>T</title><meta name="date" content="2026-02-11"></head><body>T.</body></html>'
    for front in ('---json\n{"draft": true}\n---\n', "----\ndraft: true\n----\n"):
        made = parse("story.html", (front + page).encode(), of("eleventy"))
        assert isinstance(made, Rejected)
        assert made.rule == "front-matter-missing"
    assert is_out(parse("story.html", page.encode(), of("eleventy")))


@pytest.mark.parametrize(
    ("keys", "out"),
    [
        (("published: true", "published: true"), True),
        (("draft: true", "draft: true"), False),
        (("published: true", "published: false"), False),
        (("draft: true", "draft: false"), False),
        (("platform:", "platform: zoom"), True),
        (("platform: zoom", "platform: ''"), True),
        (("platform: []", "platform: [zoom]"), True),
        (("platform: zoom", "platform: teams"), False),
        (("draft:", "draft: true"), False),
        (("draft: true", "draft:"), False),
        (("embargo: 2999-01-01", "embargo: ''"), False),
    ],
)
def test_key_written_twice_alike_is_no_fault(keys: tuple[str, ...], out: bool) -> None:
    assert is_out(read(*keys)) is out


@pytest.mark.parametrize(
    ("generator", "walked"),
    [("pelican", True), ("eleventy", True), ("hugo", False), ("zola", False), (None, False)],
)
def test_index_with_underscore_is_a_story_where_it_is_no_list(
    tmp_path: Path, generator: Generator | None, walked: bool
) -> None:
    (tmp_path / "about").mkdir()
    (tmp_path / "about" / "_index.md").write_text("---\ntitle: T\ndate: 2026-02-11\n---\nText.\n")
    rules = LoadRules(site=Site(generator))
    made = [load(tmp_path, file.path, rules) for file in walk(tmp_path, site=rules.site)]
    assert [isinstance(one, Loaded) and is_out(one) for one in made] == ([True] if walked else [])


def test_never_means_no_embargo_and_no_expiry() -> None:
    made = read("embargo: none", "expires: never")
    assert isinstance(made, Loaded)
    assert (made.article.embargo, made.article.expires) == (None, None)
    assert gate.eligible(made.article, gate.PUBLIC, NOON + timedelta(days=9_000))
