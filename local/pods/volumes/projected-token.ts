import { MeshError } from "../../../mesh/mesh-error.ts";
import { type Logger, systemClock, type Timer } from "../../../mesh/runtime.ts";
import type { PodManifest } from "../pod-manifest.ts";
import type { FileAccess } from "./file-access.ts";
import type { TokenSigner } from "./service-account-tokens.ts";
import { writeFiles } from "./write-files.ts";

export interface TokenOptions {
  readonly folder: string;
  readonly source: TokenSource;
  readonly access: FileAccess;
  readonly pod: PodManifest;
  readonly tokens: TokenSigner;
  readonly log: Logger;
}

/** A volume's `serviceAccountToken`. */
export interface TokenSource {
  readonly audience: string;
  readonly expirationSeconds: number;
  readonly path: string;
}

/** Tokens are renewed after this part of their lifetime, or after a day, as with kubelet. */
const RENEWAL = 0.8;
const DAY_MS = 86_400_000;
const RETRY_MS = 10_000;

/** Writes a token into a volume, and renews it before it expires. */
export async function keepToken(options: TokenOptions): Promise<{ stop(): void }> {
  const { folder, source, access, pod, tokens, log } = options;
  const { metadata, spec } = pod;
  let timer: Timer | undefined;
  let isStopped = false;
  const write = async (): Promise<void> => {
    const token = await tokens.sign({
      namespace: metadata.namespace,
      serviceAccount: spec.serviceAccountName ?? "default",
      pod: metadata.name,
      audience: source.audience,
      expirationSeconds: source.expirationSeconds,
    });
    if (!isStopped) writeFiles(folder, { [source.path]: token }, access);
  };
  const schedule = (delayMs: number): void => {
    if (!isStopped) timer = systemClock.setTimeout(() => void renew(), delayMs);
  };
  const renew = async (): Promise<void> => {
    try {
      await write();
      schedule(renewalDelayMs(source.expirationSeconds));
    } catch (caught) {
      log.error(
        { component: "local", pod: metadata.name },
        `a token cannot be renewed: ${MeshError.from(caught).message}`,
      );
      schedule(RETRY_MS);
    }
  };
  await write();
  schedule(renewalDelayMs(source.expirationSeconds));
  return {
    stop: () => {
      isStopped = true;
      timer?.cancel();
    },
  };
}

/** The time from one token to the next, in milliseconds. */
export function renewalDelayMs(expirationSeconds: number): number {
  return Math.min(expirationSeconds * 1000 * RENEWAL, DAY_MS);
}
