// A pool that is full. It has daemons of its own, on a small disk.
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { at, exchange, expect, PASSWORD, test } from "./people";
import { freeAddress, programs } from "./rack";

const MIB = 2 ** 20;

const folder = mkdtempSync(join(tmpdir(), "hayrack-full-"));
const file = (name: string) => join(folder, name);
const daemons: ChildProcess[] = [];
const before = { ...process.env };

function start(program: string, ...args: string[]) {
  daemons.push(spawn(join(programs, program), args, { stdio: "ignore" }));
}

const answers = (socket: string) =>
  new Promise<boolean>((done) => {
    const connection = connect(socket, () => done(true)).on("error", () => done(false));
    connection.unref();
  });

test.beforeAll(async () => {
  const [s3, api] = [await freeAddress(), await freeAddress()];
  mkdirSync(file("disk"));
  writeFileSync(file("volumed.toml"), `disks = [{ path = "${file("disk")}", capacity = "96MiB", reserve = "0" }]\n`);
  start("volumed", "serve", "--data", file("volumed"), "--config", file("volumed.toml"));
  const place = ["--data", file("s3d"), "--volumed", file("volumed/admin.sock"), "--store", file("volumed/meta.db")];
  const listen = ["--s3-listen", s3, "--api-listen", api, "--domain", "localhost"];
  await expect.poll(() => answers(file("volumed/admin.sock"))).toBe(true);
  const adding = ["user", "add", "op@example.com", "--operator", "--password-stdin", ...place];
  execFileSync(join(programs, "s3d"), adding, { input: PASSWORD });
  start("s3d", "serve", ...place, ...listen);
  const mine = { HAYRACK_API_URL: `http://${api}`, HAYRACK_S3: s3, HAYRACK_EMAIL: "op@example.com", HAYRACK_PASSWORD: PASSWORD };
  Object.assign(process.env, mine);
  await expect.poll(() => fetch(`http://${api}/readyz`).then((it) => it.ok, () => false)).toBe(true);
});

test.afterAll(async () => {
  for (const daemon of daemons.reverse()) {
    const ended = new Promise((done) => daemon.once("exit", done));
    if (daemon.kill("SIGTERM")) await ended;
  }
  Object.assign(process.env, before);
  rmSync(folder, { recursive: true });
});

test("a full pool is said, and uploads go on once there is room", async ({ page, ada }) => {
  const bucket = await ada.bucket();
  const text = "x".repeat(4 * MIB);
  const put = async (key: string) => {
    const { urls } = await ada.call("POST", `/buckets/${bucket}/presigned-urls`, { requests: [{ method: "PUT", key }] });
    return (await exchange("PUT", urls[0], text)).status;
  };
  let stored = 0;
  while ((await put(`filler-${stored}`)) === 200) stored += 1;
  expect(stored).toBeGreaterThan(3);

  await ada.enter(page);
  await page.goto(at(`/buckets/${bucket}`));
  const more = { name: "more.bin", mimeType: "application/octet-stream", buffer: Buffer.alloc(4 * MIB) };
  await page.getByLabel("Upload files", { exact: true }).last().setInputFiles(more);
  const upload = page.getByRole("listitem");
  await expect(upload.getByRole("alert")).toContainText("The rack is full.");

  for (const number of [0, 1, 2]) await page.getByLabel(`Choose filler-${number}`, { exact: true }).check();
  await page.getByRole("button", { name: "Delete chosen (3)" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete for ever" }).click();
  await expect(page.getByLabel("Choose filler-2", { exact: true })).toHaveCount(0);
  await expect(async () => {
    await upload.getByRole("button", { name: "Try again" }).click({ timeout: 1_000 });
    await expect(upload).toContainText("stored", { timeout: 2_000 });
  }).toPass();
});
