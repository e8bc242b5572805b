// Links by mail: a forgotten password, and a verified address.
import { at, expect, fresh, PASSWORD, test } from "./people";
import { lettersTo, linkIn } from "./mailbox";

const NEW = "battery staple horse";

test("a forgotten password is set anew by a link, once", async ({ page, browser, ada }) => {
  const other = await (await browser.newContext({ locale: "en-GB" })).newPage();
  await ada.enter(other);
  await page.goto(at("/log-in"));
  await page.getByLabel("E-mail address").fill(ada.email);
  await page.getByRole("link", { name: "Forgot your password?" }).click();
  await expect(page.getByLabel("E-mail address")).toHaveValue(ada.email);
  await page.getByRole("button", { name: "Send the link" }).click();
  await expect(page.getByText("If there is an account with this address")).toBeVisible();
  await expect.poll(() => lettersTo(ada.email)).toHaveLength(1);
  const place = linkIn(lettersTo(ada.email)[0]);

  await page.goto(at(place));
  await expect(page.getByLabel("New password")).toBeVisible();
  expect(page.url()).not.toContain("#");
  // What is refused, or does not arrive, stays typed.
  await page.getByLabel("New password").fill("aaaaaaaaaaaa");
  await page.getByRole("button", { name: "Set the password" }).click();
  await expect(page.getByText("harder to guess")).toBeVisible();
  await page.route("**/api/v1/auth/reset", (route) => route.abort());
  await page.getByLabel("New password").fill(NEW);
  await page.getByRole("button", { name: "Set the password" }).click();
  await expect(page.getByRole("alert")).toContainText("The server does not answer.");
  await expect(page.getByLabel("New password")).toHaveValue(NEW);
  await page.unroute("**/api/v1/auth/reset");
  await page.getByRole("button", { name: "Set the password" }).click();
  await expect(page.getByText("The new password is set")).toBeVisible();

  // It ended the session elsewhere.
  await other.reload();
  await expect(other.getByRole("heading", { name: "Log in" })).toBeVisible();
  await page.getByRole("link", { name: "Log in" }).click();
  await page.getByLabel("E-mail address").fill(ada.email);
  await page.getByLabel("Password").fill(NEW);
  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page.getByRole("heading", { name: "Buckets" })).toBeVisible();

  await other.goto(at(place));
  await other.getByLabel("New password").fill(`${NEW} again`);
  await other.getByRole("button", { name: "Set the password" }).click();
  await expect(other.getByRole("alert")).toContainText("This link was used already");
  await other.getByRole("link", { name: "Ask for another link" }).click();
  await expect(other.getByRole("heading", { name: "Forgot your password?" })).toBeVisible();
});

test("who has no account is answered the same, and gets no letter", async ({ page }) => {
  const email = `${fresh("nobody")}@example.com`;
  await page.goto(at("/forgot"));
  await page.getByLabel("E-mail address").fill(email);
  for (let tries = 0; tries < 3; tries += 1) {
    await page.getByRole("button", { name: "Send the link" }).click();
    await expect(page.getByText("If there is an account with this address")).toBeVisible();
  }
  await page.getByRole("button", { name: "Send the link" }).click();
  await expect(page.getByRole("alert")).toContainText("Too many");
  expect(lettersTo(email)).toEqual([]);
});

test("without a mail server the page says where the link is", async ({ page }) => {
  await page.route("**/api/v1/auth/forgot", (route) => route.fulfill({ status: 202, json: { delivery: "log" } }));
  await page.goto(at("/forgot"));
  await page.getByLabel("E-mail address").fill("ada@example.com");
  await page.getByRole("button", { name: "Send the link" }).click();
  await expect(page.getByText("the link is in the log of s3d")).toBeVisible();
});

test("who signs up in German verifies the address by a German letter", async ({ page }) => {
  const email = `${fresh("eva")}@example.com`;
  await page.goto(at("/sign-up"));
  await page.getByLabel("Language").selectOption("de");
  await page.getByLabel("E-Mail-Adresse").fill(email);
  await page.getByLabel("Passwort").fill(PASSWORD);
  await page.getByRole("button", { name: "Registrieren" }).click();
  await expect(page.getByText("Es gibt noch keinen Bucket.")).toBeVisible();
  await expect.poll(() => lettersTo(email)).toHaveLength(1);

  await page.getByRole("link", { name: email }).click();
  await expect(page.getByText("nicht bestätigt")).toBeVisible();
  await page.getByRole("button", { name: "Link zum Bestätigen senden" }).click();
  await expect.poll(() => lettersTo(email)).toHaveLength(2);
  const letter = lettersTo(email)[1];
  expect(letter).toContain("Innerhalb eines Tages");
  await page.goto(at(linkIn(letter)));
  await expect(page.getByText("Die Adresse ist bestätigt.")).toBeVisible();
  await page.getByRole("link", { name: "Konto" }).click();
  await expect(page.getByText("bestätigt", { exact: true })).toBeVisible();
});
