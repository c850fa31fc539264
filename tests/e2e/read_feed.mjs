// Reads a feed with one npm package and prints its stories as JSON: node read_feed.mjs feedsmith URL
// Knows nothing of feedsvc. The packages are found from the folder that NODE_PACKAGES names.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.env.NODE_PACKAGES}/`);
const [reader, url] = process.argv.slice(2);
const text = await (await fetch(url)).text();

async function withFeedsmith() {
  const { parseFeed } = await import(pathToFileURL(require.resolve("feedsmith")));
  const { format, feed } = parseFeed(text);
  const stories = {
    rss: () => feed.items.map((item) => [item.title, item.link, item.pubDate, item.enclosures?.[0]?.url]),
    atom: () => feed.entries.map((entry) => [
      entry.title.value ?? entry.title,
      link(entry, "alternate"),
      entry.published,
      link(entry, "enclosure"),
    ]),
    json: () => feed.items.map((item) => [item.title, item.url, item.date_published, item.attachments?.[0]?.url]),
  };
  return stories[format]();
}

function link(entry, rel) {
  return entry.links.find((one) => one.rel === rel)?.href;
}

async function withRssParser() {
  const Parser = require("rss-parser");
  const { items } = await new Parser().parseString(text);
  return items.map((item) => [item.title, item.link, item.pubDate, item.enclosure?.url]);
}

const read = await (reader === "feedsmith" ? withFeedsmith() : withRssParser());
console.log(JSON.stringify(read.map(([title, href, date, enclosure]) => ({
  title, link: href, published: new Date(date).toISOString(), enclosure: enclosure ?? null,
}))));
