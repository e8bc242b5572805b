import { api, at, expect, test } from "./people";

const KIB = 1024;
const FIRST_LOAD = 250 * KIB;

test("a tenant's page can do nothing with the console or its session", async ({ page, ada, context }) => {
  const bucket = await ada.bucket();
  await ada.put(bucket, ["page.html"], `<iframe src="${at("/log-in")}"></iframe>`, "text/html");
  const { urls } = await ada.call("POST", `/buckets/${bucket}/presigned-urls`, {
    requests: [{ method: "GET", key: "page.html" }],
  });
  await ada.enter(page);
  const stranger = await context.newPage();
  const refused: string[] = [];
  stranger.on("console", (it) => refused.push(it.text()));
  await stranger.goto(urls[0]);
  await expect.poll(() => refused.join()).toContain("frame-ancestors 'none'");

  const spoken = await page.request.post(`${api()}/api/v1/buckets`, {
    headers: { origin: `http://${process.env.HAYRACK_S3}` },
    data: { name: "never-made" },
  });
  expect(spoken.status()).toBe(403);
  expect((await spoken.json()).code).toBe("OtherOrigin");
  const { buckets } = await ada.call("GET", "/buckets");
  expect(buckets).toHaveLength(1);
});

test("the page runs under a policy that allows nothing inline", async ({ page, errors }) => {
  const answer = await page.goto(at("/buckets/some/deep/link"));
  const headers = answer?.headers() ?? {};
  expect(headers["content-security-policy"]).toContain("default-src 'none'");
  expect(headers["content-security-policy"]).not.toContain("unsafe");
  expect(headers["cache-control"]).toBe("no-cache");
  const ran = await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "window.inlineRan = true";
    document.head.append(script);
    return "inlineRan" in window;
  });
  expect(ran).toBe(false);
  // Chromium says so.
  expect(errors.splice(0).join()).toContain("script-src 'self'");
});

test("the first load is small, and kept", async ({ page, errors }) => {
  const client = await page.context().newCDPSession(page);
  await client.send("Network.enable");
  let loaded = 0;
  client.on("Network.loadingFinished", (it) => (loaded += it.encodedDataLength));
  const caching: string[] = [];
  page.on("response", (it) => {
    if (it.url().includes("/assets/")) caching.push(it.headers()["cache-control"] ?? "");
  });
  await page.goto(at("/buckets"), { waitUntil: "networkidle" });
  expect(loaded).toBeGreaterThan(10 * KIB);
  expect(loaded).toBeLessThanOrEqual(FIRST_LOAD);
  console.log(`first load: ${(loaded / KIB).toFixed(1)} KiB`);
  expect(new Set(caching)).toEqual(new Set(["public, max-age=31536000, immutable"]));
  expect(errors).toEqual([]);
});
