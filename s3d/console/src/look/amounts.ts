// Amounts as people read them.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] as const;

/** Bytes in the largest unit of which there is at least one: `1.5 MiB`. */
export function bytesText(bytes: number, language = "en"): string {
  let [value, unit] = [bytes, 0];
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit > 0 && value < 10 ? 1 : 0;
  return `${value.toLocaleString(language, { maximumFractionDigits: digits })} ${UNITS[unit]}`;
}

const SPANS = [["day", 86_400], ["hour", 3_600], ["minute", 60]] as const;

/** Seconds in the largest unit of which there is at least one: `2 hours`; less than a minute counts as one. */
export function durationText(seconds: number, language = "en"): string {
  const [unit, length] = SPANS.find(([, length]) => seconds >= length) ?? (["minute", 60] as const);
  const count = Math.max(1, Math.round(seconds / length));
  return count.toLocaleString(language, { style: "unit", unit, unitDisplay: "long" });
}

/** A time of the server, to the minute and in the person's own zone. */
export function timeText(iso: string, language = "en"): string {
  return new Date(iso).toLocaleString(language, { dateStyle: "medium", timeStyle: "short" });
}
