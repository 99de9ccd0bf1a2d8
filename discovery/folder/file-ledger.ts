import type { ConfigProblem } from "../../mesh/resources/config-problem.ts";
import { createStandInsForText } from "../../mesh/resources/parsing/stand-in.ts";
import type { Resource } from "../../mesh/resources/resource.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { type ActiveFile, decideFile, type FileVersion } from "./decide-file.ts";
import { type FileStatus, type Inspected, listFolder, readVersion } from "./read-folder.ts";

/** The result of one scan of the folders. */
export interface ScanResult {
  /** Some file's resources have changed. */
  readonly changed: boolean;
  /** A file is new or changed and may still be written to: scan again soon. */
  readonly unsettled: boolean;
  /** New problems, or problems of new content. */
  readonly news: readonly ConfigProblem[];
  /** Identifies each readable folder, so that a replacement is noticed. */
  readonly identities: ReadonlyMap<string, string>;
}

interface TrackedFile {
  active: ActiveFile | undefined;
  /** The version that was processed last, accepted or not. */
  seen: FileVersion | undefined;
  /** Its stamp; `undefined` means that it must be read again. */
  stamp: string | undefined;
  /** A new stamp and when it was first seen; the file is processed when the stamp has stayed the same long enough. */
  pending: { readonly stamp: string; readonly sinceMs: number } | undefined;
  problems: readonly ConfigProblem[];
}

interface Scan {
  changed: boolean;
  unsettled: boolean;
  readonly news: ConfigProblem[];
  readonly identities: Map<string, string>;
}

/** Two writes within the granularity of file timestamps can have one stamp; within this time a file is read again. */
const STAMP_GRAIN_MS = 2000;
/** From the first scan that sees a change to the one that processes it. */
export const SETTLE_MS = 100;
const DELETED = "deleted";

/**
 * Tracks the files of some folders and their resources in force. A change is processed once the file has been stable
 * for a while, so that no file is read while it is written. A folder that cannot be listed keeps its files.
 */
export class FileLedger {
  readonly #clock: Clock;
  readonly #folders = new Map<string, Map<string, TrackedFile>>();
  readonly #folderProblems = new Map<string, ConfigProblem>();
  readonly #listed = new Set<string>();
  #isFirstScan = true;

  constructor(folders: readonly string[], clock: Clock) {
    this.#clock = clock;
    for (const folder of folders) this.#folders.set(folder, new Map());
  }

  /** Must not run concurrently. */
  async scan(): Promise<ScanResult> {
    const scan: Scan = { changed: false, unsettled: false, news: [], identities: new Map() };
    for (const [folder, files] of this.#folders) {
      const listing = await listFolder(folder);
      if (listing.kind === "unusable") {
        this.#reportFolder(folder, listing.message, scan);
        continue;
      }
      this.#folderProblems.delete(folder);
      scan.changed ||= !this.#listed.has(folder) && !this.#isFirstScan;
      this.#listed.add(folder);
      scan.identities.set(folder, listing.identity);
      await this.#scanFiles(files, listing.files, scan);
    }
    this.#isFirstScan = false;
    return scan;
  }

  /**
   * All resources in force, in the order of folders and files. A folder or a file that could never be read may contain
   * any policy.
   */
  resources(): readonly Resource[] {
    const unlisted = [...this.#folders.keys()].filter((folder) => !this.#listed.has(folder));
    return [
      ...unlisted.flatMap((folder) => createStandInsForText("unreadable", { file: folder, line: 0 })),
      ...this.#tracked().flatMap(resourcesOf),
    ];
  }

  problems(): readonly ConfigProblem[] {
    return [...this.#folderProblems.values(), ...this.#tracked().flatMap((file) => file.problems)];
  }

  #tracked(): readonly TrackedFile[] {
    return [...this.#folders.values()].flatMap((files) =>
      [...files].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, file]) => file),
    );
  }

  #reportFolder(folder: string, message: string, scan: Scan): void {
    if (this.#folderProblems.get(folder)?.message === message) return;
    const problem = fault(folder, message);
    this.#folderProblems.set(folder, problem);
    scan.changed ||= this.#isFirstScan;
    scan.news.push(problem);
  }

  async #scanFiles(files: Map<string, TrackedFile>, listed: readonly Inspected[], scan: Scan): Promise<void> {
    for (const inspected of listed) {
      const file = files.get(inspected.path) ?? newFile();
      files.set(inspected.path, file);
      if (inspected.kind === "unusable") reportFile(file, inspected, scan);
      else await this.#scanFile(file, inspected, scan);
    }
    const present = new Set(listed.map(({ path }) => path));
    for (const [path, file] of files) {
      if (present.has(path) || !this.#isSettled(file, DELETED, scan)) continue;
      files.delete(path);
      scan.changed ||= resourcesOf(file).length > 0;
    }
  }

  async #scanFile(file: TrackedFile, status: FileStatus, scan: Scan): Promise<void> {
    if (file.stamp === status.stamp) {
      file.pending = undefined;
      return;
    }
    // A stamp that was processed but is too recent to be trusted is read again without waiting.
    if (!this.#isSettled(file, status.stamp, scan)) return;
    const content = await readVersion(status);
    if (content.kind === "moving") {
      file.pending = undefined;
      scan.unsettled = true;
      return;
    }
    const isTrusted = Math.abs(this.#clock.now() - status.modifiedMs) > STAMP_GRAIN_MS;
    file.stamp = isTrusted ? status.stamp : undefined;
    if (content.kind === "unusable") reportFile(file, { path: status.path, message: content.message }, scan);
    else takeVersion(file, content.version, { path: status.path, scan });
  }

  #isSettled(file: TrackedFile, stamp: string, scan: Scan): boolean {
    if (this.#isFirstScan) return true;
    const nowMs = this.#clock.now();
    if (file.pending?.stamp !== stamp) file.pending = { stamp, sinceMs: nowMs };
    // A wall clock that was set back must not delay a change.
    const isSettled = Math.abs(nowMs - file.pending.sinceMs) >= SETTLE_MS;
    scan.unsettled ||= !isSettled;
    return isSettled;
  }
}

function takeVersion(
  file: TrackedFile,
  version: FileVersion,
  { path, scan }: { readonly path: string; readonly scan: Scan },
): void {
  const before = file.seen;
  if (before?.text === version.text && before.writtenAt === version.writtenAt && before.fileId === version.fileId)
    return;
  const decision = decideFile(file.active, version, path);
  scan.changed ||= decision.active.resources !== file.active?.resources;
  if (before?.text !== version.text) scan.news.push(...decision.problems);
  file.active = decision.active;
  file.seen = version;
  file.problems = decision.problems;
}

function reportFile(file: TrackedFile, fault_: { readonly path: string; readonly message: string }, scan: Scan): void {
  const problem = fault(fault_.path, fault_.message);
  if (file.problems.some(({ message }) => message === problem.message)) return;
  scan.changed ||= file.active === undefined && file.problems.length === 0;
  file.problems = [problem];
  // Once readable again, it is processed as if it were new.
  file.seen = undefined;
  scan.news.push(problem);
}

function resourcesOf({ active, problems }: TrackedFile): readonly Resource[] {
  if (active !== undefined) return active.resources;
  return problems.flatMap(({ file, line }) => createStandInsForText("unreadable", { file, line }));
}

function newFile(): TrackedFile {
  return { active: undefined, seen: undefined, stamp: undefined, pending: undefined, problems: [] };
}

function fault(file: string, message: string): ConfigProblem {
  return { severity: "error", finding: "UnusableFile", file, line: 0, message };
}
