// What an operator does with the machines. The rack under test is one node; its first disk is emptied for good here.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { at, expect, fresh, Person, test } from "./people";

const data = () => process.env.HAYRACK_TEST_DATA as string;
const pathOf = (disk: string) => join(data(), disk);

/** Types a command on the node. */
function volumed(...words: string[]) {
  const program = join(process.env.HAYRACK_TEST_PROGRAMS as string, "volumed");
  return execFileSync(program, [...words, "--socket", join(data(), "volumed/admin.sock")], { encoding: "utf8" });
}

test("a disk is added, the first one drained, kept, drained and removed, and another added", async ({ page, request }) => {
  const operator = await Person.operator(request);
  const bucket = await operator.bucket();
  await operator.put(bucket, ["kept.txt"]);
  await operator.enter(page);
  const add = async (name: string) => {
    await page.goto(at("/rack/add"));
    await page.getByLabel("Folder of its file system").fill(pathOf(name));
    await expect(page.getByText("Waiting for the disk to appear")).toBeVisible();
    const command = await page.locator("pre").first().innerText();
    expect(command).toBe(`volumed disk add ${pathOf(name)}`);
    volumed(...command.split(" ").slice(1));
    await expect(page.getByText(`${pathOf(name)} is in the pool.`)).toBeVisible();
  };
  await add("disk1");

  await page.getByRole("link", { name: "Overview" }).click();
  await page.getByRole("link", { name: pathOf("disk0") }).click();
  await expect(page.getByText("will be moved to others, which have room for")).toBeVisible();
  await expect(page.getByRole("button", { name: "Remove" })).toBeDisabled();
  await page.getByRole("button", { name: "Drain", exact: true }).click();
  await page.getByRole("button", { name: "Call it off and use it again" }).click();
  await expect(page.getByRole("button", { name: "Drain", exact: true })).toBeVisible();

  // What still holds something is not removed, and the daemon says why.
  const { disks } = await operator.call("GET", "/nodes/here/disks");
  const second = disks.find((it: { path: string }) => it.path === pathOf("disk1"));
  const refused = await page.evaluate(async (id) => {
    const answer = await fetch(`/api/v1/nodes/here/disks/${id}`, { method: "DELETE" });
    return { status: answer.status, ...(await answer.json()) };
  }, disks.find((it: { path: string }) => it.path === pathOf("disk0")).id);
  expect(refused).toMatchObject({ status: 409, code: expect.stringMatching(/DiskState|WouldLose/) });
  expect(refused.message).toContain("volumed disk drain");
  expect(second.state).toBe("online");

  await page.getByRole("button", { name: "Drain", exact: true }).click();
  await expect(page.getByText("It is empty.")).toBeVisible({ timeout: 30_000 });
  await page.getByRole("button", { name: "Remove" }).click();
  await expect(page.getByText("The disk is in the pool no more.")).toBeVisible();
  await add("disk2");
  const left = (await operator.call("GET", "/nodes/here/disks")).disks.map((it: { path: string }) => it.path);
  expect(left.sort()).toEqual([pathOf("disk1"), pathOf("disk2")]);

  // Nothing was lost, and what was done is in the audit log.
  await page.goto(at(`/buckets/${bucket}/object?key=kept.txt`));
  await expect(page.getByText("hello")).toBeVisible();
  await page.goto(at("/rack/audit"));
  await page.getByLabel("Action").fill("removeDisk");
  await page.getByRole("button", { name: "Find" }).click();
  await expect(page.getByRole("cell", { name: "204" })).toBeVisible();
  await expect(page.getByRole("cell", { name: "createBucket" })).toHaveCount(0);
});

test("a node in no cluster says what comes first", async ({ page, request }) => {
  const operator = await Person.operator(request);
  await operator.enter(page);
  await page.goto(at("/rack/nodes/here"));
  await expect(page.getByText("The rack is this one node.")).toBeVisible();
  await page.goto(at("/rack/add"));
  await page.getByLabel("Name").fill("node-2");
  await page.getByLabel("Address").fill("10.77.0.12");
  await page.getByRole("button", { name: "Make a token" }).click();
  await expect(page.getByRole("alert")).toContainText("volumed cluster init");
});

