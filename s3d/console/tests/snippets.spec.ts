// The snippets, pasted.
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { at, exchange, expect, test } from "./people";
import { programs } from "./rack";

const run = promisify(execFile);

/** The newest SDK wants a newer Node.js than Debian's; the end-to-end tests install both. */
const tests = resolve("../../tests/e2e/js");
const pinned = resolve("../../target/e2e-clients/node/node_modules/.bin/node");
const node = existsSync(pinned) ? pinned : process.execPath;

/** What the machine sets for its own AWS clients is no part of a snippet. */
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("AWS_")));
const shell = (text: string, cwd: string) => run("bash", ["-ec", text], { cwd, env });

const PASTED: Record<string, (text: string, folder: string) => Promise<unknown>> = {
  JavaScript: (text) => run(node, ["--input-type=module", "--eval", text], { cwd: tests, env }),
  Python: (text, cwd) => run("/usr/bin/python3", ["-c", text], { cwd, env }),
  "aws-cli": shell,
  rclone: shell,
  curl: shell,
};

test("every snippet stores an object as it is pasted", async ({ page, ada }) => {
  const bucket = await ada.bucket();
  await ada.enter(page);
  await page.goto(at(`/buckets/${bucket}/connect`));
  await page.getByRole("button", { name: "Make a key to this bucket" }).click();
  await expect(page.getByText("The secret is shown once")).toBeVisible();
  const usage = async () => (await ada.call("GET", `/buckets/${bucket}`)).usage.objects;
  for (const [name, paste] of Object.entries(PASTED)) {
    await page.getByRole("button", { name, exact: true }).click();
    const text = (await page.locator("section[aria-labelledby=snippets] pre").textContent()) as string;
    const folder = mkdtempSync(join(tmpdir(), "hayrack-pasted-"));
    await paste(text, folder);
    rmSync(folder, { recursive: true });
    expect(await usage(), name).toBe(1);
    const requests = [{ method: "DELETE", key: "hello.txt" }];
    const { urls } = await ada.call("POST", `/buckets/${bucket}/presigned-urls`, { requests });
    expect((await exchange("DELETE", urls[0])).status, name).toBe(204);
    expect(await usage(), name).toBe(0);
  }
});

test("the snippet that mounts a bucket makes it a folder as it is pasted", async ({ page, ada }) => {
  const bucket = await ada.bucket();
  await ada.enter(page);
  await page.goto(at(`/buckets/${bucket}/connect`));
  await page.getByRole("button", { name: "Make a key to this bucket" }).click();
  await expect(page.getByText("The secret is shown once")).toBeVisible();
  await page.getByRole("button", { name: "fused mount", exact: true }).click();
  const text = (await page.locator("section[aria-labelledby=snippets] pre").textContent()) as string;
  const home = mkdtempSync(join(tmpdir(), "hayrack-home-"));
  const folder = join(home, bucket);
  const path = `${programs}:${process.env.PATH}`;
  await run("bash", ["-ec", text], { cwd: home, env: { ...env, HOME: home, PATH: path } });
  try {
    writeFileSync(join(folder, "hello.txt"), "hello");
    expect((await ada.call("GET", `/buckets/${bucket}`)).usage).toEqual({ objects: 1, bytes: 5 });
  } finally {
    await run("umount", [folder]);
  }
  rmSync(home, { recursive: true, maxRetries: 10, retryDelay: 200 });
});
