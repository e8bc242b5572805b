// A value over time, of which only the changes are known: each holds until the next one.

export interface Change {
  /** In milliseconds since 1970. */
  time: number;
  value: number;
}

/** The value at a time; nothing if nothing is known so early. */
export function valueAt(changes: Change[], time: number): number | undefined {
  return changes.filter((change) => change.time <= time).at(-1)?.value;
}

/** The end of a scale on which all values are: 1, 2, 5, 10 … 500 of a unit of which 1024 make the next. */
export function topOf(values: number[]): number {
  const most = Math.max(1, ...values);
  for (let unit = 1; ; unit *= 1024) {
    const fitting = [1, 2, 5, 10, 20, 50, 100, 200, 500].find((count) => count * unit >= most);
    if (fitting) return fitting * unit;
  }
}

/** The area below the values as a path of SVG, `width` for the whole time and `height` for `top`. */
export function areaOf(
  changes: Change[],
  [since, until]: [number, number],
  top: number,
  [width, height]: [number, number],
): string {
  const [first] = changes;
  if (!first) return "";
  const span = Math.max(1, until - since);
  const x = (time: number) => (((Math.max(time, since) - since) / span) * width).toFixed(2);
  const y = (value: number) => (height - (value / top) * height).toFixed(2);
  const steps = changes.map(({ time, value }) => `H${x(time)}V${y(value)}`);
  return `M${x(first.time)} ${height}${steps.join("")}H${x(until)}V${height}Z`;
}

/** `count` times, evenly from after `since` until `until`. */
export function timesOf([since, until]: [number, number], count: number): number[] {
  return Array.from({ length: count }, (_, at) => since + ((until - since) * (at + 1)) / count);
}
