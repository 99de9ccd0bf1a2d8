import { z } from "zod";
import { MeshError } from "../../../mesh/mesh-error.ts";
import { isPlainObject } from "../../../mesh/resources/parsing/plain-value.ts";
import { InjectorError } from "../../injector-error.ts";
import type { InjectionSettings } from "../injection-settings.ts";
import { mergeProxyConfig, parseProxyConfig } from "./proxy-config.ts";
import { readYaml } from "./yaml-value.ts";

/** What injection reads of Istio's MeshConfig, which is the key `mesh` of the ConfigMap `istio`. */
const schema = z.looseObject({
  trustDomain: z.string().min(1).nullish(),
  accessLogFile: z
    .string()
    .regex(/^(?:\/.*)?$/, "must be a path such as /dev/stdout")
    .nullish(),
  enablePrometheusMerge: z.boolean().nullish(),
  defaultConfig: z.unknown().optional(),
});

export interface ReadMeshConfig {
  readonly settings: InjectionSettings;
  /** The fields of `defaultConfig` that have no effect. */
  readonly unsupported: readonly string[];
}

/**
 * Applies a MeshConfig in YAML to the settings that the process was started with. A field that is absent changes
 * nothing.
 * @throws InjectorError `invalid_mesh_config`
 */
export function applyMeshConfig(text: string, settings: InjectionSettings): ReadMeshConfig {
  const reading = readYaml(text, schema);
  if (reading.kind === "invalid") throw fault(reading.message);
  const { trustDomain, accessLogFile, enablePrometheusMerge, defaultConfig } = reading.value;
  const proxy = readDefaultConfig(defaultConfig);
  return {
    settings: {
      ...settings,
      ...(typeof trustDomain === "string" && { trustDomain }),
      ...(typeof accessLogFile === "string" && { accessLogFile }),
      ...(typeof enablePrometheusMerge === "boolean" && { mergesMetrics: enablePrometheusMerge }),
      proxy: mergeProxyConfig(proxy.config, settings.proxy),
    },
    unsupported: proxy.unsupported
      .flatMap((name) => (name === TOPOLOGY ? findTopologyFields(defaultConfig) : name))
      .map((name) => `defaultConfig.${name}`),
  };
}

function readDefaultConfig(value: unknown) {
  try {
    return parseProxyConfig(value);
  } catch (caught) {
    const { code, message } = MeshError.from(caught);
    throw fault(`defaultConfig: ${message.replace(`${code}: `, "")}`);
  }
}

/** The control plane reads how many proxies the gateway trusts. A pod's own configuration has no effect on it. */
const TOPOLOGY = "gatewayTopology";

function findTopologyFields(defaultConfig: unknown): readonly string[] {
  const topology = isPlainObject(defaultConfig) ? defaultConfig[TOPOLOGY] : undefined;
  const fields = isPlainObject(topology) ? Object.keys(topology) : [];
  return fields.filter((field) => field !== "numTrustedProxies").map((field) => `${TOPOLOGY}.${field}`);
}

function fault(message: string): InjectorError {
  return new InjectorError("invalid_mesh_config", `the mesh configuration: ${message}`);
}
