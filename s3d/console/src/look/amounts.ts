// Amounts as people read them.

/** What `make` makes of a language, made once: a format costs a hundred times what it writes. */
function once<T>(make: (language: string) => T): (language: string) => T {
  const made = new Map<string, T>();
  return (language) => {
    const known = made.get(language) ?? make(language);
    made.set(language, known);
    return known;
  };
}

const whole = once((language) => new Intl.NumberFormat(language, { maximumFractionDigits: 0 }));
const toTenths = once((language) => new Intl.NumberFormat(language, { maximumFractionDigits: 1 }));
const toMinute = once((language) => new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }));

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] as const;

/** Bytes in the largest unit of which there is at least one: `1.5 MiB`. */
export function bytesText(bytes: number, language = "en"): string {
  let [value, unit] = [bytes, 0];
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const format = unit > 0 && value < 10 ? toTenths : whole;
  return `${format(language).format(value)} ${UNITS[unit]}`;
}

const SPANS = [["day", 86_400], ["hour", 3_600], ["minute", 60]] as const;

/** Seconds in the largest unit of which there is at least one: `2 hours`; less than a minute counts as one. */
export function durationText(seconds: number, language = "en"): string {
  const [unit, length] = SPANS.find(([, length]) => seconds >= length) ?? (["minute", 60] as const);
  const count = Math.max(1, Math.round(seconds / length));
  return count.toLocaleString(language, { style: "unit", unit, unitDisplay: "long" });
}

/** A time of the server, as ISO 8601 or in milliseconds since 1970, to the minute and in the person's own zone. */
export function timeText(time: string | number, language = "en"): string {
  return toMinute(language).format(new Date(time));
}
