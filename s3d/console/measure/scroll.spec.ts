// Measures how a folder of very many keys is scrolled: frames, and the memory of the tab. KEYS is how many (100,000);
// BUCKET is one of the operator's that has them already.
import { readdirSync, readFileSync } from "node:fs";
import type { Page } from "@playwright/test";
import { at, expect, Person, test } from "../tests/people";

const KEYS = Number(process.env.KEYS ?? 100_000);
const MIB = 2 ** 20;

test("a folder of very many keys is scrolled", async ({ page, request }) => {
  const operator = await Person.operator(request);
  const bucket = process.env.BUCKET ?? (await filled(operator));
  await operator.enter(page);
  await page.goto(at(`/buckets/${bucket}?prefix=many/`));
  await expect(page.getByText("1000 entries, and more")).toBeVisible();
  const empty = renderers();

  const loading = await scroll(page, KEYS);
  const known = await scroll(page, KEYS);
  const [pid, full] = Object.entries(renderers()).sort(([, a], [, b]) => b.own - a.own)[0] ?? ["", NOTHING];
  const client = await page.context().newCDPSession(page);
  await client.send("HeapProfiler.collectGarbage");
  await client.send("Performance.enable");
  const { metrics } = await client.send("Performance.getMetrics");
  const heap = metrics.find((it) => it.name === "JSHeapUsedSize")?.value ?? 0;
  console.log(`${KEYS} keys; scrolled while they come: ${text(loading)}; scrolled once more: ${text(known)}`);
  const memory = ({ own, resident }: Memory) => `${mib(own)} of its own (${mib(resident)} with what browsers share)`;
  console.log(`script memory ${mib(heap)}; the tab's process ${memory(full)}; with 1,000 keys ${memory(empty[pid] ?? NOTHING)}`);
  expect(await page.getByRole("row").count()).toBeLessThan(60);
});

/** A bucket with a folder of so many keys. */
async function filled(operator: Person): Promise<string> {
  const bucket = await operator.bucket();
  const name = (index: number) => `many/${String(index).padStart(9, "0")}.jpg`;
  for (let first = 0; first < KEYS; first += 10_000) {
    const count = Math.min(10_000, KEYS - first);
    await operator.put(bucket, Array.from({ length: count }, (_, index) => name(first + index)), "");
  }
  return bucket;
}

interface Frames {
  seconds: number;
  /** Milliseconds between two frames: the middle, and one in a hundred is longer than the other. */
  middle: number;
  slow: number;
}

const text = ({ seconds, middle, slow }: Frames) =>
  `${seconds.toFixed(1)} s, a frame each ${middle.toFixed(1)} ms, 99 of 100 within ${slow.toFixed(1)} ms`;
const mib = (bytes: number) => `${(bytes / MIB).toFixed(0)} MiB`;

/** Scrolls from the top to the end by 2,000 pixels a frame, as far as keys have come. */
const scroll = (page: Page, keys: number): Promise<Frames> =>
  page.getByRole("table", { name: "Objects" }).evaluate(async (list, keys) => {
    const frame = () => new Promise<number>((done) => requestAnimationFrame(done));
    const times: number[] = [];
    const began = performance.now();
    list.scrollTop = 0;
    let last = await frame();
    while (list.scrollHeight < keys * 32 || list.scrollTop + list.clientHeight < list.scrollHeight - 64) {
      list.scrollTop += 2_000;
      const now = await frame();
      times.push(now - last);
      last = now;
    }
    times.sort((a, b) => a - b);
    const of = (share: number) => times[Math.floor(times.length * share)] ?? 0;
    return { seconds: (performance.now() - began) / 1_000, middle: of(0.5), slow: of(0.99) };
  }, keys);

/** Bytes of a process in memory: those that it shares with none, and with its program and what is shared. */
interface Memory {
  own: number;
  resident: number;
}

const NOTHING: Memory = { own: 0, resident: 0 };

/** The memory of each process of a browser that shows pages, by its id. */
function renderers(): Record<string, Memory> {
  const found: Record<string, Memory> = {};
  for (const pid of readdirSync("/proc").filter((it) => /^\d+$/.test(it))) {
    try {
      if (!readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("--type=renderer")) continue;
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      const bytes = (what: string) => Number(new RegExp(`${what}:\\s+(\\d+) kB`).exec(status)?.[1] ?? 0) * 1_024;
      found[pid] = { own: bytes("RssAnon"), resident: bytes("VmRSS") };
    } catch {
      // It ended meanwhile.
    }
  }
  return found;
}
