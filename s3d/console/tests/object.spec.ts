// One object: what is shown of it, and what is noted of it.
import type { Page } from "@playwright/test";
import { api, at, exchange, expect, type Person, test } from "./people";

const show = (page: Page, bucket: string, key: string) =>
  page.goto(at(`/buckets/${bucket}/object?key=${encodeURIComponent(key)}`));
const preview = (page: Page) => page.getByRole("region", { name: "Preview" });

/** What S3 answers to a request of somebody. */
async function ask(who: Person, bucket: string, key: string, query: Record<string, string>) {
  const { urls } = await who.call("POST", `/buckets/${bucket}/presigned-urls`, { requests: [{ method: "GET", key, query }] });
  return exchange("GET", urls[0]);
}

test("texts, Markdown and pictures are shown, and their authors can put nothing into the page", async ({ page, ada }) => {
  const bucket = await ada.bucket();
  const written = "# Title\n\n*so* <img src=x onerror=alert(1)> [on](javascript:alert(1)) [web](https://example.org/)";
  await ada.put(bucket, ["notes.md"], written, "application/octet-stream");
  await ada.put(bucket, ["long.txt"], "x".repeat(300 * 1024));
  const script = "document.documentElement.setAttribute('width','9')";
  const picture = `<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20"><script>${script}</script></svg>`;
  await ada.put(bucket, ["picture.svg"], picture, "image/svg+xml");
  await ada.put(bucket, ["broken.mp4"], "no film", "video/mp4");
  await ada.enter(page);

  await show(page, bucket, "notes.md");
  await expect(preview(page).getByRole("heading", { name: "Title" })).toBeVisible();
  await expect(preview(page).getByRole("emphasis")).toHaveText("so");
  await expect(preview(page)).toContainText("<img src=x onerror=alert(1)>");
  await expect(preview(page).getByRole("link")).toHaveAttribute("href", "https://example.org/");
  await expect(preview(page).locator("img")).toHaveCount(0);

  await show(page, bucket, "long.txt");
  await expect(preview(page)).toContainText("This is the beginning");
  await show(page, bucket, "picture.svg");
  const width = () => preview(page).getByRole("img").evaluate((it: HTMLImageElement) => it.naturalWidth);
  await expect.poll(width).toBe(30);
  await show(page, bucket, "broken.mp4");
  await expect(preview(page)).toContainText("The browser cannot show this object");
});

test("a tenant's page that is shown reaches nothing of the console", async ({ page, ada, errors }) => {
  const bucket = await ada.bucket();
  const attack = `<p>tenant</p><script>
    document.querySelector("p").textContent = "ran";
    top.document.title = "owned";
    top.location = "${api()}/owned";
    fetch("${api()}/api/v1/buckets", { method: "POST", body: '{"name": "owned"}', credentials: "include" });
  </script><meta http-equiv="refresh" content="0; url=${at("/keys")}"><a href="${at("/keys")}" target="_top">away</a>`;
  await ada.put(bucket, ["page.html"], attack, "text/html");
  await ada.put(bucket, ["paper.pdf"], attack, "application/pdf");
  await ada.enter(page);
  await show(page, bucket, "page.html");
  const frame = page.frameLocator("iframe");
  await expect(frame.getByText("tenant")).toBeVisible();
  await frame.getByRole("link", { name: "away" }).click();
  // Chromium says what it did not let the page do.
  await expect.poll(() => errors.join()).toContain("attempt to initiate navigation");
  const refused = errors.splice(0).join();
  expect(refused).toContain("Blocked script execution");
  expect(refused).toContain("Refused to execute the redirect");
  expect(await page.title()).toContain("Object");
  expect(page.url()).toContain("page.html");
  expect((await ada.call("GET", "/buckets")).buckets).toHaveLength(1);

  // What says that it is a PDF is sent as one, and so is never a page.
  const sent = page.waitForResponse((it) => it.url().includes("paper.pdf") && it.url().includes("response-content-type"));
  await show(page, bucket, "paper.pdf");
  expect((await sent).headers()["content-type"]).toBe("application/pdf");
  expect(new URL((await sent).url()).origin).not.toBe(api());
  errors.splice(0);
});

test("metadata, tags and access of an object are edited, and keep each other", async ({ page, ada }) => {
  const bucket = await ada.bucket();
  await ada.put(bucket, ["folder/file"]);
  await ada.enter(page);
  await page.goto(at(`/buckets/${bucket}?prefix=folder/`));
  await page.getByRole("link", { name: "file", exact: true }).click();

  await page.getByLabel("Everybody (public-read)").check();
  await page.getByRole("button", { name: "Save access" }).click();
  await expect(page.getByText("Saved.")).toBeVisible();

  const tags = page.getByRole("group", { name: "Tags" });
  await tags.getByRole("button", { name: "Add a line" }).click();
  await tags.getByLabel("Name 1").fill("colour");
  await tags.getByLabel("Value 1").fill("grün @ blau");
  await page.getByRole("button", { name: "Save tags" }).click();
  await expect(page.getByText("Saved.")).toBeVisible();

  const notes = page.getByRole("group", { name: "Metadata of your own" });
  await page.getByLabel("Media type").fill("text/css");
  await notes.getByRole("button", { name: "Add a line" }).click();
  await notes.getByLabel("Name 1").fill("author");
  await notes.getByLabel("Value 1").fill("ädä");
  await page.getByRole("button", { name: "Save metadata" }).click();
  await expect(page.getByRole("alert")).toContainText("values have only signs of ASCII");
  await notes.getByLabel("Value 1").fill("ada & co");
  await page.getByRole("button", { name: "Save metadata" }).click();
  await expect(page.getByText("text/css ·")).toBeVisible();

  await page.reload();
  await expect(notes.getByLabel("Value 1")).toHaveValue("ada & co");
  await expect(tags.getByLabel("Value 1")).toHaveValue("grün @ blau");
  await expect(page.getByLabel("Everybody (public-read)")).toBeChecked();
  expect((await ask(ada, bucket, "folder/file", { acl: "" })).text).toContain("global/AllUsers");
  const open = await exchange("GET", `http://s3.localhost:${process.env.HAYRACK_S3?.split(":")[1]}/${bucket}/folder/file`);
  expect([open.status, open.text]).toEqual([200, "hello"]);
});