test("volumes are shown with their buckets, and only those that lack something", async ({ page, request }) => {
  const operator = await Person.operator(request);
  const bucket = await operator.bucket();
  await operator.enter(page);
  await page.goto(at("/rack/volumes"));
  const row = page.getByRole("row").filter({ hasText: bucket });
  await expect(row).toContainText("in sync");
  await expect(row).toContainText("1 EiB");
  await page.getByLabel("Only those that lack something").check();
  await expect(page.getByText("No volume lacks anything.")).toBeVisible();
});

test("what a bucket, a tenant and the disks held is read by keyboard and as a table", async ({ page, request }) => {
  const operator = await Person.operator(request);
  const bucket = await operator.bucket();
  await operator.put(bucket, ["a.txt"], "x".repeat(4096));
  await operator.enter(page);
  await page.goto(at(`/buckets/${bucket}/usage`));
  const slider = page.getByLabel("Read the value at a time");
  await expect(slider).toHaveAttribute("aria-valuetext", /: 4 KiB$/);
  await slider.press("Home");
  await expect(slider).toHaveAttribute("aria-valuetext", /: not known$/);
  await page.getByText("As a table").click();
  await expect(page.getByRole("row")).toHaveCount(31);
  await expect(page.getByRole("row").nth(1)).toContainText("4 KiB");
  await page.getByLabel("two years").check();
  await expect(page.getByRole("row")).toHaveCount(25);
  await page.goto(at("/rack/usage"));
  await expect(page.getByText("What the disks held")).toBeVisible();

  // The samplers look each second here; what is noted outlives the bucket's being open.
  const { namespaces } = await operator.call("GET", "/user");
  await expect
    .poll(async () => (await operator.call("GET", `/namespaces/${namespaces[0].name}/usage`)).points.at(-1).bytes)
    .toBeGreaterThanOrEqual(4096);
  await page.goto(at("/rack/tenants"));
  await page.getByRole("link", { name: namespaces[0].name, exact: true }).click();
  await expect(page.getByLabel("Read the value at a time")).toHaveAttribute("aria-valuetext", /[KM]iB$/);
});

test("a tenant's limits are edited", async ({ page, request }) => {
  const operator = await Person.operator(request);
  const name = fresh("limited");
  await operator.call("POST", "/namespaces", { name });
  await operator.enter(page);
  await page.goto(at(`/rack/tenants/${name}`));
  const buckets = page.getByLabel("Buckets", { exact: true });
  await buckets.fill("many");
  await expect(page.getByText("Write a whole number, 0 or more.")).toBeVisible();
  await expect(page.getByRole("button", { name: "Save" })).toBeDisabled();
  await buckets.fill("1");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("Saved.")).toBeVisible();
  expect(await operator.call("GET", `/namespaces/${name}/limits`)).toEqual({ buckets: 1, keys: null });
  await page.goto(at("/rack/tenants"));
  await expect(page.getByRole("row").filter({ hasText: name })).toContainText("0 of 1");
});

test("a user is found by the address, and named in the audit log", async ({ page, request, ada }) => {
  await (await Person.operator(request)).enter(page);
  await ada.bucket();
  await page.goto(at("/rack/tenants"));
  const rows = page.getByRole("region", { name: "Users" }).getByRole("row");
  await page.getByLabel("Address starts with").fill(ada.email.toUpperCase());
  await page.getByRole("button", { name: "Find users" }).click();
  await expect(rows).toHaveCount(2);
  await expect(rows.last()).toContainText(ada.email);
  await page.getByLabel("Address starts with").fill("nobody");
  await page.getByRole("button", { name: "Find users" }).click();
  await expect(page.getByText("No user's address starts so.")).toBeVisible();
  await page.goto(at("/rack/audit"));
  await expect(page.getByRole("row").filter({ hasText: "createBucket" }).first()).toContainText(ada.email);
});
