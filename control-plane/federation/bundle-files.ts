import { constants } from "node:fs";
import { open } from "node:fs/promises";
import type { SettingsSource } from "../../discovery/discovery-service.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { ForeignAuthorities } from "../../mesh/mesh-settings.ts";
import type { Clock, Logger, Timer } from "../../mesh/runtime.ts";
import { describeLoss, type FollowedSource, FollowedSources } from "./followed-sources.ts";
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

interface Followed extends FollowedSource {
  /** Why the file cannot be used now. */
  fault: string | undefined;
}

/**
 * Follows the bundles in files that the mesh's settings name: SPIFFE bundles, or PEM certificates. The last good content
 * stays while a file is missing, half-written or cannot be used, and goes when the settings name it no longer. A file is
 * the operator's, so its sequence number is not looked at: an earlier bundle may be put back.
 */
export class BundleFiles extends FollowedSources<Followed> {
  readonly #deps: BundleFilesDeps;
  #timer: Timer | undefined;

  constructor(deps: BundleFilesDeps) {
    super(deps);
    this.#deps = deps;
    this.start();
  }

  override stop(): void {
    super.stop();
    this.#timer?.cancel();
  }

  protected override sourceOf(entry: ForeignAuthorities): string | undefined {
    return entry.kind === "bundle file" ? entry.path : undefined;
  }

  protected override create(source: FollowedSource): Followed {
    return { ...source, fault: undefined };
  }

  protected override onAdded(): void {
    this.#readSoon(0);
  }

  protected override onRemoved(): void {
    // Nothing is open between two reads.
  }

  #readSoon(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#deps.clock.setTimeout(() => void this.#readAll(), delayMs);
  }

  async #readAll(): Promise<void> {
    await Promise.all(this.all().map((followed) => this.#read(followed)));
    if (this.all().length > 0) this.#readSoon(INTERVAL_MS);
  }

  async #read(followed: Followed): Promise<void> {
    const read = await readText(followed.source)
      .then((text) => ({ roots: parseBundleFile(text) }))
      .catch((caught: unknown) => ({ reason: MeshError.from(caught).message.replace(/^unexpected: /, "") }));
    if (!this.isFollowed(followed)) return;
    if ("roots" in read) this.#accept(followed, read.roots);
    else this.#fail(followed, read.reason);
  }

  #accept(followed: Followed, roots: readonly string[]): void {
    const isBack = followed.fault !== undefined;
    followed.fault = undefined;
    this.keep(followed, roots, (isChanged) => {
      const fields = { ...describe(followed), code: "federation_bundle", roots: roots.length, isChanged };
      if (isChanged || isBack) this.#deps.log.info(fields, "read the bundle of a foreign trust domain");
    });
  }

  /** Each reason once: a file does not come back by itself. */
  #fail(followed: Followed, reason: string): void {
    if (followed.fault === reason) return;
    followed.fault = reason;
    this.#deps.log.error(
      { ...describe(followed), code: "federation_bundle_refused", reason },
      `the bundle of a foreign trust domain cannot be used: ${describeLoss(followed)}`,
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

function describe({ source: path, trustDomains }: Followed) {
  return { component: "federation", trustDomains, path };
}
