"""What is to be broken in a faultless JSON Feed document for each rule to find it; nothing but data."""

from tests.validation.samples import Break, html_breaks

_HTML = r'"content_html": "<p>They <a href=\"https://news.example.org/a\">met</a>.</p>",'

BREAKS: list[Break] = [
    ("json-encoding", "{", "\ufeff{"),
    ("json-version", "version/1.1", "version/1"),
    ("json-required", '"title": "Ports & Ferries",', ""),
    ("json-required", '"id": "tag:news.example.org,2026:talks",', ""),
    ("json-required", '"type": "WebSub", ', ""),
    ("json-members-known", '"external_url"', '"original_url"'),
    ("json-types", '"id": "tag:news.example.org,2026:talks"', '"id": 17'),
    ("json-types", '"size_in_bytes": 1234', '"size_in_bytes": "1234"'),
    ("json-extensions", '{"dateline": "ANTWERP"}', '"ANTWERP"'),
    ("json-extensions", '"_feedsvc"', '"_feed.svc"'),
    ("json-not-empty", '"summary": "They met."', '"summary": ""'),
    ("json-not-empty", '"image": "https://news.example.org/boats.jpg"', '"image": null'),
    ("json-not-empty", '["Ports", "Ferries"]', "[]"),
    ("json-url", '"image": "https://news.example.org/boats.jpg"', '"image": "/boats.jpg"'),
    ("json-url", '"banner_image": "https://news.example.org/boats.jpg"', '"banner_image": "boats.jpg"'),
    ("json-url", "https://hub.example.org/", "hub"),
    ("json-url", "https://news.example.org/icon.png", "//news.example.org/icon.png"),
    ("json-self", "feeds/sections/ports.json", "feeds/all.json"),
    ("json-home-page", '"home_page_url": "https://news.example.org/sections/ports",', ""),
    ("json-language", "en-GB", "english"),
    ("json-author", '"authors": [{"name": "Jane Doe"}]', '"author": {"name": "Jane Doe"}'),
    ("json-author", '{"name": "Jane Doe"}', "{}"),
    ("json-id", "2026:lighthouse", "2026:talks"),
    ("json-content", _HTML, ""),
    ("json-date", '"date_published": "2026-11-22T10:00:00+01:00"', '"date_published": "2026-11-22"'),
    ("json-date", '"date_published": "2026-11-22T10:00:00+01:00"', '"date_published": "2026-11-22T10:00:00"'),
    ("json-date-plausible", '"date_published": "2026-11-21', '"date_published": "2036-11-21'),
    ("json-date-order", '"date_modified": "2026-11-22T11', '"date_modified": "2026-11-22T09'),
    ("json-tags", '["Ports", "Ferries"]', '["Ports", "Ports"]'),
    ("json-tags", '["Ports", "Ferries"]', '["Ports", 3]'),
    ("json-attachment", '"mime_type": "audio/mpeg", ', ""),
    ("json-attachment", '"size_in_bytes": 1234', '"size_in_bytes": 0'),
    ("json-plain-text", "Harbour talks", "<b>Harbour</b> talks"),
    ("json-characters", "Harbour talks", "Harbour \ufffd talks"),
    *html_breaks("json"),
]
