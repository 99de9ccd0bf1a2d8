import { chmodSync, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Logger, systemClock } from "../../../mesh/runtime.ts";
import { LocalError } from "../../local-error.ts";
import { isPrivatePath, type Mount } from "../container-command.ts";
import type { ContainerManifest, PodManifest, VolumeManifest } from "../pod-manifest.ts";
import { keepConfigMap } from "./config-map-volume.ts";
import { type ContentKind, decideFileAccess, type FileAccess } from "./file-access.ts";
import { keepToken } from "./projected-token.ts";
import type { TokenSigner } from "./service-account-tokens.ts";
import { type VolumeFiles, writeFiles } from "./write-files.ts";

/** The content of a ConfigMap or Secret, by file name; `undefined` if it does not exist in the namespace. */
export type FindFiles = (
  namespace: string,
  kind: "ConfigMap" | "Secret",
  name: string,
) => Promise<VolumeFiles | undefined>;

/** A pod's volumes as folders of this machine. */
export interface PodVolumes {
  /** From volume name to folder or file. */
  readonly sources: ReadonlyMap<string, string>;
  /** Stops the renewal of tokens and ConfigMaps. */
  stop(): void;
}

export interface VolumeOptions {
  readonly pod: PodManifest;
  /** The folder for this pod. */
  readonly folder: string;
  readonly findFiles: FindFiles;
  readonly tokens: TokenSigner;
  readonly log: Logger;
}

/** Creates the volumes: signs tokens, writes ConfigMaps. An unsupported kind is refused by name. */
export async function createPodVolumes(options: VolumeOptions): Promise<PodVolumes> {
  const renewals: { stop(): void }[] = [];
  const stop = (): void => {
    for (const renewal of renewals) renewal.stop();
  };
  const sources = new Map<string, string>();
  try {
    for (const volume of options.pod.spec.volumes ?? []) {
      sources.set(volume.name, await createVolume(volume, options, renewals));
    }
  } catch (caught) {
    stop();
    throw caught;
  }
  return { sources, stop };
}

async function createVolume(
  volume: VolumeManifest,
  options: VolumeOptions,
  renewals: { stop(): void }[],
): Promise<string> {
  if (volume.hostPath) return volume.hostPath.path;
  const folder = join(options.folder, "volumes", volume.name);
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const access = (kind: ContentKind): FileAccess => decideFileAccess(kind, volume.name, options.pod);
  if (volume.emptyDir) {
    // As with kubelet: containers of any user write to it.
    chmodSync(folder, 0o777);
  } else if (volume.configMap) {
    renewals.push(await mountConfigMap(volume.configMap, { ...options, folder, access: access("public") }));
  } else if (volume.secret) {
    const files = await filesOf("Secret", { ...volume.secret, name: volume.secret.secretName }, options);
    writeFiles(folder, files, access("confidential"));
  } else {
    await projectSources(volume, { ...options, folder }, renewals);
  }
  return folder;
}

async function projectSources(
  volume: VolumeManifest,
  options: VolumeOptions,
  renewals: { stop(): void }[],
): Promise<void> {
  const { pod } = options;
  const access = (kind: ContentKind): FileAccess => decideFileAccess(kind, volume.name, pod);
  for (const source of volume.projected?.sources ?? [undefined]) {
    const token = source?.serviceAccountToken;
    if (token) renewals.push(await keepToken({ ...options, source: token, access: access("confidential") }));
    else if (source?.configMap) {
      renewals.push(await mountConfigMap(source.configMap, { ...options, access: access("public") }));
    } else throw unsupported(volume, pod);
  }
}

interface FilesSource {
  readonly name: string;
  readonly optional?: boolean | null | undefined;
}

async function mountConfigMap(
  source: FilesSource,
  options: VolumeOptions & { readonly access: FileAccess },
): Promise<{ stop(): void }> {
  const read = () => filesOf("ConfigMap", source, options);
  return await keepConfigMap({ ...options, read, clock: systemClock });
}

async function filesOf(
  kind: "ConfigMap" | "Secret",
  source: FilesSource,
  { pod, findFiles }: VolumeOptions,
): Promise<VolumeFiles> {
  const { name, namespace } = pod.metadata;
  const files = await findFiles(namespace, kind, source.name);
  if (files !== undefined) return files;
  if (source.optional === true) return {};
  throw new LocalError(
    "bad_manifest",
    `Pod/${name}.${namespace}: the ${kind} ${source.name} does not exist in ${namespace}`,
  );
}

/**
 * The mounts of a container from its pod's volumes. Files that are written from outside are read-only in every container, as
 * with kubelet: a container whose user is root could otherwise put links in their place, and have others written to.
 */
export function containerMounts(container: ContainerManifest, pod: PodManifest, volumes: PodVolumes): readonly Mount[] {
  const where = `Pod/${pod.metadata.name}.${pod.metadata.namespace}, container ${container.name}`;
  const isWritable = (name: string): boolean => {
    const volume = pod.spec.volumes?.find((one) => one.name === name);
    return volume?.emptyDir != null || volume?.hostPath != null;
  };
  return (container.volumeMounts ?? []).map(({ name, mountPath, readOnly }) => {
    const source = volumes.sources.get(name);
    if (source === undefined) throw new LocalError("bad_manifest", `${where}: the volume ${name} does not exist`);
    const stats = statSync(source, { throwIfNoEntry: false });
    if (stats === undefined) {
      throw new LocalError("bad_manifest", `${where}: the volume ${name} is ${source}, which does not exist`);
    }
    if (!isPrivatePath(mountPath) && statSync(mountPath, { throwIfNoEntry: false }) === undefined) {
      throw new LocalError(
        "bad_manifest",
        `${where}: ${mountPath} does not exist on this machine; mount it in /run, /var/run or /tmp, or on an existing path`,
      );
    }
    return { source, target: mountPath, isFile: stats.isFile(), isReadOnly: readOnly === true || !isWritable(name) };
  });
}

function unsupported(volume: VolumeManifest, pod: PodManifest): LocalError {
  const kinds = Object.keys(volume)
    .filter((key) => key !== "name")
    .join(", ");
  return new LocalError(
    "bad_manifest",
    `Pod/${pod.metadata.name}.${pod.metadata.namespace}: the volume ${volume.name} (${kinds}) is not supported on one machine`,
  );
}
