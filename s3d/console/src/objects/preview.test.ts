import { expect, test } from "vitest";
import { kindOf } from "./preview";

test.each([
  ["image/png", "x", "picture"],
  ["application/octet-stream", "a/B.JPG", "picture"],
  ["", "notes.md", "markdown"],
  ["text/plain", "notes.md", "markdown"],
  ["text/plain; charset=utf-8", "x", "text"],
  ["application/json", "x", "text"],
  ["text/html", "x.txt", "page"],
  ["application/xhtml+xml", "x", "page"],
  ["application/pdf", "x.html", "pdf"],
  ["video/mp4", "x", "video"],
  ["", "song.mp3", "audio"],
  ["application/zip", "x.txt", "none"],
  ["", "x", "none"],
])("an object of type %j called %j is shown as %s", (type, key, kind) => {
  expect(kindOf(type, key)).toBe(kind);
});
