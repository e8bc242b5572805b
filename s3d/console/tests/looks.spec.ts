import { AxeBuilder } from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { at, expect, Person, test } from "./people";

/** Every page, and a text that is there once it is loaded. */
const pages = (bucket: string, disk: string, tenant: string): [string, string][] => [
  ["/buckets", bucket],
  ["/new-bucket", "unique in the whole rack"],
  [`/buckets/${bucket}`, "folder/"],
  [`/buckets/${bucket}/object?key=file.txt`, "hello"],
  [`/buckets/${bucket}/connect`, "Snippets"],
  [`/buckets/${bucket}/settings`, "Only keys of this namespace"],
  [`/buckets/${bucket}/delete`, "There is no way back"],
  ["/keys", "Last used"],
  [`/buckets/${bucket}/usage`, "Read the value"],
  ["/rack", "Those of the node that answers"],
  ["/rack/volumes", "in sync"],
  ["/rack/add", "Waiting for the disk"],
  ["/rack/usage", "Read the value"],
  ["/rack/tenants", "noted within an hour"],
  [`/rack/tenants/${tenant}`, "Limits"],
  ["/rack/audit", "the newest first"],
  ["/rack/nodes/here", "The rack is this one node"],
  [`/rack/nodes/here/disks/${disk}`, "Wait until it is empty"],
  ["/account", "Sessions of other users"],
  ["/nowhere", "This address leads to no page"],
];

async function examine(page: Page, what: string) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const found = violations.map((it) => `${it.id}: ${it.nodes.map((node) => node.html).join("\n")}`);
  expect(found, what).toEqual([]);
}

for (const scheme of ["light", "dark"] as const) {
  test(`axe finds nothing on any page, ${scheme} and at 320 px and wide`, async ({ page, request }) => {
    // axe looks at some twenty pages.
    test.slow();
    const operator = await Person.operator(request);
    const bucket = await operator.bucket();
    await operator.put(bucket, ["file.txt", "folder/file.txt"]);
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
    const check = async (place: string, text: string) => {
      await page.goto(at(place));
      await expect(page.getByText(text).first()).toBeVisible();
      for (const width of [320, 1920]) {
        await page.setViewportSize({ width, height: 800 });
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        expect(wide, `${place} is too wide at ${width} px`).toBeLessThanOrEqual(0);
      }
      await examine(page, place);
    };
    await check("/log-in", "Forgot your password?");
    await check("/forgot", "Send the link");
    await check("/reset#nothing", "Set the password");
    await check("/verify#nothing", "This link was used already");
    await check("/enter#nothing", "This link was used already");
    await check("/sign-up", "10 characters or more");
    await operator.enter(page);
    const [disk] = (await operator.call("GET", "/nodes/here/disks")).disks;
    const [tenant] = (await operator.call("GET", "/tenants?limit=1")).tenants;
    for (const [place, text] of pages(bucket, disk.id, tenant.namespace)) await check(place, text);
    await operator.call("DELETE", `/buckets/${bucket}?force=true`);
  });
}

test("axe finds nothing in the dialogs of objects", async ({ page, ada }) => {
  const bucket = await ada.bucket();
  await ada.put(bucket, ["file.txt"]);
  // A button that becomes usable has neither colour for a moment.
  await page.emulateMedia({ reducedMotion: "reduce" });
  await ada.enter(page);
  await page.goto(at(`/buckets/${bucket}`));
  await page.getByLabel("Choose file.txt", { exact: true }).check();
  for (const name of ["Move or rename (1)", "Copy (1)", "Delete chosen (1)", "Share file.txt"]) {
    await page.getByRole("button", { name, exact: true }).click();
    await expect(page.getByRole("dialog")).toBeVisible();
    await examine(page, name);
    await page.keyboard.press("Escape");
    await expect(page.getByRole("dialog")).toBeHidden();
  }
});

test("who wants no motion sees none", async ({ page }) => {
  const duration = () =>
    page.getByRole("button", { name: "Log in" }).evaluate((it) => getComputedStyle(it).transitionDuration);
  await page.emulateMedia({ reducedMotion: "no-preference" });
  await page.goto(at("/log-in"));
  expect(await duration()).toBe("0.12s");
  await page.emulateMedia({ reducedMotion: "reduce" });
  expect(await duration()).toBe("0s");
});
