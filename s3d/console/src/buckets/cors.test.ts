import { expect, test } from "vitest";
import { corsDocument, originsOf } from "./cors";

test("origins are read one by one", () => {
  expect(originsOf(" https://a.example\n\nhttp://b.example:8080 ")).toEqual([
    "https://a.example", "http://b.example:8080",
  ]);
});

test("what is typed does not get out of its element", () => {
  const document = corsDocument({ origins: ["https://a</AllowedOrigin>&"], methods: ["GET"] });
  expect(document).toContain("<AllowedOrigin>https://a&lt;/AllowedOrigin&gt;&amp;</AllowedOrigin>");
  expect(document).toContain("<AllowedMethod>GET</AllowedMethod>");
});
