// Whether a name can be a bucket's, said while it is typed. The server has the last word.

/** The text that says what is wrong with a name; none if it can be one. */
export type NameRule = "length" | "character" | "ends" | "address" | "reserved";

const RESERVED_STARTS = ["xn--", "sthree-", "amzn-s3-demo-"];
const RESERVED_ENDS = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];

export function brokenRule(name: string): NameRule | undefined {
  if (!/^[a-z0-9.-]*$/.test(name)) return "character";
  if (name.length < 3 || name.length > 63) return "length";
  if (!name.split(".").every((part) => /^[a-z0-9](.*[a-z0-9])?$/.test(part))) return "ends";
  if (/^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$/.test(name)) return "address";
  const reserved =
    RESERVED_STARTS.some((start) => name.startsWith(start)) ||
    RESERVED_ENDS.some((end) => name.endsWith(end));
  return reserved ? "reserved" : undefined;
}
