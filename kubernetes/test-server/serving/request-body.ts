import type { IncomingMessage } from "node:http";
import { parseKubernetesYaml } from "../../../mesh/resources/parsing/kubernetes-yaml.ts";
import type { KubernetesObject, NewKubernetesObject } from "../../kubernetes-api.ts";
import { type Fields, isFields } from "../../requests/api-response.ts";
import { badRequest, RefusedRequest } from "../storage/refused-request.ts";

/** As the API server's own limit. */
const MAX_BODY_BYTES = 3 * 1024 * 1024;

export async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue;
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new RefusedRequest(413, "RequestEntityTooLarge", "limit is 3145728");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** JSON, or the YAML of an apply. */
export function parseBody(text: string, contentType: string): unknown {
  try {
    if (!contentType.includes("yaml")) return JSON.parse(text);
    const [document] = parseKubernetesYaml(text);
    const value: unknown = document?.toJS();
    return value;
  } catch {
    throw badRequest("the request body cannot be parsed");
  }
}

/** An object in a request for a namespace: the path's namespace is filled in, and must not contradict. */
export function parseNewObject(body: unknown, namespace: string | undefined): NewKubernetesObject {
  const { metadata, ...content } = parseObjectBody(body);
  const named = withNamespace(metadata, namespace);
  const { name, generateName } = named;
  const either = typeof name === "string" && name !== "" ? { name } : { generateName: String(generateName ?? "") };
  return { ...content, metadata: { ...named, ...either } };
}

/** An object whose name is in the path. */
export function parseNamedObject(
  body: unknown,
  { namespace, name }: { readonly namespace: string | undefined; readonly name: string },
): KubernetesObject {
  const { metadata, ...content } = parseObjectBody(body);
  if (metadata["name"] !== undefined && metadata["name"] !== name) {
    throw badRequest(`the name of the object (${metadata["name"]}) does not match the name on the URL (${name})`);
  }
  return { ...content, metadata: { ...withNamespace(metadata, namespace), name } };
}

interface ParsedBody {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Fields;
}

function parseObjectBody(body: unknown): ParsedBody {
  if (!isFields(body)) throw badRequest("the request body is not an object");
  const { apiVersion, kind, metadata } = body;
  if (typeof apiVersion !== "string" || typeof kind !== "string") throw badRequest("Object 'Kind' is missing");
  return { ...body, apiVersion, kind, metadata: isFields(metadata) ? metadata : {} };
}

function withNamespace(metadata: Fields, namespace: string | undefined): Fields {
  if (namespace === undefined) return metadata;
  const given = metadata["namespace"];
  if (given !== undefined && given !== "" && given !== namespace) {
    throw badRequest(
      `the namespace of the object (${given}) does not match the namespace on the request (${namespace})`,
    );
  }
  return { ...metadata, namespace };
}
