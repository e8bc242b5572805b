import { existsSync } from "node:fs";
import { defineConfig } from "@playwright/test";

/** Debian's; the browsers that Playwright brings are not needed. */
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium-headless-shell";
if (!existsSync(CHROMIUM)) throw new Error(`There is no ${CHROMIUM}: install chromium-headless-shell, or set CHROMIUM.`);

export default defineConfig({
  testDir: "tests",
  globalSetup: "./tests/rack.ts",
  workers: 1,
  timeout: 60_000,
  expect: { timeout: 10_000 },
  forbidOnly: Boolean(process.env.CI),
  reporter: [["list"]],
  outputDir: "test-results",
  use: {
    browserName: "chromium",
    locale: "en-GB",
    permissions: ["clipboard-read", "clipboard-write"],
    launchOptions: {
      executablePath: CHROMIUM,
      // Root has no sandbox, and nothing here asks for anything beyond this machine.
      args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
    },
  },
});
