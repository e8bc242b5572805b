import { expect, test } from "vitest";
import type { Page } from "./entries";
import { Pages } from "./pages";

const SIZE = 100;
const COUNT = 50;

/** The page of a number, of a folder with so many pages. */
function page(number: number): Page {
  const entries = Array.from({ length: SIZE }, (_, at) => ({
    name: String(number * SIZE + at),
    folder: false,
    bytes: 0,
    modified: 0,
  }));
  return { entries, next: number + 1 < COUNT ? String(number + 1) : undefined };
}

const sight = (first: number) => ({ first, end: first + 20 });

/** Asks for pages as long as any is wanted when these rows are in sight; answers their numbers. */
function read(pages: Pages, first: number): number[] {
  const asked: number[] = [];
  for (let wanted = pages.wanted(sight(first)); wanted; wanted = pages.wanted(sight(first))) {
    expect(wanted.after).toBe(wanted.number === 0 ? undefined : String(wanted.number));
    asked.push(wanted.number);
    pages.take(wanted, page(wanted.number), sight(first));
  }
  return asked;
}

/** The numbers of the pages in memory. */
const held = (pages: Pages) =>
  Array.from({ length: COUNT }, (_, number) => number).filter((number) => pages.at(number * SIZE));

function scrolledToEnd(): Pages {
  const pages = new Pages();
  for (let first = 0; pages.more; first += 20) read(pages, first);
  return pages;
}

test("pages come as far as what is in sight needs them", () => {
  const pages = new Pages();
  expect(read(pages, 0)).toEqual([0, 1]);
  expect([pages.count, pages.more]).toEqual([2 * SIZE, true]);
  expect(read(pages, 100)).toEqual([2]);
  expect(read(pages, 100)).toEqual([]);
});

test("only pages near what is in sight stay", () => {
  const pages = scrolledToEnd();
  expect([pages.count, pages.more]).toEqual([COUNT * SIZE, false]);
  expect(held(pages).length).toBeLessThan(12);
  expect(pages.at(COUNT * SIZE - 1)?.name).toBe("4999");
});

test("a page that was let go of comes again when it is in sight", () => {
  const pages = scrolledToEnd();
  expect(pages.at(2_010)).toBeUndefined();
  expect(read(pages, 2_010)).toEqual([20, 19, 21]);
  expect(pages.at(2_010)?.name).toBe("2010");
  expect(pages.count).toBe(COUNT * SIZE);
});

test("a page that grew or shrank meanwhile keeps its rows", () => {
  const pages = scrolledToEnd();
  const wanted = pages.wanted(sight(0));
  expect(wanted).toEqual({ number: 0, after: undefined });
  const other = page(0);
  pages.take({ number: 0, after: undefined }, { ...other, entries: [...other.entries, ...page(1).entries] }, sight(0));
  expect([pages.count, pages.at(SIZE)]).toEqual([COUNT * SIZE, undefined]);
  pages.take({ number: 0, after: undefined }, { ...other, entries: other.entries.slice(1) }, sight(0));
  expect([pages.count, pages.at(0)?.name, pages.at(SIZE - 1)]).toEqual([COUNT * SIZE, "1", undefined]);
});

test("an empty folder has one page without rows", () => {
  const pages = new Pages();
  expect(pages.wanted({ first: 0, end: 0 })).toEqual({ number: 0, after: undefined });
  pages.take({ number: 0, after: undefined }, { entries: [], next: undefined }, { first: 0, end: 0 });
  expect([pages.count, pages.more, pages.wanted({ first: 0, end: 0 })]).toEqual([0, false, undefined]);
});
