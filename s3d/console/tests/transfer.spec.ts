// Many objects at once: as an archive, under other names, copied.
import { execFileSync } from "node:child_process";
import type { Page } from "@playwright/test";
import { at, expect, test } from "./people";

const row = (page: Page, name: string) => page.getByRole("table", { name: "Objects" }).getByRole("row", { name });
const choose = (page: Page, name: string) => page.getByLabel(`Choose ${name}`, { exact: true }).check();

/** What another program finds in an archive: names and contents, each checksum verified. */
const LOOK_INTO = `
import json, sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
assert archive.testzip() is None
print(json.dumps({name: archive.read(name).decode() for name in archive.namelist()}))`;

test("what is chosen is downloaded as one archive, or a sentence says why not", async ({ page, ada }) => {
  const bucket = await ada.bucket();
  await ada.put(bucket, ["trip/größe.txt", "trip/day 1/a&b=c", "trip/empty/", "other"]);
  await ada.enter(page);
  await page.goto(at(`/buckets/${bucket}?prefix=trip/`));
  await choose(page, "größe.txt");
  await choose(page, "day 1/");
  const downloading = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download as zip (2)" }).click();
  const download = await downloading;
  expect(download.suggestedFilename()).toBe("trip.zip");
  const found = execFileSync("python3", ["-c", LOOK_INTO, await download.path()], { encoding: "utf8" });
  expect(JSON.parse(found)).toEqual({ "größe.txt": "hello", "day 1/a&b=c": "hello" });

  await ada.call("DELETE", `/buckets/${bucket}?force=true`);
  await page.getByRole("button", { name: "Download as zip (2)" }).click();
  await expect(page.getByRole("alert")).toContainText("You have no bucket of this name.");
});

test("objects and folders are renamed, moved and copied, and replace nothing", async ({ page, ada }) => {
  const bucket = await ada.bucket();
  await ada.put(bucket, ["a.txt", "taken.txt", "old/1 + ü.txt", "old/deep/2"]);
  await ada.enter(page);
  await page.goto(at(`/buckets/${bucket}`));
  const dialog = page.getByRole("dialog");
  const transfer = async (names: string[], way: string, to: string) => {
    for (const name of names) await choose(page, name);
    await page.getByRole("button", { name: `${way} (${names.length})` }).click();
    await dialog.getByRole("textbox").fill(to);
    await dialog.getByRole("button", { name: way.split(" ")[0] as string, exact: true }).click();
  };
  await transfer(["a.txt"], "Move or rename", "taken.txt");
  await expect(dialog.getByRole("alert")).toContainText("Something of this name is there already");
  await dialog.getByRole("textbox").fill("b ä.txt");
  await dialog.getByRole("button", { name: "Move", exact: true }).click();
  await expect(row(page, "b ä.txt")).toBeVisible();
  await expect(row(page, "a.txt")).toHaveCount(0);

  await transfer(["old/"], "Move or rename", "new");
  await expect(row(page, "new/")).toBeVisible();
  await expect(row(page, "old/")).toHaveCount(0);

  await transfer(["new/", "taken.txt"], "Copy", "both");
  await row(page, "both/").getByRole("link").click();
  await expect(row(page, "taken.txt")).toBeVisible();
  await row(page, "new/").getByRole("link").click();
  await expect(row(page, "1 + ü.txt")).toContainText("5 B");
  expect((await ada.call("GET", `/buckets/${bucket}`)).usage.objects).toBe(7);
});
