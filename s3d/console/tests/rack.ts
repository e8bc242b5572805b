// Starts Hayrack as `make run` does, for all tests together, and stops it behind them.
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { startMailServer } from "./mailbox";

const START_LIMIT_MS = 60_000;

/** The folder of the daemons under test. */
export const programs = resolve(process.env.HAYRACK_BIN_DIR ?? "../../target/debug");

export default async function start() {
  const data = mkdtempSync(join(tmpdir(), "hayrack-console-"));
  const [s3, api] = [await freeAddress(), await freeAddress()];
  const mail = await startMailServer();
  const environment = {
    ...process.env,
    HAYRACK_DATA: data,
    HAYRACK_S3_LISTEN: s3,
    HAYRACK_API_LISTEN: api,
    S3D_USAGE_SECONDS: "1",
    S3D_MAIL_SERVER: "127.0.0.1",
    S3D_MAIL_PORT: String(mail.port),
    S3D_MAIL_TLS: "none",
    S3D_MAIL_FROM: "Hayrack <hayrack@example.org>",
  };
  const child = spawn(join(programs, "s3d"), ["quickstart"], {
    env: environment,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const printed = await ready(child);
  process.env.HAYRACK_FIRST_USE = /http\S+\/console\/enter#\w+/.exec(printed)?.[0] ?? "";
  for (const line of readFileSync(join(data, "env"), "utf8").split("\n")) {
    const [, name, value] = /^(?:export )?([A-Z_0-9]+)='?(.*?)'?$/.exec(line) ?? [];
    // What the tests run gets only what a snippet sets.
    if (name?.startsWith("HAYRACK_")) process.env[name] = value;
  }
  process.env.HAYRACK_S3 = s3;
  process.env.HAYRACK_TEST_DATA = data;
  process.env.HAYRACK_TEST_PROGRAMS = programs;
  process.env.HAYRACK_MAILBOX = mail.folder;
  return async () => {
    const ended = new Promise((done) => child.once("exit", done));
    child.kill("SIGTERM");
    await ended;
    mail.stop();
    rmSync(data, { recursive: true });
  };
}

/** Until it has printed its last line; answers all of them. */
function ready(child: ChildProcess): Promise<string> {
  return new Promise((done, fail) => {
    let printed = "";
    const timer = setTimeout(() => fail(new Error(`Hayrack did not start:\n${printed}`)), START_LIMIT_MS);
    child.once("error", (error) => fail(new Error(`${error.message}: build volumed and s3d first`)));
    child.once("exit", () => fail(new Error(`Hayrack ended:\n${printed}`)));
    const read = (text: Buffer) => {
      printed += String(text);
      if (!printed.includes("Hayrack is ready")) return;
      clearTimeout(timer);
      done(printed);
    };
    child.stdout?.on("data", read);
    child.stderr?.on("data", read);
  });
}

export async function freeAddress(): Promise<string> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return `127.0.0.1:${port}`;
}
