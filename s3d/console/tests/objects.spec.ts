import { readFileSync } from "node:fs";
import type { Page } from "@playwright/test";
import { at, exchange, expect, test } from "./people";

const table = (page: Page) => page.getByRole("table", { name: "Objects" });
const row = (page: Page, name: string) => table(page).getByRole("row", { name });

test("files are uploaded, found, downloaded and shared", async ({ page, ada }) => {
  const bucket = await ada.bucket();
  await ada.enter(page);
  await page.goto(at(`/buckets/${bucket}?prefix=holiday/`));
  await page.getByLabel("Upload files", { exact: true }).last().setInputFiles([
    { name: "größe & a+b.txt", mimeType: "text/plain", buffer: Buffer.from("hello") },
    { name: "empty", mimeType: "", buffer: Buffer.from("") },
  ]);
  await expect(row(page, "größe & a+b.txt")).toContainText("5 B");
  await expect(row(page, "empty")).toContainText("0 B");

  const downloading = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download größe" }).click();
  const download = await downloading;
  expect(download.suggestedFilename()).toBe("größe & a+b.txt");
  expect(readFileSync(await download.path(), "utf8")).toBe("hello");

  await page.getByRole("button", { name: "Share größe" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("The link is good for").selectOption("a week");
  await dialog.getByRole("button", { name: "Make the link" }).click();
  const link = (await dialog.locator("pre").textContent()) as string;
  expect(link).toContain("X-Amz-Expires=604800");
  expect((await exchange("GET", link)).text).toBe("hello");
  await dialog.getByRole("button", { name: "Close" }).click();

  await page.getByRole("navigation", { name: "Path" }).getByRole("link", { name: bucket }).click();
  await row(page, "holiday/").getByRole("link").click();
  await page.getByLabel("Names that begin with …").fill("em");
  await expect(page.getByText("one entry")).toBeVisible();
});

test("a long folder is scrolled to its end, and deleted with a count", async ({ page, ada }) => {
  const bucket = await ada.bucket();
  const name = (index: number) => String(index).padStart(5, "0");
  await ada.put(bucket, Array.from({ length: 2_300 }, (_, index) => `many/${name(index)}`));
  await ada.put(bucket, ["other"]);
  await ada.enter(page);
  await page.goto(at(`/buckets/${bucket}?prefix=many/`));
  await expect(page.getByText("1000 entries, and more")).toBeVisible();
  for (const count of ["2000 entries, and more", "2300 entries"]) {
    await table(page).evaluate((it) => it.scrollTo(0, it.scrollHeight));
    await expect(page.getByText(count)).toBeVisible();
  }
  await table(page).evaluate((it) => it.scrollTo(0, it.scrollHeight));
  await expect(row(page, name(2_299))).toBeVisible();
  await table(page).evaluate((it) => it.scrollTo(0, 0));
  await expect(row(page, name(0))).toBeVisible();
  // Only what is in sight is in the page.
  expect(await page.getByRole("row").count()).toBeLessThan(60);

  await page.getByRole("navigation", { name: "Path" }).getByRole("link", { name: bucket }).click();
  await page.getByLabel("Choose many/").check();
  await page.getByRole("button", { name: "Delete chosen (1)" }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog).toContainText("2,300 objects are lost.");
  await dialog.getByRole("button", { name: "Delete for ever" }).click();
  await expect(dialog).toBeHidden({ timeout: 30_000 });
  await expect(page.getByText("one entry")).toBeVisible();
  expect((await ada.call("GET", `/buckets/${bucket}`)).usage.objects).toBe(1);
});

test("S3 that cannot be reached is said", async ({ page, ada }) => {
  const bucket = await ada.bucket();
  await ada.enter(page);
  await page.route("**/*list-type*", (route) => route.abort());
  await page.goto(at(`/buckets/${bucket}`));
  await expect(page.getByRole("alert")).toContainText("S3 does not answer at http://s3.localhost:");
});
