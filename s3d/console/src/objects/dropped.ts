// The files in what somebody dropped or chose, folders with all that is in them.
import { filesBehind, handleOf, type FileHandle } from "./handles";

export interface Found {
  /** The path from where it was dropped: `holiday/1.jpg`. */
  path: string;
  file: File;
  /** The way to it, if the browser gave one. */
  handle?: FileHandle;
}

/** The files that were chosen; of a folder, each with its path in it. */
export function filesOfInput(input: HTMLInputElement): Found[] {
  return [...(input.files ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}

/** The files that were dropped. */
export async function filesOfDrop(transfer: DataTransfer): Promise<Found[]> {
  // The list is gone once this function waits: it is read whole before.
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const taken = items.map((item) => ({
    handle: handleOf(item),
    entry: item.webkitGetAsEntry(),
    file: item.getAsFile(),
  }));
  const found: Found[] = [];
  for (const { handle, entry, file } of taken) {
    const way = await handle;
    if (way) for await (const one of filesBehind(way)) found.push({ ...one, file: await one.handle.getFile() });
    else if (entry) await collect(entry, "", found);
    // What comes from no disk has no entry.
    else if (file) found.push({ path: file.name, file });
  }
  return found;
}

async function collect(entry: FileSystemEntry, path: string, found: Found[]): Promise<void> {
  const own = `${path}${entry.name}`;
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) =>
      (entry as FileSystemFileEntry).file(resolve, reject),
    );
    found.push({ path: own, file });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  // Browsers give a folder in pieces, and an empty one at the end.
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return;
    for (const child of some) await collect(child, `${own}/`, found);
  }
}
