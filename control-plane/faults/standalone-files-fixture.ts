/** For tests: the files of a mesh without Kubernetes: tokens with their keys, the authority's directory, the mounted roots. */
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportJWK, SignJWT } from "jose";
import { createFileControlStore } from "../../ca-agent/control/file-control-store.ts";
import { type RotationState, trustedRoots } from "../../ca-agent/rotation/rotation-state.ts";
import { createDirectoryStore } from "../../ca-agent/rotation/storage/directory-store.ts";
import { parseSpiffeId, type SpiffeId } from "../../mesh/identity/spiffe-id.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { systemClock } from "../../mesh/runtime.ts";
import type { Cleanup } from "../../net/cleanup-fixture.ts";
import type { IdentityOptions } from "../identity/start-identity.ts";

export const ISSUER = "https://kubernetes.default.svc";
/** Istio's `istio-token`. */
const TOKEN_MS = 12 * 3_600_000;
/** So often the kubelet looks whether the roots have changed. */
const MOUNT_MS = 100;

export interface StandaloneOptions {
  /** The time of tokens. @default the system's */
  readonly now?: () => number;
  /** @default `ca` in the folder */
  readonly caDirectory?: string;
}

export class StandaloneFiles {
  readonly folder = mkdtempSync(join(tmpdir(), "entente-standalone-"));
  readonly caDirectory: string;
  readonly jwksFile = join(this.folder, "jwks.json");
  readonly configuration = join(this.folder, "configuration");
  readonly rootFile = join(this.folder, "root-cert.pem");
  readonly #key: KeyObject;
  readonly #now: () => number;

  private constructor(key: KeyObject, { now = systemClock.now, caDirectory }: StandaloneOptions) {
    this.caDirectory = caDirectory ?? join(this.folder, "ca");
    this.#key = key;
    this.#now = now;
  }

  static async create(cleanup: Cleanup, options: StandaloneOptions = {}): Promise<StandaloneFiles> {
    const key = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const files = new StandaloneFiles(key.privateKey, options);
    cleanup.add(() => rmSync(files.folder, { recursive: true, force: true }));
    const jwk = await exportJWK(key.publicKey);
    writeFileSync(files.jwksFile, JSON.stringify({ keys: [{ ...jwk, kid: "k" }] }));
    mkdirSync(files.configuration);
    return files;
  }

  get identity(): Extract<IdentityOptions, { kind: "files" }> {
    const { caDirectory, jwksFile } = this;
    return { kind: "files", caDirectory, jwksFile, tokenIssuer: ISSUER };
  }

  identityOf(account: string): SpiffeId {
    return parseSpiffeId(`spiffe://cluster.local/ns/ns1/sa/${account}`);
  }

  tokenFile(account: string): string {
    return join(this.folder, `${account}-token`);
  }

  /** A token of this moment, as the kubelet requests it. */
  async writeToken(account: string, lifetimeMs = TOKEN_MS): Promise<void> {
    const issuedAt = Math.floor(this.#now() / 1000);
    const token = await new SignJWT({})
      .setProtectedHeader({ alg: "ES256", kid: "k" })
      .setIssuer(ISSUER)
      .setAudience("istio-ca")
      .setSubject(`system:serviceaccount:ns1:${account}`)
      .setIssuedAt(issuedAt)
      .setNotBefore(issuedAt)
      .setExpirationTime(issuedAt + lifetimeMs / 1000)
      .sign(this.#key);
    this.#replace(this.tokenFile(account), token);
  }

  async state(): Promise<RotationState> {
    const store = createDirectoryStore({
      directory: this.caDirectory,
      clock: systemClock,
      log: new RecordingLogger(),
    });
    const stored = await store.read();
    if (stored.kind !== "root") throw new TypeError(`the stored authority is ${stored.kind}`);
    return stored.state;
  }

  /** As `entente ca rotate-root`. */
  async ask(requestId: string): Promise<void> {
    const rotation = { requestId, requestedAt: new Date(this.#now()).toISOString() };
    await createFileControlStore(this.caDirectory, { clock: systemClock, random: Math.random }).update((state) => ({
      ...state,
      rotation,
    }));
  }

  /** What sidecars verify the control plane with; from now on it follows the stored authority. */
  async mountRoots(cleanup: Cleanup): Promise<void> {
    let isOver = false;
    cleanup.add(() => {
      isOver = true;
    });
    let mounted = "";
    const mount = async (): Promise<void> => {
      const roots = trustedRoots(await this.state()).join("");
      if (roots !== mounted) this.#replace(this.rootFile, roots);
      mounted = roots;
    };
    await mount();
    const follow = async (): Promise<void> => {
      while (!isOver) {
        await new Promise((resolve) => setTimeout(resolve, MOUNT_MS));
        // A generation may be removed while it is read.
        if (!isOver) await mount().catch(() => undefined);
      }
    };
    void follow();
  }

  #replace(path: string, text: string): void {
    writeFileSync(`${path}.next`, text);
    renameSync(`${path}.next`, path);
  }
}
