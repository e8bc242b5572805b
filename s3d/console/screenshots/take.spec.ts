// Takes the pictures of the README.
import type { Page } from "@playwright/test";
import { at, expect, Person, test } from "../tests/people";

const take = (page: Page, name: string) => page.screenshot({ path: `screenshots/${name}.png` });

test("the pictures of the README", async ({ page, request }) => {
  const operator = await Person.operator(request);
  await operator.call("POST", "/buckets", { name: "photos" });
  await operator.put("photos", ["2026/alps.jpg", "2026/lake.jpg", "readme.txt", "notes.md"]);
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
  await operator.enter(page);
  await expect(page.getByRole("link", { name: "photos" })).toBeVisible();
  await take(page, "buckets");
  await page.goto(at("/buckets/photos"));
  await expect(page.getByText("notes.md")).toBeVisible();
  await page.emulateMedia({ colorScheme: "dark", reducedMotion: "reduce" });
  await take(page, "objects");
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
  await page.goto(at("/buckets/photos/connect"));
  await page.getByRole("button", { name: "Python" }).click();
  await take(page, "connect");
});
