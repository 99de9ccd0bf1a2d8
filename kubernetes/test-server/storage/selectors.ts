import type { KubernetesObject } from "../../kubernetes-api.ts";
import { isFields } from "../../requests/api-response.ts";
import { badRequest } from "./refused-request.ts";

/** Whether an object is selected. */
export type Filter = (object: KubernetesObject) => boolean;

/** A filter that needs the labels alone. */
export type LabelFilter = (object: { readonly metadata: Pick<KubernetesObject["metadata"], "labels"> }) => boolean;

/** `app=web,tier!=db,env in (a,b),!old,canary`. */
export function parseLabelSelector(text: string | undefined): LabelFilter {
  if (!text) return () => true;
  const requirements = splitRequirements(text).map(parseRequirement);
  return ({ metadata }) => requirements.every((matches) => matches(metadata.labels ?? {}));
}

type LabelMatch = (labels: Readonly<Record<string, string>>) => boolean;

/** At commas outside of parentheses. */
function splitRequirements(text: string): readonly string[] {
  return text.split(/,(?![^(]*\))/).map((part) => part.trim());
}

function parseRequirement(text: string): LabelMatch {
  const set = /^(\S+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(text);
  if (set !== null) {
    const [, key = "", operator, list = ""] = set;
    const values = list.split(",").map((value) => value.trim());
    return (labels) => values.includes(labels[key] ?? "\0") === (operator === "in");
  }
  const equality = /^([^!=\s]+)\s*(==|=|!=)\s*([^=\s]*)$/.exec(text);
  if (equality !== null) {
    const [, key = "", operator, value] = equality;
    return (labels) => (labels[key] === value) === (operator !== "!=");
  }
  const presence = /^(!?)\s*([A-Za-z0-9._/-]+)$/.exec(text);
  if (presence === null) throw badRequest(`unable to parse requirement: ${text}`);
  const [, not, key = ""] = presence;
  return (labels) => Object.hasOwn(labels, key) === (not === "");
}

/** `metadata.name=web,status.phase!=Running`: fields by their path. */
export function parseFieldSelector(text: string | undefined): Filter {
  if (!text) return () => true;
  const requirements = text.split(",").map((part): Filter => {
    const match = /^([A-Za-z.]+)(==|=|!=)(.*)$/.exec(part.trim());
    if (match === null) throw badRequest(`invalid field selector: ${part}`);
    const [, path = "", operator, value = ""] = match;
    return (object) => (fieldAt(object, path.split(".")) === value) === (operator !== "!=");
  });
  return (object) => requirements.every((matches) => matches(object));
}

function fieldAt(object: unknown, path: readonly string[]): string {
  let value = object;
  for (const field of path) value = isFields(value) ? value[field] : undefined;
  return value === undefined || value === null ? "" : String(value);
}
