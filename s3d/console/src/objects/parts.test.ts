import { expect, test } from "vitest";
import { partsOf } from "./parts";

const MIB = 2 ** 20;

test.each([0, 1, 8 * MIB, 8 * MIB + 1, 5 * 2 ** 40])("the parts of %d bytes are all of it, each once", (bytes) => {
  const parts = partsOf(bytes);
  expect(parts.length).toBeLessThanOrEqual(10_000);
  let end = 0;
  parts.forEach((part, index) => {
    expect(part.number).toBe(index + 1);
    expect(part.start).toBe(end);
    end = part.end;
  });
  expect(end).toBe(bytes);
  for (const part of parts.slice(0, -1)) expect(part.end - part.start).toBeGreaterThanOrEqual(5 * MIB);
});
