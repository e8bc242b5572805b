import { expect, test } from "vitest";
import { addDisk, joinCluster, shellWord } from "./commands";

test("plain words stay as they are, others are quoted", () => {
  expect(shellWord("/srv/ssd-1")).toBe("/srv/ssd-1");
  expect(shellWord("/srv/my disk")).toBe("'/srv/my disk'");
  expect(shellWord("it's; rm")).toBe("'it'\\''s; rm'");
  expect(shellWord("")).toBe("''");
});

test("commands are those of volumed", () => {
  expect(addDisk("/srv/ssd1")).toBe("volumed disk add /srv/ssd1");
  expect(joinCluster("node-4", "10.0.0.4", "abc")).toBe(
    "volumed cluster join --config /etc/hayrack/volumed.toml --name node-4 --address 10.0.0.4 --token abc",
  );
});
