import { z } from "zod";
import { InjectorError } from "../../injector-error.ts";
import { readValue, readYaml, type YamlReading } from "./yaml-value.ts";

/** The fields of Istio's ProxyConfig that the sidecar has; a field that is absent leaves the mesh's value. */
export interface ProxyConfig {
  readonly holdApplication?: boolean;
  /** How long a proxy that ends still accepts connections. */
  readonly drainS?: number;
  /** `HOST:PORT` */
  readonly controlPlaneAddress?: string;
  /** Variables of the proxy's environment. */
  readonly environment: Readonly<Record<string, string>>;
}

/** A ProxyConfig, and the fields in it that have no effect. */
export interface ReadProxyConfig {
  readonly config: ProxyConfig;
  /** Their paths: `concurrency`, `proxyMetadata.BOOTSTRAP_XDS_AGENT`. */
  readonly unsupported: readonly string[];
}

export const EMPTY_PROXY_CONFIG: ProxyConfig = { environment: {} };

/** As protobuf writes a Duration in JSON. */
const duration = z
  .string()
  .regex(/^\d{1,6}(?:\.\d{1,9})?s$/, "must be a duration in seconds such as 30s")
  .transform((text) => Number(text.slice(0, -1)));

const schema = z.looseObject({
  holdApplicationUntilProxyStarts: z.boolean().nullish(),
  terminationDrainDuration: duration.nullish(),
  discoveryAddress: z
    .string()
    .regex(/^[^\s/:]+:\d{1,5}$/, "must be HOST:PORT")
    .nullish(),
  proxyMetadata: z.record(z.string(), z.string()).nullish(),
});

const FIELDS: readonly string[] = Object.keys(schema.shape);

/**
 * Reads the text of the annotation proxy.istio.io/config: a ProxyConfig in YAML.
 * @throws InjectorError `invalid_annotation`
 */
export function parseProxyConfigText(text: string): ReadProxyConfig {
  return configFrom(readYaml(text, schema));
}

/**
 * Reads a ProxyConfig that is already a value: the mesh's `defaultConfig`.
 * @throws InjectorError `invalid_annotation`
 */
export function parseProxyConfig(value: unknown): ReadProxyConfig {
  return configFrom(readValue(value, schema));
}

function configFrom(reading: YamlReading<z.output<typeof schema>>): ReadProxyConfig {
  if (reading.kind === "invalid") throw fault(reading.message);
  const { holdApplicationUntilProxyStarts: holds, terminationDrainDuration, discoveryAddress } = reading.value;
  const metadata = readMetadata(reading.value.proxyMetadata ?? {});
  return {
    config: {
      ...(typeof holds === "boolean" && { holdApplication: holds }),
      ...(typeof terminationDrainDuration === "number" && { drainS: terminationDrainDuration }),
      ...(typeof discoveryAddress === "string" && { controlPlaneAddress: discoveryAddress }),
      environment: metadata.environment,
    },
    unsupported: [...Object.keys(reading.value).filter((name) => !FIELDS.includes(name)), ...metadata.unsupported],
  };
}

/** The first config's fields over the second's; environments are joined by variable, as Istio joins proxyMetadata. */
export function mergeProxyConfig(over: ProxyConfig, base: ProxyConfig): ProxyConfig {
  return { ...base, ...over, environment: { ...base.environment, ...over.environment } };
}

/** Istio's agent accepts for this time if it waits for its last connection, as our proxy always does. */
const MINIMUM_DRAIN = "MINIMUM_DRAIN_DURATION";
/** The drain's time in the proxy's environment. */
export const DRAIN_SECONDS = "TERMINATION_DRAIN_DURATION_SECONDS";
/** The proxy does this always: it ends when its last connection has ended. */
const ALWAYS_ON = "EXIT_ON_ZERO_ACTIVE_CONNECTIONS";
/** Settings of our own proxy. The files of its token and its roots are not for the pod to choose. */
const OWN_SETTING = /^ENTENTE_(?!TOKEN_FILE$|ROOT_CERT_FILE$)[A-Z0-9_]+$/;

function readMetadata(metadata: Readonly<Record<string, string>>) {
  const environment: Record<string, string> = {};
  const unsupported: string[] = [];
  for (const [name, value] of Object.entries(metadata)) {
    if (name === MINIMUM_DRAIN) {
      const seconds = duration.safeParse(value);
      if (!seconds.success) throw fault(`proxyMetadata.${name} must be a duration in seconds such as 5s`);
      environment[DRAIN_SECONDS] = String(seconds.data);
    } else if (OWN_SETTING.test(name)) environment[name] = value;
    else if (name !== ALWAYS_ON || value !== "true") unsupported.push(`proxyMetadata.${name}`);
  }
  return { environment, unsupported };
}

function fault(message: string): InjectorError {
  return new InjectorError("invalid_annotation", message);
}
