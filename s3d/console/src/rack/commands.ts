// What somebody types on a machine to give the rack a disk or a node.

/** A word as a shell reads it. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Takes a folder into the pool. */
export const addDisk = (path: string) => `volumed disk add ${shellWord(path)}`;

/** Has the machine that it is typed on join the cluster. */
export function joinCluster(name: string, address: string, token: string): string {
  const words = ["--name", name, "--address", address, "--token", token].map(shellWord);
  return `volumed cluster join --config /etc/hayrack/volumed.toml ${words.join(" ")}`;
}
