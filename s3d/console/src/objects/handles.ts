// Ways to files that some browsers give for what is dropped. They can be kept, and outlive a reload.

/** What TypeScript does not know yet of the File System API. */
export interface FileHandle extends FileSystemFileHandle {
  requestPermission?(wanted: { mode: "read" }): Promise<PermissionState>;
}

interface FolderHandle extends FileSystemDirectoryHandle {
  values(): AsyncIterable<FileHandle | FolderHandle>;
}

interface Item extends DataTransferItem {
  getAsFileSystemHandle?(): Promise<FileHandle | FolderHandle | null>;
}

/** The way to what was dropped; nothing if the browser gives none. To be called while the drop is handled. */
export async function handleOf(item: Item): Promise<FileHandle | FolderHandle | undefined> {
  try {
    return (await item.getAsFileSystemHandle?.()) ?? undefined;
  } catch {
    return undefined;
  }
}

/** Every file behind a handle, with its path. */
export async function* filesBehind(
  handle: FileHandle | FolderHandle,
  above = "",
): AsyncGenerator<{ path: string; handle: FileHandle }> {
  const path = above + handle.name;
  if (handle.kind === "file") yield { path, handle: handle as FileHandle };
  else for await (const child of (handle as FolderHandle).values()) yield* filesBehind(child, `${path}/`);
}

/** The file behind a handle; nothing if it is gone, or the person does not let this page read it. */
export async function fileOf(handle: FileHandle): Promise<File | undefined> {
  try {
    const answer = await handle.requestPermission?.({ mode: "read" });
    return answer === "denied" ? undefined : await handle.getFile();
  } catch {
    return undefined;
  }
}
