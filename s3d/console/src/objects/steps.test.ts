import { expect, test } from "vitest";
import type { Entry } from "./entries";
import { copyRequest, stepsTo } from "./steps";

const entry = (name: string): Entry => ({ name, folder: name.endsWith("/"), bytes: 0, modified: 0 });
const names = (entries: string[], to: string) => stepsTo(entries.map(entry), to).map((it) => it.to);

test("one entry gets the name that is given, and a folder stays one", () => {
  expect(names(["a/b.txt"], "c.txt")).toEqual(["c.txt"]);
  expect(names(["a/b/"], "c")).toEqual(["c/"]);
  expect(names(["a/b/"], "c/")).toEqual(["c/"]);
});

test("several go into a folder under their own names", () => {
  expect(names(["a/b/", "a/c.txt"], "x")).toEqual(["x/b/", "x/c.txt"]);
  expect(names(["a/b/", "a/c.txt"], "")).toEqual(["b/", "c.txt"]);
});

test("the source of a copy is encoded, its slashes are not", () => {
  expect(copyRequest("b", "a/ä+1", "x").query).toEqual({ "x-amz-copy-source": "b/a/%C3%A4%2B1" });
});
