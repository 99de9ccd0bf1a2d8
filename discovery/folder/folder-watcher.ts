import { type FSWatcher, watch } from "node:fs";
import type { Logger } from "../../mesh/runtime.ts";

/**
 * Reports changes in some folders. It only reduces the delay: its user must also poll, because a folder can be missing,
 * replaced, on a file system without events, or beyond the kernel's limit of watches.
 */
export class FolderWatcher {
  readonly #log: Logger;
  readonly #onChange: () => void;
  readonly #watched = new Map<string, { readonly identity: string; readonly watcher: FSWatcher | undefined }>();

  constructor(options: { readonly log: Logger; readonly onChange: () => void }) {
    this.#log = options.log;
    this.#onChange = options.onChange;
  }

  /** Watches exactly these folders; one with a new identity is watched again. */
  follow(identities: ReadonlyMap<string, string>): void {
    for (const [folder, identity] of identities) {
      const before = this.#watched.get(folder);
      if (before?.identity === identity) continue;
      before?.watcher?.close();
      this.#watched.set(folder, { identity, watcher: this.#open(folder) });
    }
    for (const [folder, { watcher }] of this.#watched) {
      if (identities.has(folder)) continue;
      watcher?.close();
      this.#watched.delete(folder);
    }
  }

  close(): void {
    this.follow(new Map());
  }

  #open(folder: string): FSWatcher | undefined {
    try {
      const watcher = watch(folder, { persistent: false }, () => this.#onChange());
      watcher.on("error", (error) => this.#report(folder, error));
      return watcher;
    } catch (caught) {
      this.#report(folder, caught);
      return undefined;
    }
  }

  #report(folder: string, caught: unknown): void {
    const reason = caught instanceof Error ? caught.message : String(caught);
    this.#log.warn({ folder, reason }, "this folder cannot be watched; changes are noticed only by polling");
  }
}
