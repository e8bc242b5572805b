import { expect, test } from "vitest";
import { failureOf, refusalOf, s3RefusalOf } from "./failure";

test("a refusal of the REST API keeps its code, sentence and fields", () => {
  const body = { code: "InvalidFields", message: "Correct these fields: name.", fields: { name: "Too short." } };
  const failure = refusalOf(400, body);
  expect(failure).toMatchObject({ code: "InvalidFields", fields: { name: "Too short." }, status: 400 });
  expect(failure.endsSession).toBe(false);
});

test("only a token that is not taken ends the session, not a wrong password", () => {
  const of = (code: string) => refusalOf(401, { code, message: "x." }).endsSession;
  expect(of("TokenExpired")).toBe(true);
  expect(of("TokenMissing")).toBe(true);
  expect(of("WrongCredentials")).toBe(false);
});

test("a refusal of S3 comes from its document, or at least from its status", () => {
  const xml = "<Error><Code>NoSuchKey</Code><Message>The key does not exist.</Message></Error>";
  expect(s3RefusalOf(404, xml)).toMatchObject({ code: "NoSuchKey", sentence: "The key does not exist." });
  expect(s3RefusalOf(502, "")).toMatchObject({ code: "Unreadable", sentence: "S3 answered 502." });
});

test("a broken connection is said as such", () => {
  expect(failureOf(new TypeError("Failed to fetch")).code).toBe("Unreachable");
});
