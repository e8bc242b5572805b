import tests from "./playwright.config";

export default { ...tests, testDir: "measure", timeout: 3_600_000 };
