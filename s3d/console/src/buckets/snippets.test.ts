import { expect, test } from "vitest";
import { endpointForPrograms, snippetsOf } from "./snippets";

const connection = {
  bucket: "photos",
  endpoint: "https://photos.ada.s3.example.org",
  accessKeyId: "HRKEY",
  secretAccessKey: "a/secret+with",
};

test("every snippet names the bucket, the endpoint and the key", () => {
  const snippets = snippetsOf(connection);
  expect(snippets.map((it) => it.name)).toEqual([
    "JavaScript", "Python", "aws-cli", "rclone", "curl", "fused mount",
  ]);
  for (const { text } of snippets) {
    expect(text).toContain("photos");
    expect(text).toContain(connection.endpoint);
    expect(text).toContain("HRKEY");
    expect(text).toContain("a/secret+with");
  }
});

test("names below localhost become an address for programs", () => {
  expect(endpointForPrograms("http://photos.home.s3.localhost:9000")).toBe("http://127.0.0.1:9000");
  expect(endpointForPrograms("https://s3.example.org")).toBe("https://s3.example.org");
});
