// What fails under way: a sentence, a way on, and nothing that was typed is lost.
import { at, expect, fresh, test } from "./people";

test("a lost network keeps what was typed, and one goes on when it is back", async ({ page, context, ada }) => {
  await ada.enter(page);
  await page.getByRole("link", { name: "Create a bucket" }).click();
  const name = fresh("offline");
  const field = page.getByLabel("Name", { exact: true });
  const asked = page.waitForResponse((it) => it.url().includes("/bucket-names/"));
  await field.fill(name);
  await asked;
  await context.setOffline(true);
  await page.getByRole("button", { name: "Create" }).click();
  const problem = page.getByRole("alert");
  await expect(problem).toContainText("The server does not answer.");
  await expect(field).toHaveValue(name);
  await context.setOffline(false);
  await page.getByRole("button", { name: "Create" }).click();
  await expect(page.getByText("The secret is shown once")).toBeVisible();

  // A room that was not entered before has to be loaded first.
  await context.setOffline(true);
  await page.getByRole("link", { name: "Keys" }).click();
  await expect(problem).toContainText("The server does not answer.");
  await context.setOffline(false);
  await problem.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByRole("heading", { name: "Keys", exact: true })).toBeVisible();
});

test("an upload whose key is revoked under way says so, and its next try has another key", async ({ page, ada }) => {
  const bucket = await ada.bucket();
  await ada.enter(page);
  await page.goto(at(`/buckets/${bucket}`));
  let revoked = 0;
  await page.route(/X-Amz-Signature=/, async (route) => {
    if (route.request().method() === "PUT" && revoked === 0) {
      for (const key of (await ada.call("GET", "/keys")).keys) {
        await ada.call("DELETE", `/keys/${key.accessKeyID}`);
        revoked += 1;
      }
    }
    await route.continue();
  });
  const file = { name: "kept.txt", mimeType: "text/plain", buffer: Buffer.from("hello") };
  await page.getByLabel("Upload files", { exact: true }).last().setInputFiles(file);
  const upload = page.getByRole("listitem");
  await expect(upload.getByRole("alert")).toContainText("The key that signed this request was revoked");
  expect(revoked).toBeGreaterThan(0);
  await upload.getByRole("button", { name: "Try again" }).click();
  await expect(upload).toContainText("stored");
  await expect(page.getByRole("row", { name: "kept.txt" })).toContainText("5 B");
});
