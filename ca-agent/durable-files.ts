import { open } from "node:fs/promises";

/** A user and group, as numbers. */
export interface FileOwner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Creates a file that only its owner can access, and returns when it is on the disk. An existing file is an error
 * (`EEXIST`). Its name is on the disk after `syncDirectory`.
 * @param owner @default this process's user
 */
export async function writeDurably(path: string, text: string, owner?: FileOwner): Promise<void> {
  await using file = await open(path, "wx", 0o600);
  if (owner !== undefined) await file.chown(owner.uid, owner.gid);
  await file.writeFile(text);
  await file.sync();
}

/** Returns when what was created, renamed and removed in a directory is on the disk. */
export async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path, "r");
  await directory.sync();
}
