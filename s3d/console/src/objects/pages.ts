// The entries of a folder in their order, page by page, of which only those near what is in sight are in memory: however
// long a folder is, it costs the browser little more than its first pages.
import type { Entry, Page } from "./entries";
import type { Rows } from "./window";

/** Pages that stay in memory on either side of those in sight. */
const NEAR = 4;

/** How far beyond the rows in sight pages are asked for, in heights of these. */
const AHEAD = 4;

interface Slot {
  /** What asks for it; nothing asks for the first one. */
  after: string | undefined;
  /** The row that it begins with, and how many it has. */
  first: number;
  count: number;
  /** Nothing while it is not in memory. */
  entries: readonly Entry[] | undefined;
}

/** A page to ask for. */
export interface Wanted {
  /** Which one, counted from 0. */
  number: number;
  after: string | undefined;
}

export class Pages {
  private readonly slots: Slot[] = [];
  private next: string | undefined;

  /** The rows of all pages that came so far. */
  get count(): number {
    const last = this.slots.at(-1);
    return last ? last.first + last.count : 0;
  }

  /** Whether there are rows beyond these. */
  get more(): boolean {
    return this.slots.length === 0 || this.next !== undefined;
  }

  /** What is in a row; nothing while that is not in memory. */
  at(row: number): Entry | undefined {
    const slot = this.slots[this.numberOf(row)];
    return slot?.entries?.[row - slot.first];
  }

  /** The page to ask for when these rows are in sight: one of theirs, one near them, or the one behind all. */
  wanted(rows: Rows): Wanted | undefined {
    const ahead = AHEAD * (rows.end - rows.first);
    const missing = this.missing(rows) ?? this.missing({ first: rows.first - ahead, end: rows.end + ahead });
    if (missing) return missing;
    const isNearEnd = rows.end + ahead >= this.count;
    return this.more && isNearEnd ? { number: this.slots.length, after: this.next } : undefined;
  }

  /**
   * Takes a page that was asked for, and lets go of those far from the rows in sight. A page that comes again keeps the
   * rows that it had: what was stored or deleted in it meanwhile is shown in full when the folder is read anew.
   */
  take({ number, after }: Wanted, page: Page, rows: Rows): void {
    const slot = this.slots[number];
    if (slot) slot.entries = page.entries.slice(0, slot.count);
    else {
      this.slots.push({ after, first: this.count, count: page.entries.length, entries: page.entries });
      this.next = page.next;
    }
    const [from, to] = [this.numberOf(rows.first) - NEAR, this.numberOf(rows.end) + NEAR];
    this.slots.forEach((it, at) => {
      if (at !== number && (at < from || at > to)) it.entries = undefined;
    });
  }

  /** The number of the page with a row; that of the last one for rows beyond. */
  private numberOf(row: number): number {
    return Math.max(0, this.slots.findLastIndex((it) => it.first <= row));
  }

  /** The first of the pages with these rows that is not in memory. */
  private missing(rows: Rows): Wanted | undefined {
    for (let number = this.numberOf(rows.first); number <= this.numberOf(rows.end - 1); number += 1) {
      const slot = this.slots[number];
      if (slot && !slot.entries) return { number, after: slot.after };
    }
    return undefined;
  }
}
