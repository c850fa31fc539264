"""Every setting is checked at start, and what is wrong is named with file, line and remedy."""

from pathlib import Path

import pytest

from feedsvc.config import options, reference
from feedsvc.config.file import load
from feedsvc.config.schema import Config
from feedsvc.domain.model import CustomFeed
from feedsvc.domain.profiles import BUILT_IN
from feedsvc.util.errors import ConfigError

ROOT = Path(__file__).parents[2]


def loaded(tmp_path: Path, text: str, **environ: str) -> Config:
    file = tmp_path / "config.toml"
    file.write_text(text)
    return load(file, environ)


def findings(tmp_path: Path, text: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, text, **environ)
    return [line.removeprefix(f"{tmp_path}/") for line in str(refused.value).splitlines()]


def test_empty_file_has_every_default(tmp_path: Path) -> None:
    config = loaded(tmp_path, "")
    assert config.http.port == 8000
    assert config.content_root == tmp_path / "content"
    assert config.store_url == f"sqlite:///{tmp_path}/var/feedsvc.db"
    assert options.site(config).authority == "127.0.0.1,2026"


def test_durations_sizes_and_auto_are_read(tmp_path: Path) -> None:
    config = loaded(
        tmp_path, '[feeds]\nmax_age = "auto"\n[schedule]\nrefresh = "2m"\n[limits]\nstory = "1.5MB"\n'
    )
    assert (config.feeds.max_age, config.schedule.refresh, config.limits.story) == ("auto", 120, 1_500_000)


def test_unknown_key_names_the_nearest_one_with_its_line(tmp_path: Path) -> None:
    assert findings(tmp_path, '[site]\nname = "x"\n\n[feeds]\nmax_agee = "5m"\n') == [
        "config.toml:5: feeds.max_agee: unknown key; did you mean max_age?"
    ]


def test_every_finding_is_named_at_once(tmp_path: Path) -> None:
    text = '[site]\ntimezone = "Europe/Brusels"\nurl = "news"\n[feeds]\nmax_age = "soon"\n'
    text += "[sections.x]\nitems = 0\n"
    places = [line.split(" is not accepted")[0] for line in findings(tmp_path, text)]
    assert sorted(places) == [
        "config.toml:2: site.timezone: 'Europe/Brusels'",
        "config.toml:3: site.url: 'news'",
        "config.toml:5: feeds.max_age: 'soon'",
        "config.toml:7: sections.x.items: 0",
    ]


@pytest.mark.parametrize(
    ("written", "seconds"), [("0.25", 0.25), ('"500ms"', 0.5), ('"1.5s"', 1.5), ('"1m"', 60), ("0", 0)]
)
def test_settle_takes_fractions_of_seconds(tmp_path: Path, written: str, seconds: float) -> None:
    assert loaded(tmp_path, f"[schedule]\nsettle = {written}\n").schedule.settle == seconds
    assert loaded(tmp_path, "", FEEDSVC_SCHEDULE_SETTLE=written.strip('"')).schedule.settle == seconds


@pytest.mark.parametrize("written", ["-1", "true", '"soon"', "nan", "inf", '"2h"', '""'])
def test_settle_that_is_no_short_duration_is_named(tmp_path: Path, written: str) -> None:
    assert findings(tmp_path, f"[schedule]\nsettle = {written}\n")[0].startswith(
        "config.toml:2: schedule.settle"
    )


def test_broken_toml_names_the_line(tmp_path: Path) -> None:
    assert findings(tmp_path, '[site]\nname = "x\n')[0].startswith("config.toml:2: ")


def test_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--config"):
        load(tmp_path / "none.toml", {})


def test_variable_goes_over_the_file_and_is_named_when_wrong(tmp_path: Path) -> None:
    assert loaded(tmp_path, "[http]\nport = 1\n", FEEDSVC_HTTP_PORT="9000").http.port == 9000
    assert findings(tmp_path, "", FEEDSVC_HTTP_PORT="x")[0].startswith("FEEDSVC_HTTP_PORT: http.port: 'x'")
    assert loaded(tmp_path, "", FEEDSVC_SITE_NAME="2026").site.name == "2026"
    assert loaded(tmp_path, "", FEEDSVC_FEEDS_FORMATS="rss, json").feeds.formats == ["rss", "json"]


def test_custom_feed_takes_tables_or_keys_of_labels_or_slugs(tmp_path: Path) -> None:
    text = (
        '[custom.a]\ninclude = { sections = ["World/Middle East"], tags = ["Islamic State"] }\n'
        '[custom.b]\ninclude = ["sections/world", "sources/reuters"]\nlimit = 3\norder = "oldest"\n'
    )
    config = loaded(tmp_path, text)
    assert options.custom_feeds(config) == (
        CustomFeed("a", include_sections=("world/middle-east",), include_tags=("islamic-state",)),
        CustomFeed("b", order="oldest", include_sections=("world",), include_sources=("reuters",)),
    )
    settings = options.rules(config).by_key["custom/b"]
    assert (settings.items, settings.order) == (3, "oldest")


