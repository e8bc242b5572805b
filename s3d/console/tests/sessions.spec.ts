// Where somebody is signed in, and ending it.
import type { Browser } from "@playwright/test";
import { api, at, expect, PASSWORD, Person, test } from "./people";

const FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/** The same person at another place. */
async function elsewhere(browser: Browser, ada: Person) {
  const page = await (await browser.newContext({ userAgent: FIREFOX, locale: "en-GB" })).newPage();
  await ada.enter(page);
  return page;
}

test("sessions are listed, and ended one by one or all at once", async ({ page, browser, ada }) => {
  const other = await elsewhere(browser, ada);
  await ada.enter(page);
  await page.getByRole("link", { name: ada.email }).click();
  const card = page.getByRole("region", { name: "Sessions", exact: true });
  const rows = card.getByRole("row");
  // The title's, this browser's, Firefox's, and that of the token that the test has.
  await expect(rows).toHaveCount(4);
  await expect(rows.filter({ hasText: "this one" })).toContainText("Chrome, Linux");
  await expect(rows.filter({ hasText: "this one" })).toContainText("127.0.0.1");
  await card.getByRole("button", { name: "End the session of Firefox, Linux at 127.0.0.1" }).click();
  await expect(rows).toHaveCount(3);
  await other.getByRole("link", { name: "Keys" }).click();
  await expect(other.getByRole("dialog", { name: "Your session has ended" })).toBeVisible();

  await card.getByRole("button", { name: "End all others" }).click();
  await expect(rows).toHaveCount(2);
  await expect(card.getByRole("button", { name: "End all others" })).toBeDisabled();
  await page.reload();
  await expect(rows).toHaveCount(2);
});

test("a changed password ends the other sessions, and what was typed stays when it is refused", async ({ page, browser, ada }) => {
  const other = await elsewhere(browser, ada);
  await ada.enter(page);
  await page.goto(at("/account"));
  const change = page.getByRole("button", { name: "Change the password" });
  await page.getByLabel("Current password").fill("not the password");
  await page.getByLabel("New password").fill("battery");
  await expect(page.getByText("3 more characters are needed.")).toBeVisible();
  await page.getByLabel("New password").fill("battery staple");
  await change.click();
  await expect(page.getByRole("alert")).toHaveText("The email address or the password is wrong.");
  await expect(page.getByLabel("New password")).toHaveValue("battery staple");
  await page.getByLabel("Current password").fill(PASSWORD);
  await change.click();
  await expect(page.getByText("The password is changed")).toBeVisible();
  const rows = page.getByRole("region", { name: "Sessions", exact: true }).getByRole("row");
  await expect(rows).toHaveCount(2);
  await other.reload();
  await expect(other.getByRole("heading", { name: "Log in" })).toBeVisible();
});

test("logging out ends the session, not only its cookie", async ({ page, context, request, ada }) => {
  await ada.enter(page);
  const [cookie] = await context.cookies();
  await page.getByRole("button", { name: "Log out" }).click();
  await expect(page.getByRole("heading", { name: "Log in" })).toBeVisible();
  const headers = { authorization: `Bearer ${cookie?.value}` };
  expect((await request.get(`${api()}/api/v1/user`, { headers })).status()).toBe(401);
});

test("an operator ends the sessions of a user", async ({ page, browser, request, ada }) => {
  const other = await elsewhere(browser, ada);
  await (await Person.operator(request)).enter(page);
  await page.goto(at("/account"));
  const card = page.getByRole("region", { name: "Sessions of other users" });
  const user = card.getByLabel("E-mail address of the user");
  await user.fill("nobody@example.com");
  await card.getByRole("button", { name: "Show the sessions" }).click();
  await expect(card.getByText("There is no user of this address.")).toBeVisible();
  await user.fill(ada.email);
  await card.getByRole("button", { name: "Show the sessions" }).click();
  await expect(card.getByRole("row").filter({ hasText: "Firefox, Linux" })).toBeVisible();
  await card.getByRole("button", { name: "End all sessions of this user" }).click();
  await expect(card.getByText("This user is signed in nowhere.")).toBeVisible();
  await other.reload();
  await expect(other.getByRole("heading", { name: "Log in" })).toBeVisible();
});
