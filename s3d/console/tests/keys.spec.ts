import { expect, test } from "./people";

test("a key is made for one bucket, and revoked", async ({ page, ada }) => {
  const bucket = await ada.bucket();
  await ada.enter(page);
  await page.getByRole("link", { name: "Keys" }).click();
  await page.getByLabel("Opens").selectOption(bucket);
  await page.getByLabel("May").selectOption("read");
  await page.getByLabel("Ends").selectOption("in 30 days");
  await page.getByRole("button", { name: "Make", exact: true }).click();
  const id = (await page.locator("pre").first().textContent()) as string;
  expect(id).toMatch(/^HR/);

  const { keys } = await ada.call("GET", "/keys");
  const key = keys.find((it: { accessKeyID: string }) => it.accessKeyID === id);
  expect(key).toMatchObject({ scope: { bucket }, access: "read-only" });
  const days = (Date.parse(key.expires) - Date.parse(key.created)) / 86_400_000;
  expect(days).toBeCloseTo(30, 1);

  await page.getByRole("button", { name: `Revoke ${id}` }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await expect(page.getByRole("button", { name: `Revoke ${id}` })).toBeHidden();
  const left = (await ada.call("GET", "/keys")).keys;
  expect(left.map((it: { accessKeyID: string }) => it.accessKeyID)).not.toContain(id);
});