def test_table_of_one_feed_goes_over_what_holds_for_all(tmp_path: Path) -> None:
    text = '[feeds]\nitems = 7\ncontent = "summary"\n[tags."Islamic State"]\ncontent = "full"\nmax_age = 9\n'
    rules = options.rules(loaded(tmp_path, text))
    assert (rules.default.items, rules.default.content, rules.default.max_age) == (7, "summary", 300)
    own = rules.by_key["tags/islamic-state"]
    assert (own.items, own.content, own.max_age) == (7, "full", 9)


def test_reference_page_is_made_from_the_declarations() -> None:
    assert (ROOT / "docs" / "configuration.md").read_text("utf-8") == reference.markdown()


def test_configuration_in_the_readme_and_of_the_sample_site_is_accepted(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    loaded(tmp_path, readme.split("```toml\n")[1].split("```")[0])
    load(ROOT / "config.toml", {})


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('site = "x"\n', "config.toml:1: site: 'x'"),
        ("[feeds]\nmax_age = -5\n", "config.toml:2: feeds.max_age"),
        ("[feeds]\nitems = true\n", "config.toml:2: feeds.items: True"),
        ('path = "x"\n', "config.toml:1: path: unknown key"),
        ('[site]\nurl = "https://x.org:99999"\n', "config.toml:2: site.url"),
        ('[site]\nurl = "https://u:p@x.org"\n', "config.toml:2: site.url"),
        ('[site]\nurl = "https://x.org/news?a=b"\n', "config.toml:2: site.url"),
        ('[site]\nauthority = "x.org,2026-13-45"\n', "config.toml:2: site.authority"),
        ('[site]\nname = "a\\u0001b"\n', "config.toml:2: site.name"),
        ('[site]\neditor = "The Desk"\n', "config.toml:2: site.editor"),
        ('[tags."Middle East"]\n[tags.middle-east]\n', "config.toml:1: tags.middle-east: is the same as"),
        ('[profiles.x]\nnamespaces = { x = "" }\n', "config.toml:2: profiles.x.namespaces"),
        ('[profiles.x]\nnamespaces = { "a b" = "http://x.org" }\n', "config.toml:2: profiles.x.namespaces"),
        ('[profiles.x]\nnamespaces = { dc = "http://x.org" }\n', "config.toml:2: profiles.x.namespaces"),
        ("[custom.Top]\n", "config.toml:1: custom.Top"),
        ('[custom.x]\nprofile = "nobody"\n', "config.toml:1: custom.x.profile: 'nobody' is no profile"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, text: str, place: str) -> None:
    found = findings(tmp_path, text, FEEDSVC_SITE_LANGUAGE="en")
    assert any(finding.startswith(place) for finding in found), found


def test_misspelled_variable_is_named(tmp_path: Path) -> None:
    assert findings(tmp_path, "", FEEDSVC_SITE_NMAE="x") == [
        "FEEDSVC_SITE_NMAE: unknown variable; did you mean FEEDSVC_SITE_NAME?"
    ]


def test_profile_is_the_built_in_one_with_what_is_set_over_it(tmp_path: Path) -> None:
    text = (
        '[profiles.msn]\ntitle_length = 9\n[profiles.ours]\nlike = "smartnews"\nrequired = ["image"]\n'
        '[custom.a]\nprofile = "msn"\n[custom.b]\nprofile = "ours"\n'
    )
    by_key = options.rules(loaded(tmp_path, text)).by_key
    msn, ours = by_key["custom/a"].profile, by_key["custom/b"].profile
    assert (msn.name, msn.title_length, msn.required) == ("msn", 9, BUILT_IN["msn"].required)
    assert (ours.name, ours.deletion, ours.required) == ("ours", "status", ("image",))


def test_secret_of_a_webhook_is_in_no_error(tmp_path: Path) -> None:
    table = (
        '[partners.acme]\nfeeds = ["all"]\nwebhook = "https://acme.example/"\nwebhook_secret = "hunter2"\n'
    )
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, table)
    assert "webhook_secret: write at least 16 characters" in str(error.value)
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ('feeds = ["world"]', "write feed keys such as"),
        ("feeds = []", "at least 1"),
        ('feeds = ["*"]\nrate = "often"', 'write how many in what time, "60/m"'),
        ('feeds = ["*"]\nfooter = "{title.__class__}"', "write only {title}, {url} and {source} in braces"),
        ('feeds = ["*"]\nfooter = "{title:{url}}"', "write only {title}, {url} and {source} in braces"),
        ('feeds = ["*"]\nfooter = "{"', "write only {title}, {url} and {source} in braces"),
        ('feeds = ["*"]\nfooter = "{body}"', "write only {title}, {url} and {source} in braces"),
        ('feeds = ["*"]\nlink_parameters = "utm"', 'write "utm_source=acme"'),
        ('feeds = ["*"]\ncontent = "none"', 'write "full", "summary" or "headline"'),
        ('feeds = ["*"]\nprofile = "unheard-of"', "is no profile"),
        ('feeds = ["*"]\ndelays = "2h"', "did you mean delay?"),
    ],
)
def test_partner_that_is_configured_wrongly_is_told_what_to_write(
    tmp_path: Path, written: str, told: str
) -> None:
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, f"[partners.acme]\n{written}\n")
    assert told in str(error.value)


def test_partner_is_told_by_its_name_as_urls_have_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="write a name of small letters"):
        loaded(tmp_path, '[partners."Acme Inc"]\nfeeds = ["*"]\n')
