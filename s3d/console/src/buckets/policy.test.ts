import { expect, test } from "vitest";
import { publicityOf, publicPolicy } from "./policy";

const withStatement = (more: object) =>
  JSON.stringify({
    Statement: { Effect: "Allow", Principal: "*", Action: "s3:GetObject", Resource: "arn:aws:s3:::b/*", ...more },
  });

test("the console knows its own policy again", () => {
  expect(publicityOf(publicPolicy("b"), "b")).toBe("public");
  expect(publicityOf(withStatement({ Principal: { AWS: ["*"] } }), "b")).toBe("public");
  expect(publicityOf(undefined, "b")).toBe("private");
});

test.each([
  ["another bucket", publicPolicy("c")],
  ["a denial", withStatement({ Effect: "Deny" })],
  ["another action", withStatement({ Action: ["s3:GetObject", "s3:PutObject"] })],
  ["nobody", withStatement({ Principal: [] })],
  ["somebody in particular", withStatement({ Principal: { AWS: "ada" } })],
  ["a condition", withStatement({ Condition: { Bool: { "aws:SecureTransport": "true" } } })],
  ["two statements", JSON.stringify({ Statement: [{}, {}] })],
])("%s is left to whoever wrote it", (_, policy) => {
  expect(publicityOf(policy, "b")).toBe("other");
});
