// What the browser keeps of uploads that are not over, so that they go on after a reload.
import type { FileHandle } from "./handles";

/** An upload that is not over. The bytes stay where the file is; S3 knows which parts it has. */
export interface Kept {
  id: string;
  /** Who uploads: others who use this browser do not see it. */
  owner: string;
  bucket: string;
  key: string;
  /** The path from where it was dropped or chosen. */
  path: string;
  bytes: number;
  /** When the file was changed last, in milliseconds: another time is another file. */
  modified: number;
  uploadId: string | undefined;
  /** The way to the file, if the browser gave one. */
  handle: FileHandle | undefined;
}

/** The page that has an upload in its list. */
type Row = Kept & { page: string };

const STORE = "uploads";
const LOCK = "hayrack-uploads-";

/** This page, until it is left or loaded anew. */
const page = `${Date.now()}-${Math.random()}`;

// Whoever finds the upload of a page that holds no lock may go on with it. Over plain HTTP browsers have no
// locks: then other pages offer it, too, which does no harm.
void navigator.locks?.request(LOCK + page, () => new Promise(() => undefined));

let opened: Promise<IDBDatabase> | undefined;

function database(): Promise<IDBDatabase> {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("hayrack", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opened;
}

/** Resolves when what `work` asks for is done. */
async function change(work: (store: IDBObjectStore) => void): Promise<void> {
  const transaction = (await database()).transaction(STORE, "readwrite");
  work(transaction.objectStore(STORE));
  await new Promise<void>((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}

/** Keeps uploads, in place of what was kept of them before. A browser that keeps nothing is no hindrance. */
export async function keep(uploads: readonly Kept[]): Promise<void> {
  const rows: Row[] = uploads.map((it) => ({ ...it, page }));
  await change((store) => rows.forEach((row) => store.put(row))).catch(() => undefined);
}

/** Forgets uploads that are over. */
export async function forget(ids: readonly string[]): Promise<void> {
  await change((store) => ids.forEach((id) => store.delete(id))).catch(() => undefined);
}

/** The uploads of a person that pages left behind; they are this page's from now on. */
export async function leftBehind(owner: string): Promise<Kept[]> {
  const held = (await navigator.locks?.query())?.held ?? [];
  const open = new Set(held.map((lock) => lock.name));
  const found = (await everyRow().catch(() => [])).filter(
    (row) => row.owner === owner && row.page !== page && !open.has(LOCK + row.page),
  );
  await keep(found);
  return found;
}

async function everyRow(): Promise<Row[]> {
  const store = (await database()).transaction(STORE).objectStore(STORE);
  return new Promise((resolve, reject) => {
    const request = store.getAll();
    request.onsuccess = () => resolve(request.result as Row[]);
    request.onerror = () => reject(request.error);
  });
}
