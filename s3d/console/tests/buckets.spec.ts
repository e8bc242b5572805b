import { at, expect, fresh, test } from "./people";

test("a bucket is made, and its keys are shown once", async ({ page, ada }) => {
  await ada.enter(page);
  await page.getByRole("link", { name: "Create a bucket" }).click();
  const field = page.getByLabel("Name", { exact: true });
  await field.fill("No_Name");
  await expect(page.getByText("only lower-case letters")).toBeVisible();
  await expect(page.getByRole("button", { name: "Create" })).toBeDisabled();
  // The server is asked while somebody types.
  await field.fill("first-bucket");
  await expect(page.getByText("This name is taken")).toBeVisible();
  const name = fresh("made");
  await field.fill(name);
  await page.getByRole("button", { name: "Create" }).click();

  const secret = page.locator("pre").nth(2);
  await expect(secret).toHaveText(/^[A-Za-z0-9+/]{40}$/);
  const text = await secret.textContent();
  await page.getByRole("button", { name: "Copy: Secret access key" }).click();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(text);
  await expect(page.locator("main")).toContainText("Provisioned");
  await page.getByRole("link", { name: "Settings" }).click();
  await page.getByRole("link", { name: "Connect" }).click();
  await expect(page.getByText("never again")).toBeVisible();
  await expect(page.locator("main")).not.toContainText(text as string);
});

test("the list follows what happens elsewhere", async ({ page, ada }) => {
  await ada.enter(page);
  await expect(page.getByText("You have no bucket yet.")).toBeVisible();
  // While the volume daemon stands still, no bucket can be finished.
  const volumed = Number(process.env.HAYRACK_VOLUMED_PID);
  const name = fresh("slow");
  process.kill(volumed, "SIGSTOP");
  try {
    const made = ada.call("POST", "/buckets", { name });
    const row = page.getByRole("row", { name });
    await expect(row).toContainText("Provisioning");
    process.kill(volumed, "SIGCONT");
    await expect(row).toContainText("Provisioned");
    await made;
    await ada.call("DELETE", `/buckets/${name}`);
    await expect(row).toBeHidden();
  } finally {
    process.kill(volumed, "SIGCONT");
  }
});

test("a bucket is deleted by its name, and what is lost is said", async ({ page, ada }) => {
  const bucket = await ada.bucket();
  await ada.put(bucket, ["a", "b"]);
  await ada.enter(page);
  await page.goto(at(`/buckets/${bucket}/delete`));
  await expect(page.getByText("2 objects (10 B) are lost.")).toBeVisible();
  const button = page.getByRole("button", { name: "Delete for ever" });
  const field = page.getByLabel(`Type the name to confirm: ${bucket}`);
  await field.fill("another");
  await expect(button).toBeDisabled();
  await field.fill(bucket);
  await button.click();
  await expect(page.getByText("You have no bucket yet.")).toBeVisible();
});

test("a quota, public reading and CORS are set", async ({ page, ada, request }) => {
  const bucket = await ada.bucket();
  await ada.put(bucket, ["hello.txt"]);
  await ada.enter(page);
  await page.goto(at(`/buckets/${bucket}/settings`));

  await page.getByLabel("GiB that the bucket may hold").fill("0.5");
  await page.getByRole("button", { name: "Save" }).first().click();
  await expect(page.getByText("of 512 MiB")).toBeVisible();

  const object = `http://${process.env.HAYRACK_S3}/${bucket}/hello.txt`;
  expect((await request.get(object)).status()).toBe(403);
  await page.getByRole("button", { name: "Let everybody read" }).click();
  await expect(page.getByText("Everybody can read")).toBeVisible();
  expect((await request.get(object)).status()).toBe(200);

  await page.getByLabel("Origins, one a line").fill("https://app.example");
  await page.getByLabel("PUT").check();
  await page.getByRole("button", { name: "Save" }).last().click();
  await expect(page.getByText("Saved.")).toHaveCount(2);
  const answer = await request.get(object, { headers: { origin: "https://app.example" } });
  expect(answer.headers()["access-control-allow-origin"]).toBe("https://app.example");

  await page.reload();
  await expect(page.getByLabel("PUT")).toBeChecked();
  await expect(page.getByLabel("Origins, one a line")).toHaveValue("https://app.example");
  await page.getByRole("button", { name: "Make it private" }).click();
  await expect(page.getByText("Only keys of this namespace")).toBeVisible();
  expect((await request.get(object)).status()).toBe(403);
});
