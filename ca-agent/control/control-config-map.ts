import { apiVersionOf, KINDS } from "../../kubernetes/kinds.ts";
import type { KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import { CaError } from "../ca-error.ts";
import { type ControlState, EMPTY_CONTROL_STATE } from "./control-state.ts";
import { DOCUMENT_VERSIONS, readLaterVersion, VERSION_FIELDS } from "./document-version.ts";
import { formatControlTexts, parseControlTexts } from "./parse-control-state.ts";

/** In the mesh's root namespace: who may write it may replace the mesh's configuration anyway. It contains no secret. */
export const CONTROL_CONFIG_MAP = "entente-ca";
const REVOCATIONS_KEY = "revocations.json";
const ROTATION_KEY = "rotation.json";
const REVISIONS_KEY = "revisions.json";
const VERSION_KEYS: readonly string[] = VERSION_FIELDS;

/**
 * The state in a ConfigMap; the empty state if there is none. A ConfigMap without the list of revocations is an error, and
 * so is any other key: a misspelt one would revoke nothing, in silence.
 */
export function readControlConfigMap(configMap: KubernetesObject | undefined): ControlState {
  if (configMap === undefined) return EMPTY_CONTROL_STATE;
  const { namespace, name } = configMap.metadata;
  const from = `ConfigMap ${namespace}/${name}`;
  const texts = textsOf(configMap, from);
  const { [REVOCATIONS_KEY]: revocations, [ROTATION_KEY]: rotation, [REVISIONS_KEY]: revisions, ...others } = texts;
  const laterVersion = laterVersionOf(others, from);
  const unknown = Object.keys(others).find((key) => !VERSION_KEYS.includes(key));
  if (unknown !== undefined && laterVersion === undefined) {
    throw invalid(`${from} has the unknown key ${JSON.stringify(unknown)}: remove it`);
  }
  if (revocations === undefined)
    throw invalid(`${from} has no ${REVOCATIONS_KEY}: restore it, or set it to [] to revoke nothing`);
  try {
    return parseControlTexts({ revocations, rotation, revisions, laterVersion });
  } catch (caught) {
    if (!(caught instanceof CaError)) throw caught;
    throw invalid(`${from}: ${caught.message.slice(caught.code.length + 2)}`);
  }
}

/** What replaces a ConfigMap, with its version; or a new one. Throws a CaError `control_limit`. */
export function formatControlConfigMap(
  namespace: string,
  state: ControlState,
  before?: KubernetesObject,
): KubernetesObject {
  const { revocations, rotation, revisions } = formatControlTexts(state);
  const { version, minReaderVersion } = DOCUMENT_VERSIONS.control;
  return {
    apiVersion: apiVersionOf(KINDS.configMaps),
    kind: KINDS.configMaps.kind,
    metadata: before?.metadata ?? { name: CONTROL_CONFIG_MAP, namespace },
    data: {
      [REVOCATIONS_KEY]: revocations,
      ...(rotation !== undefined && { [ROTATION_KEY]: rotation }),
      ...(revisions !== undefined && {
        [REVISIONS_KEY]: revisions,
        version: String(version),
        minReaderVersion: String(minReaderVersion),
      }),
    },
  };
}

/** The versions are whole numbers, as texts. */
function laterVersionOf(texts: Readonly<Record<string, string>>, from: string): number | undefined {
  const versions = Object.entries(texts).filter(([key]) => VERSION_KEYS.includes(key));
  const numbers = versions.map(([key, text]) => [key, /^\d{1,9}$/.test(text) ? Number(text) : text]);
  try {
    return readLaterVersion("control", Object.fromEntries(numbers), from);
  } catch (caught) {
    throw invalid(MeshError.from(caught).message.replace(/^unexpected: /, ""));
  }
}

function textsOf(configMap: KubernetesObject, from: string): Readonly<Record<string, string>> {
  const { data = {}, binaryData = {} } = configMap;
  if (!isRecord(data) || !isRecord(binaryData)) throw invalid(`${from} has no data`);
  const texts = Object.entries({ ...data, ...binaryData }).map(([key, value]): [string, string] => {
    if (typeof value !== "string" || Object.hasOwn(binaryData, key)) throw invalid(`${from}: ${key} is not a text`);
    return [key, value];
  });
  return Object.fromEntries(texts);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function invalid(message: string): CaError {
  return new CaError("control_state", message);
}
