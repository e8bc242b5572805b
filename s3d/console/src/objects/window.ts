// Which rows of a long list are in sight.

/** The rows from `first` up to `end`, which is not included. */
export interface Rows {
  first: number;
  end: number;
}

/** Rows beyond each edge, so that scrolling finds them there. */
const BEYOND = 8;

/** The rows to draw of `count`, when `height` pixels are in sight below `top`. */
export function rowsInSight(count: number, rowHeight: number, top: number, height: number): Rows {
  const first = Math.floor(top / rowHeight) - BEYOND;
  const end = Math.ceil((top + height) / rowHeight) + BEYOND;
  return { first: Math.max(0, Math.min(first, count)), end: Math.max(0, Math.min(end, count)) };
}
