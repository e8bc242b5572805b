import { at, expect, fresh, PASSWORD, test } from "./people";

test("somebody signs up, logs out and logs in again", async ({ page, context }) => {
  const email = `${fresh("eve")}@example.com`;
  await page.goto(at("/sign-up"));
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("Password").fill("short");
  await expect(page.getByText("5 more characters are needed.")).toBeVisible();
  await page.getByRole("button", { name: "Sign up" }).click();
  await expect(page.getByRole("alert")).toBeVisible();
  // What was typed is still there.
  await expect(page.getByLabel("E-mail address")).toHaveValue(email);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign up" }).click();
  await expect(page.getByText("You have no bucket yet.")).toBeVisible();

  const [session] = await context.cookies();
  expect(session).toMatchObject({ httpOnly: true, sameSite: "Strict", path: "/api/v1" });
  const readable = await page.evaluate(() => document.cookie + JSON.stringify({ ...localStorage, ...sessionStorage }));
  expect(readable).not.toContain(session?.value as string);

  await page.getByRole("button", { name: "Log out" }).click();
  await expect(page.getByRole("heading", { name: "Log in" })).toBeVisible();
  expect(await context.cookies()).toEqual([]);
  // Where somebody wanted to go is where they come out.
  await page.goto(at("/keys"));
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("Password").fill("wrong");
  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page.getByRole("alert")).toHaveText("The email address or the password is wrong.");
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page.getByRole("heading", { name: "Keys", exact: true })).toBeVisible();
});

test("a session that ends in the middle of a form loses nothing", async ({ page, context, ada }) => {
  await ada.enter(page);
  await page.getByRole("link", { name: "Create a bucket" }).click();
  const name = fresh("kept");
  const asked = page.waitForResponse((it) => it.url().includes("/bucket-names/"));
  await page.getByLabel("Name", { exact: true }).fill(name);
  await asked;
  await context.clearCookies();
  await page.getByRole("button", { name: "Create" }).click();
  const dialog = page.getByRole("dialog", { name: "Your session has ended" });
  await dialog.getByLabel("Password").fill(PASSWORD);
  await dialog.getByRole("button", { name: "Log in" }).click();
  await expect(dialog).toBeHidden();
  await expect(page.getByLabel("Name", { exact: true })).toHaveValue(name);
  await page.getByRole("button", { name: "Create" }).click();
  await expect(page.getByText("The secret is shown once")).toBeVisible();
});

test("a server that is away is said, with a way on", async ({ page, ada }) => {
  await ada.enter(page);
  await page.route("**/api/v1/keys", (route) => route.abort());
  await page.getByRole("link", { name: "Keys" }).click();
  const problem = page.getByRole("alert");
  await expect(problem).toContainText("The server does not answer.");
  await page.unroute("**/api/v1/keys");
  await problem.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByText("There are no keys.")).toBeVisible();
});

test("the console speaks German, too", async ({ page, ada }) => {
  await ada.enter(page);
  await page.getByLabel("Language").selectOption("de");
  await expect(page.getByText("Es gibt noch keinen Bucket.")).toBeVisible();
  await page.reload();
  await expect(page.getByRole("link", { name: "Bucket anlegen" })).toBeVisible();
  await expect(page.locator("html")).toHaveAttribute("lang", "de");
});

test("the link of a first start signs the operator in, once", async ({ page, browser }) => {
  const link = process.env.HAYRACK_FIRST_USE as string;
  await page.goto(link);
  await expect(page.getByRole("heading", { name: "Buckets" })).toBeVisible();
  await expect(page.getByRole("link", { name: "Rack", exact: true })).toBeVisible();
  expect(page.url()).not.toContain("#");

  const second = await (await browser.newContext({ locale: "en-GB" })).newPage();
  await second.goto(link);
  await expect(second.getByRole("alert")).toContainText("This link was used already");
  await second.getByRole("link", { name: "Log in" }).click();
  await expect(second.getByRole("heading", { name: "Log in" })).toBeVisible();
});
