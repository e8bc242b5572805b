import { expect, test } from "vitest";
import { lastPart, pathTo } from "./names";

test("a name is shown by its last part", () => {
  expect(lastPart("a/b/c.txt")).toBe("c.txt");
  expect(lastPart("a/b/")).toBe("b/");
  expect(lastPart("c.txt")).toBe("c.txt");
  expect(lastPart("/")).toBe("/");
});

test("the way to a folder names each folder above it", () => {
  expect(pathTo("a/b/")).toEqual([
    { part: "a", prefix: "a/" },
    { part: "b", prefix: "a/b/" },
  ]);
  expect(pathTo("")).toEqual([]);
});
