import { constants } from "node:fs";
import { open } from "node:fs/promises";
import type { SettingsSource } from "../../discovery/discovery-service.ts";
import type { TrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { Clock, Logger, Timer } from "../../mesh/runtime.ts";
import type { BundleStatus } from "./bundle-endpoints.ts";
import { domainsBySource } from "./federated-trust.ts";
import { parseForeignRoots } from "./foreign-root.ts";
import { parseSpiffeBundle } from "./spiffe-bundle.ts";

export interface BundleFilesDeps {
  readonly settings: SettingsSource;
  readonly clock: Clock;
  readonly log: Logger;
}

/** As the mesh's own configuration is looked at. */
const INTERVAL_MS = 2000;
/** As of an endpoint's response. */
const MAX_BYTES = 1024 * 1024;
const OTHERS_WRITE = 0o022;

interface Followed {
  trustDomains: readonly TrustDomain[];
  roots: readonly string[] | undefined;
  readAtMs: number;
  /** Why the file cannot be used now. */
  fault: string | undefined;
}

/**
 * Follows the bundles in files that the mesh's settings name: SPIFFE bundles, or PEM certificates. The last good content
 * stays while a file is missing, half-written or cannot be used, and goes when the settings name it no longer. A file is
 * the operator's, so its sequence number is not looked at: an earlier bundle may be put back.
 */
export class BundleFiles {
  readonly #deps: BundleFilesDeps;
  readonly #followed = new Map<string, Followed>();
  readonly #listeners = new Set<() => void>();
  readonly #unsubscribe: () => void;
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(deps: BundleFilesDeps) {
    this.#deps = deps;
    this.#unsubscribe = deps.settings.subscribe(() => this.#follow());
    this.#follow();
  }

  /** The roots of a file; `undefined`: it could not be read yet. */
  rootsOf(path: string): readonly string[] | undefined {
    return this.#followed.get(path)?.roots;
  }

  /** Calls the listener after each change of roots. Returns a function that unsubscribes. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  status(): readonly BundleStatus[] {
    const nowMs = this.#deps.clock.monotonicMs();
    return [...this.#followed.values()].map(({ trustDomains, roots, readAtMs }) => ({
      trustDomains,
      ageMs: roots === undefined ? undefined : nowMs - readAtMs,
    }));
  }

  stop(): void {
    this.#isStopped = true;
    this.#unsubscribe();
    this.#timer?.cancel();
  }

  #follow(): void {
    const wanted = domainsBySource(this.#deps.settings.current().caCertificates, (entry) =>
      entry.kind === "bundle file" ? entry.path : undefined,
    );
    for (const path of [...this.#followed.keys()]) if (!wanted.has(path)) this.#followed.delete(path);
    for (const [path, trustDomains] of wanted) {
      const known = this.#followed.get(path);
      if (known !== undefined) known.trustDomains = trustDomains;
      else this.#followed.set(path, { trustDomains, roots: undefined, readAtMs: 0, fault: undefined });
    }
    this.#timer?.cancel();
    void this.#readAll();
  }

  async #readAll(): Promise<void> {
    await Promise.all([...this.#followed].map(([path, followed]) => this.#read(path, followed)));
    this.#timer?.cancel();
    if (this.#isStopped || this.#followed.size === 0) return;
    this.#timer = this.#deps.clock.setTimeout(() => void this.#readAll(), INTERVAL_MS);
  }

  async #read(path: string, followed: Followed): Promise<void> {
    try {
      const roots = parseBundleFile(await readText(path));
      if (!this.#isStopped && this.#followed.get(path) === followed) this.#keep(path, followed, roots);
    } catch (caught) {
      if (!this.#isStopped && this.#followed.get(path) === followed)
        this.#fail(path, followed, MeshError.from(caught).message.replace(/^unexpected: /, ""));
    }
  }

  #keep(path: string, followed: Followed, roots: readonly string[]): void {
    const { clock, log } = this.#deps;
    const isChanged = String(followed.roots) !== String(roots);
    const isBack = followed.fault !== undefined;
    Object.assign(followed, { roots, readAtMs: clock.monotonicMs(), fault: undefined });
    if (isChanged || isBack) {
      const fields = { ...describe(path, followed), code: "federation_bundle", roots: roots.length, isChanged };
      log.info(fields, "read the bundle of a foreign trust domain");
    }
    if (isChanged) for (const listener of [...this.#listeners]) listener();
  }

  /** Each reason once: a file does not come back by itself. */
  #fail(path: string, followed: Followed, reason: string): void {
    if (followed.fault === reason) return;
    followed.fault = reason;
    const consequence =
      followed.roots === undefined
        ? "proxies keep those of its roots that they have"
        : "the last good one stays in force";
    this.#deps.log.error(
      { ...describe(path, followed), code: "federation_bundle_refused", reason },
      `the bundle of a foreign trust domain cannot be used: ${consequence}`,
    );
  }
}

/** PEM certificates, one for each root, or a SPIFFE bundle. Throws an Error with the reason. */
function parseBundleFile(text: string): readonly string[] {
  if (!text.trimStart().startsWith("{")) return parseForeignRoots(text);
  const read = parseSpiffeBundle(text);
  if (read.kind === "refused") throw new Error(read.reason);
  return read.bundle.roots;
}

async function readText(path: string): Promise<string> {
  // A pipe without a writer would hold up the opening, and with one it, or a device, would never end.
  await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const stats = await file.stat();
  if (!stats.isFile()) throw new Error("it is not a file");
  if (stats.size > MAX_BYTES) throw new Error(`it has ${stats.size} bytes, the limit is ${MAX_BYTES}`);
  if ((stats.mode & OTHERS_WRITE) !== 0) throw new Error(`another user could write it: run "chmod go-w ${path}"`);
  return await file.readFile("utf8");
}

function describe(path: string, { trustDomains }: Followed) {
  return { component: "federation", trustDomains, path };
}
