import { mkdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { systemClock, type Timer } from "../mesh/runtime.ts";
import { canBeMountPoint, type Mount } from "./container-command.ts";
import { LocalError } from "./local-error.ts";
import type { ContainerManifest, PodManifest, VolumeManifest } from "./pod-manifest.ts";
import type { TokenSigner } from "./service-account-tokens.ts";

/** A pod's volumes as folders of this machine. */
export interface PodVolumes {
  /** Volume name to folder or file. */
  readonly sources: ReadonlyMap<string, string>;
  /** Ends the renewal of tokens. */
  stop(): void;
}

export interface VolumeOptions {
  readonly pod: PodManifest;
  /** This pod's own folder. */
  readonly folder: string;
  /** The contents of a ConfigMap or Secret of the pod's namespace, by file name; `undefined`: there is none. */
  readonly findFiles: (kind: "ConfigMap" | "Secret", name: string) => Readonly<Record<string, string>> | undefined;
  readonly tokens: TokenSigner;
}

/** Tokens are replaced when this part of their life is over, as kubelet does. */
const TOKEN_RENEWAL = 0.8;

/** Makes the volumes: tokens signed, ConfigMaps written. A kind that one machine cannot give is refused by name. */
export async function createPodVolumes(options: VolumeOptions): Promise<PodVolumes> {
  const renewals: { stop(): void }[] = [];
  const sources = new Map<string, string>();
  for (const volume of options.pod.spec.volumes ?? []) {
    sources.set(volume.name, await createVolume(volume, options, renewals));
  }
  return {
    sources,
    stop: () => {
      for (const renewal of renewals) renewal.stop();
    },
  };
}

async function createVolume(
  volume: VolumeManifest,
  options: VolumeOptions,
  renewals: { stop(): void }[],
): Promise<string> {
  if (volume.hostPath) return volume.hostPath.path;
  const folder = join(options.folder, "volumes", volume.name);
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  if (volume.emptyDir) return folder;
  if (volume.configMap) {
    writeFiles(folder, filesOf("ConfigMap", volume.configMap.name, options));
    return folder;
  }
  if (volume.secret) {
    writeFiles(folder, filesOf("Secret", volume.secret.secretName, options));
    return folder;
  }
  for (const source of volume.projected?.sources ?? [undefined]) {
    if (source?.serviceAccountToken) renewals.push(await keepToken(folder, source.serviceAccountToken, options));
    else if (source?.configMap) writeFiles(folder, filesOf("ConfigMap", source.configMap.name, options));
    else throw unsupported(volume, options.pod);
  }
  return folder;
}

interface TokenSource {
  readonly audience: string;
  readonly expirationSeconds: number;
  readonly path: string;
}

async function keepToken(folder: string, source: TokenSource, options: VolumeOptions): Promise<{ stop(): void }> {
  const { metadata, spec } = options.pod;
  let timer: Timer | undefined;
  const renew = async (): Promise<void> => {
    const token = await options.tokens.sign({
      namespace: metadata.namespace,
      serviceAccount: spec.serviceAccountName ?? "default",
      pod: metadata.name,
      audience: source.audience,
      expirationSeconds: source.expirationSeconds,
    });
    writeFiles(folder, { [source.path]: token });
    timer = systemClock.setTimeout(() => void renew(), source.expirationSeconds * 1000 * TOKEN_RENEWAL);
  };
  await renew();
  return { stop: () => timer?.cancel() };
}

function filesOf(kind: "ConfigMap" | "Secret", name: string, options: VolumeOptions): Readonly<Record<string, string>> {
  const files = options.findFiles(kind, name);
  if (files !== undefined) return files;
  const { metadata } = options.pod;
  const where = `Pod/${metadata.name}.${metadata.namespace}`;
  throw new LocalError("bad_manifest", `${where}: there is no ${kind} ${name} in ${metadata.namespace}`);
}

/** Whole or not at all: a reader never sees half a file. */
function writeFiles(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    const temporary = join(folder, `.${name}.new`);
    mkdirSync(dirname(temporary), { recursive: true });
    writeFileSync(temporary, text, { mode: 0o644 });
    renameSync(temporary, join(folder, name));
  }
}

/** What a container sees of its pod's volumes. */
export function containerMounts(container: ContainerManifest, pod: PodManifest, volumes: PodVolumes): readonly Mount[] {
  const where = `Pod/${pod.metadata.name}.${pod.metadata.namespace}, container ${container.name}`;
  return (container.volumeMounts ?? []).map(({ name, mountPath, readOnly }) => {
    const source = volumes.sources.get(name);
    if (source === undefined) throw new LocalError("bad_manifest", `${where}: there is no volume ${name}`);
    if (!canBeMountPoint(mountPath) && statSync(mountPath, { throwIfNoEntry: false }) === undefined) {
      throw new LocalError(
        "bad_manifest",
        `${where}: ${mountPath} does not exist on this machine; mount under /run, /var/run or /tmp, or on a folder that exists`,
      );
    }
    return { source, target: mountPath, isFile: statSync(source).isFile(), isReadOnly: readOnly ?? false };
  });
}

function unsupported(volume: VolumeManifest, pod: PodManifest): LocalError {
  const kinds = Object.keys(volume)
    .filter((key) => key !== "name")
    .join(", ");
  return new LocalError(
    "bad_manifest",
    `Pod/${pod.metadata.name}.${pod.metadata.namespace}: the volume ${volume.name} (${kinds}) cannot be given on one machine`,
  );
}
