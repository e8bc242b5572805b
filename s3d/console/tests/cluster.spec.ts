// How a rack of several nodes looks. Here one node runs, so the answers are made up; what the daemons do with several
// is tested where they are.
import { AxeBuilder } from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { at, expect, Person, test } from "./people";

const GIB = 2 ** 30;
const room = { capacityBytes: 100 * GIB, usedBytes: 25 * GIB, freeBytes: 75 * GIB };

function node(number: number, more: object = {}) {
  const name = `node-${number}`;
  return { number, name, slot: number * 2, here: number === 1, up: true, unreachable: null, drain: null, disks: 1, served: 3, room, ...more };
}

const moving = { state: "moving", begun: "2026-01-01T00:00:00.000Z", movedBytes: 5 * GIB, leftBytes: 15 * GIB, secondsLeft: 7_200 };

/** Has the server say that there are these nodes. */
async function answer(page: Page, nodes: object[], degraded = { volumes: 0, more: false, resyncLeftBytes: 0 }) {
  const json = { slots: 7, nodes, disks: [], volumes: 9, degraded, room, findings: [], moreFindings: 0 };
  await page.route("**/api/v1/rack", (route) => route.fulfill({ json }));
  await page.route("**/api/v1/nodes/*/disks", (route) => route.fulfill({ json: { disks: [] } }));
}

test("the mount has its slots, nodes in them, and resync in motion", async ({ page, request }) => {
  await (await Person.operator(request)).enter(page);
  await answer(page, [node(1), node(2, { up: false }), node(3, { drain: moving })], { volumes: 2, more: false, resyncLeftBytes: 3 * GIB });
  await page.goto(at("/rack"));
  await expect(page.getByRole("img", { name: "The mount: 3 of 7 slots are taken" })).toBeVisible();
  await expect(page.getByRole("listitem").filter({ hasText: "node-2" })).toContainText("down · slot 4");
  await expect(page.getByRole("listitem").filter({ hasText: "node-3" })).toContainText("being emptied");
  await expect(page.getByText("2 volumes lack something")).toBeVisible();
  await expect(page.getByText("3 GiB are yet to be compared")).toBeVisible();
  await page.setViewportSize({ width: 320, height: 800 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
  expect((await new AxeBuilder({ page }).analyze()).violations).toEqual([]);
});

test("a node is drained with progress; one that is down is removed when the loss was said and confirmed", async ({ page, request }) => {
  await (await Person.operator(request)).enter(page);
  await answer(page, [node(1), node(2)]);
  await page.route("**/api/v1/nodes/node-2/drain", async (route) => {
    await answer(page, [node(1), node(2, { drain: moving })]);
    await route.fulfill({ json: node(2, { drain: moving }) });
  });
  await page.goto(at("/rack/nodes/node-2"));
  await expect(page.getByText("25 GiB will be moved to others, which have room for 75 GiB.")).toBeVisible();
  await page.getByRole("button", { name: "Drain", exact: true }).click();
  await expect(page.getByText("5 GiB moved, 15 GiB left.")).toBeVisible();
  await expect(page.getByText("About 2 hours left.")).toBeVisible();
  await expect(page.getByRole("progressbar")).toHaveJSProperty("value", 0.25);
  expect((await new AxeBuilder({ page }).analyze()).violations).toEqual([]);

  await answer(page, [node(1), node(2, { up: false })]);
  const sentence = "Only node node-2 holds extents of 3 volumes.";
  await page.route("**/api/v1/nodes/node-2?acceptLoss=false", (route) =>
    route.fulfill({ status: 409, json: { code: "WouldLose", message: sentence, fields: {} } }),
  );
  await page.route("**/api/v1/nodes/node-2?acceptLoss=true", (route) => route.fulfill({ status: 204 }));
  await page.reload();
  await page.getByRole("button", { name: "Remove" }).click();
  await expect(page.getByRole("alert")).toHaveText(sentence);
  await page.getByLabel("Type this to confirm the loss: node-2").fill("node-2");
  await page.getByRole("button", { name: "Remove with the loss" }).click();
  await expect(page.getByText("The node is in the cluster no more.")).toBeVisible();
});
