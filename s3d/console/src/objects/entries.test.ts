import { expect, test } from "vitest";
import { pageOf } from "./entries";

test("folders come first, and the last line asks for the next page", () => {
  const object = { key: "a", etag: '"1"', size: 5, modified: 7, headers: { "content-type": "text/plain" } };
  const lines = [object, { prefix: "b/", marker: { ...object, key: "b/" } }, { next: "token" }];
  const entries = [
    { name: "b/", folder: true, bytes: 0, modified: 0 },
    { name: "a", folder: false, bytes: 5, modified: 7 },
  ];
  expect(pageOf(lines.map((it) => `${JSON.stringify(it)}\n`).join(""))).toEqual({ entries, next: "token" });
});

test("a folder may be empty", () => {
  expect(pageOf('{"next":null}\n')).toEqual({ entries: [], next: undefined });
});
