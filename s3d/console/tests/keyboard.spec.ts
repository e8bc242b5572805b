import type { Page } from "@playwright/test";
import { at, expect, fresh, PASSWORD, test } from "./people";

/** Presses Tab until the focus is on what is wanted. */
async function tabTo(page: Page, name: string) {
  for (let presses = 0; presses < 40; presses += 1) {
    await page.keyboard.press("Tab");
    const focused = page.locator(":focus");
    const label = await focused.evaluate((it) => {
      const labels = "labels" in it ? [...((it as HTMLInputElement).labels ?? [])] : [];
      return it.getAttribute("aria-label") ?? (labels[0] ?? it).textContent?.trim();
    });
    if (label === name) return;
  }
  throw new Error(`Tab does not lead to ${name}`);
}

test("log in, create and delete by the keyboard alone", async ({ page, ada }) => {
  await page.goto(at("/log-in"));
  await expect(page.getByRole("button", { name: "Log in" })).toBeVisible();
  await tabTo(page, "E-mail address");
  await page.keyboard.type(ada.email);
  await tabTo(page, "Password");
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press("Enter");
  await expect(page.getByText("You have no bucket yet.")).toBeVisible();

  await tabTo(page, "Create a bucket");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "Create a bucket" })).toBeVisible();
  await tabTo(page, "Name");
  const name = fresh("typed");
  await page.keyboard.type(name);
  await page.keyboard.press("Enter");
  await expect(page.getByText("The secret is shown once")).toBeVisible();
  await expect(page.locator("main")).toContainText("Provisioned");

  await tabTo(page, "Delete");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "Delete the bucket" })).toBeVisible();
  await tabTo(page, `Type the name to confirm: ${name}`);
  await page.keyboard.type(name);
  await page.keyboard.press("Enter");
  await expect(page.getByText("You have no bucket yet.")).toBeVisible();
});
