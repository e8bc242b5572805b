// A mail server as small as one can be: each letter that it takes is a file.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** A server on loopback, where its letters are, and what ends it. */
export async function startMailServer() {
  const folder = mkdtempSync(join(tmpdir(), "hayrack-mailbox-"));
  let count = 0;
  const keep = (letter: string) => {
    count += 1;
    writeFileSync(join(folder, String(count).padStart(6, "0")), letter);
  };
  const server = createServer((socket) => converse(socket, keep));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  const stop = () => {
    server.close();
    rmSync(folder, { recursive: true });
  };
  return { port, folder, stop };
}

function converse(socket: Socket, keep: (letter: string) => void) {
  let lines: string[] | undefined;
  const answer = (text: string) => socket.write(`${text}\r\n`);
  socket.on("error", () => socket.destroy());
  createInterface({ input: socket }).on("line", (line) => {
    if (lines && line === ".") {
      keep(lines.join("\r\n"));
      lines = undefined;
      answer("250 taken");
    } else if (lines) {
      lines.push(line);
    } else if (line === "DATA") {
      lines = [];
      answer("354 go on");
    } else {
      answer(line === "QUIT" ? "221 farewell" : "250 fine");
    }
  });
  answer("220 localhost");
}

/** The letters to an address, the oldest first, with the lines whole that quoted-printable broke. */
export function lettersTo(email: string): string[] {
  const folder = process.env.HAYRACK_MAILBOX as string;
  const letters = readdirSync(folder).sort().map((name) => readFileSync(join(folder, name), "utf8"));
  const whole = letters.map((letter) => letter.replaceAll("=\r\n", ""));
  return whole.filter((letter) => letter.includes(`To: ${email}\r\n`));
}

/** The place in the console that the link of a letter leads to. */
export function linkIn(letter: string | undefined): string {
  const [, place] = /http\S+\/console(\/\w+#\w+)/.exec(letter ?? "") ?? [];
  if (!place) throw new Error(`There is no link in: ${letter}`);
  return place;
}
