import { expect, test } from "vitest";
import { agentText } from "./agent";

test("browsers are named as people name them", () => {
  const windows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)";
  expect(agentText(`${windows} Chrome/140.0.0.0 Safari/537.36`)).toBe("Chrome, Windows");
  expect(agentText(`${windows} Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0`)).toBe("Edge, Windows");
  expect(agentText("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")).toBe("Firefox, Linux");
  const phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)";
  expect(agentText(`${phone} Version/18.5 Mobile/15E148 Safari/604.1`)).toBe("Safari, iOS");
});

test("other programs are shown by their own names", () => {
  expect(agentText("curl/8.5.0")).toBe("curl");
  expect(agentText("backup-script/1.0")).toBe("backup-script/1.0");
  expect(agentText("x".repeat(200))).toHaveLength(60);
  expect(agentText("")).toBe("");
});
