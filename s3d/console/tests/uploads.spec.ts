// Uploads: in parts, called off, paused, and gone on with after a reload.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "@playwright/test";
import { at, expect, type Person, test } from "./people";

/** The bytes of a file that goes in three parts, and of the first two of them. */
const [LONG, TWO_PARTS] = [17 * 2 ** 20, 16 * 2 ** 20];

const folder = mkdtempSync(join(tmpdir(), "hayrack-uploads-"));
test.afterAll(() => rmSync(folder, { recursive: true }));

function fileOf(bytes: Buffer): string {
  const path = join(folder, "long.bin");
  writeFileSync(path, bytes);
  return path;
}

const choose = (page: Page, what: string, file: string) =>
  page.getByLabel(what, { exact: true }).last().setInputFiles(file);
const upload = (page: Page, state: string) => page.getByRole("listitem").filter({ hasText: state });
const used = async (who: Person, bucket: string) => (await who.call("GET", `/buckets/${bucket}`)).usage.bytes;

/** The numbers of the parts that the page sends from now on. */
function partsOf(page: Page): string[] {
  const parts: string[] = [];
  page.on("request", (it) => {
    const number = new URL(it.url()).searchParams.get("partNumber");
    if (number && it.method() === "PUT") parts.push(number);
  });
  return parts;
}

/** The third part stays on its way until the page goes on with another one. */
const holdLastPart = (page: Page) => page.route("**/*partNumber=3*", () => undefined);

test("a long file goes in parts, and dropped files go as they are", async ({ page, ada }) => {
  const bucket = await ada.bucket();
  await ada.enter(page);
  await page.goto(at(`/buckets/${bucket}`));
  const bytes = Buffer.alloc(LONG, 7);
  const file = fileOf(bytes);
  const parts = partsOf(page);
  await choose(page, "Upload files", file);
  await expect(upload(page, "stored")).toBeVisible();
  expect(parts).toHaveLength(3);
  expect((await ada.call("GET", `/buckets/${bucket}`)).usage).toEqual({ objects: 1, bytes: LONG });

  const transfer = await page.evaluateHandle(() => {
    const dropped = new DataTransfer();
    dropped.items.add(new File(["dropped"], "dropped.txt"));
    return dropped;
  });
  await page.locator(".drop").dispatchEvent("drop", { dataTransfer: transfer });
  await expect(page.getByRole("row", { name: "dropped.txt" })).toContainText("7 B");
});

test("an upload that is called off leaves nothing", async ({ page, ada }) => {
  const bucket = await ada.bucket();
  await ada.enter(page);
  await page.goto(at(`/buckets/${bucket}`));
  await holdLastPart(page);
  const file = fileOf(Buffer.alloc(LONG));
  await choose(page, "Upload files", file);
  await expect.poll(() => used(ada, bucket)).toBe(TWO_PARTS);
  await page.getByRole("button", { name: "Cancel" }).click();
  await expect(upload(page, "called off")).toBeVisible();
  await expect.poll(() => used(ada, bucket)).toBe(0);
});

test("an upload that is paused, and one whose page was loaded anew, sends only what S3 lacks", async ({ page, ada }) => {
  const bucket = await ada.bucket();
  await ada.enter(page);
  await page.goto(at(`/buckets/${bucket}?prefix=deep/`));
  await holdLastPart(page);
  const file = fileOf(Buffer.alloc(LONG, 7));
  await choose(page, "Upload files", file);
  await expect.poll(() => used(ada, bucket)).toBe(TWO_PARTS);
  await page.getByRole("button", { name: "Pause", exact: true }).click();
  await expect(upload(page, "paused")).toBeVisible();
  const parts = partsOf(page);
  await page.getByRole("button", { name: "Go on", exact: true }).click();
  await expect(upload(page, "uploading")).toBeVisible();
  await expect.poll(() => parts).toEqual(["3"]);

  await page.goto(at(`/buckets/${bucket}`));
  await expect(upload(page, "waits for its file")).toContainText("deep/long.bin");
  await page.unrouteAll({ behavior: "ignoreErrors" });
  const other = join(folder, "other.bin");
  writeFileSync(other, "other");
  await choose(page, "Choose files again", other);
  await expect(page.getByText("Some of these files are not those")).toBeVisible();
  await choose(page, "Choose files again", file);
  await expect(upload(page, "stored")).toBeVisible();
  expect(parts).toEqual(["3", "3"]);
  expect((await ada.call("GET", `/buckets/${bucket}`)).usage).toEqual({ objects: 1, bytes: LONG });
  await page.reload();
  await expect(page.getByRole("row", { name: "deep/" })).toBeVisible();
  await expect(page.getByRole("listitem")).toHaveCount(0);
});

test("a dropped folder goes on after a reload by itself where the browser keeps the way to it", async ({ page, ada }) => {
  const bucket = await ada.bucket();
  await ada.enter(page);
  await page.goto(at(`/buckets/${bucket}`));
  await holdLastPart(page);
  await dropFolder(page, LONG);
  await expect(page.getByText("1 of 2 files stored")).toBeVisible();
  await expect.poll(() => used(ada, bucket)).toBe(TWO_PARTS + 5);

  await page.reload();
  await page.unrouteAll({ behavior: "ignoreErrors" });
  const parts = partsOf(page);
  await upload(page, "waits for its file").getByRole("button", { name: "Go on" }).click();
  await expect(upload(page, "stored")).toContainText("trip/long.bin");
  expect(parts).toEqual(["3"]);
  expect((await ada.call("GET", `/buckets/${bucket}`)).usage).toEqual({ objects: 2, bytes: LONG + 5 });
});

/** Drops a folder of two files. No test can drop what is on the disk: the files are in the browser's own storage. */
const dropFolder = (page: Page, length: number) =>
  page.evaluate(async (length) => {
    const root = await navigator.storage.getDirectory();
    const trip = await root.getDirectoryHandle("trip", { create: true });
    const write = async (name: string, content: Uint8Array<ArrayBuffer>) => {
      const file = await (await trip.getFileHandle(name, { create: true })).createWritable();
      await file.write(content);
      await file.close();
    };
    await write("long.bin", new Uint8Array(length));
    await write("short.txt", new TextEncoder().encode("hello"));
    Object.assign(DataTransferItem.prototype, { getAsFileSystemHandle: () => Promise.resolve(trip) });
    const dropped = new DataTransfer();
    dropped.items.add(new File([], "trip"));
    const event = new DragEvent("drop", { dataTransfer: dropped, bubbles: true, cancelable: true });
    document.querySelector(".drop")?.dispatchEvent(event);
  }, length);
