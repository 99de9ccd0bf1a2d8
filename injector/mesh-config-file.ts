import { readFile } from "node:fs/promises";
import { isNoSuchFile } from "../mesh/mesh-error.ts";
import type { Clock, Logger } from "../mesh/runtime.ts";
import type { InjectionSettings } from "./admission/injection-settings.ts";
import { applyMeshConfig } from "./admission/mesh-config/mesh-config.ts";
import { InjectorError } from "./injector-error.ts";
import { type ChangingValue, startPolledValue } from "./polled-value.ts";

export interface MeshConfigFileOptions {
  /** The key `mesh` of the ConfigMap `istio`, mounted as a file. */
  readonly file: string;
  /** The settings that the process was started with; the mesh configuration overrides them. */
  readonly settings: InjectionSettings;
  readonly clock: Clock;
  readonly log: Logger;
  /** @default 2000 */
  readonly intervalMs?: number;
}

/**
 * Reads the mesh configuration, and reads it again when it changes. An invalid one is reported and changes nothing.
 * @throws InjectorError `invalid_mesh_config`, if the first one is invalid or cannot be read
 */
export async function startMeshConfigFile(options: MeshConfigFileOptions): Promise<ChangingValue<InjectionSettings>> {
  const { file, log, clock } = options;
  const reading = { reported: "" };
  return await startPolledValue({
    read: async () => {
      const { settings, unsupported } = await readMeshConfigFile(file, options.settings);
      const fields = unsupported.join(", ");
      if (fields !== reading.reported && fields !== "") log.warn({ file }, `without effect on injection: ${fields}`);
      reading.reported = fields;
      return settings;
    },
    intervalMs: options.intervalMs ?? 2000,
    clock,
    onChange: () => log.info({ file }, "the mesh configuration was reloaded"),
    onFault: ({ code, message }) => log.error({ code, file }, `the old mesh configuration stays in force: ${message}`),
  });
}

/** @throws InjectorError `invalid_mesh_config` */
export async function readMeshConfigFile(file: string, settings: InjectionSettings) {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    const isAbsent = isNoSuchFile(cause);
    const reason = isAbsent ? "there is no such file" : String(cause);
    throw new InjectorError("invalid_mesh_config", `${file} cannot be read: ${reason}`, { cause });
  });
  return applyMeshConfig(text, settings);
}
