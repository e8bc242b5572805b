import tests from "./playwright.config.ts";

export default { ...tests, testDir: "screenshots", use: { ...tests.use, viewport: { width: 900, height: 560 } } };
