import { isDeepStrictEqual } from "node:util";
import type { Document } from "yaml";
import { parseKubernetesYaml } from "../../mesh/resources/parsing/kubernetes-yaml.ts";
import { admitPod } from "../admission/admit-pod.ts";
import type { InjectionSettings } from "../admission/injection-settings.ts";
import { hasSidecar, type Pod, validatePod } from "../admission/pod.ts";
import { InjectorError } from "../injector-error.ts";
import { editsForDocument, rewriteDocument } from "./edit-yaml.ts";
import { findPodTemplates, type PodTemplate } from "./pod-templates.ts";
import { applyEdits, isRecord } from "./yaml-layout.ts";

export interface InjectManifestsInput {
  /** YAML with one or more documents, or JSON. */
  readonly text: string;
  /** The file's name, for messages. */
  readonly file: string;
  readonly settings: InjectionSettings;
  readonly createToken: () => string;
  /** The namespace of resources without one. @default "default" */
  readonly namespace?: string;
}

export interface InjectedManifests {
  readonly text: string;
  /** One sentence each: what was not injected and why, and warnings. */
  readonly notes: readonly string[];
}

/**
 * Injects every pod of a file that does not opt out, as `istioctl kube-inject` does. Namespace labels are ignored: the
 * user requests injection by running the command. Everything that injection does not change comes out byte for byte; an
 * alias of a changed value is written out.
 * @throws InjectorError `invalid_manifest`
 */
export function injectManifests(input: InjectManifestsInput): InjectedManifests {
  const notes: string[] = [];
  const documents = readDocuments(input.text, input.file).map((document): InjectedDocument => {
    const before = readValue(document, input.file);
    return { document, before, after: injectDocument(before, input, notes) };
  });
  if (documents.every(({ before, after }) => before === after)) return { text: input.text, notes };
  return { text: writeDocuments(input, documents), notes };
}

interface InjectedDocument {
  readonly document: Document.Parsed;
  readonly before: unknown;
  /** The same value if nothing was injected. */
  readonly after: unknown;
}

function readDocuments(text: string, file: string): readonly Document.Parsed[] {
  const documents = parseKubernetesYaml(text, { keepSourceTokens: true });
  const [error] = documents.flatMap(({ errors }) => errors);
  if (error !== undefined) throw new InjectorError("invalid_manifest", `${file}: ${error.message.split("\n")[0]}`);
  return documents;
}

function readValue(document: Document.Parsed, file: string): unknown {
  try {
    return document.toJS();
  } catch (cause) {
    // An alias without an anchor, or aliases that expand to too much.
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InjectorError("invalid_manifest", `${file}: ${reason}`, { cause });
  }
}

/**
 * Writes the changes into the text and parses it again: the result must equal the injected value. If a rare form of
 * YAML defeats the edits, the changed documents are rewritten as a whole.
 */
function writeDocuments({ text, file }: InjectManifestsInput, documents: readonly InjectedDocument[]): string {
  const changed = documents.filter(({ before, after }) => before !== after);
  const written = [editsForDocument, rewriteDocument].map((edit) => () => {
    return applyEdits(
      text,
      changed.flatMap(({ document, after }) => edit(text, document, after)),
    );
  });
  for (const write of written) {
    const result = write();
    const readBack = parseKubernetesYaml(result);
    const isRight = documents.every(({ after }, i) => isReadAs(readBack[i], after));
    if (isRight && readBack.length === documents.length) return result;
  }
  throw new InjectorError(
    "invalid_manifest",
    `${file}: the injected pods cannot be written in this file's form of YAML; use plain block style`,
  );
}

function isReadAs(document: Document.Parsed | undefined, value: unknown): boolean {
  if (document === undefined || document.errors.length > 0) return false;
  try {
    return isDeepStrictEqual(document.toJS(), value);
  } catch {
    return false;
  }
}

function injectDocument(value: unknown, input: InjectManifestsInput, notes: string[]): unknown {
  return findPodTemplates(value, input.namespace ?? "default").reduce<unknown>((result, template) => {
    const validation = validatePod(template.value);
    if (validation.kind === "invalid") {
      throw new InjectorError("invalid_manifest", `${input.file}: ${template.title}: ${validation.message}`);
    }
    const injected = injectTemplate({ template, pod: validation.pod, input, notes });
    return injected === undefined ? result : setAt(result, template.path, injected);
  }, value);
}

interface TemplateInjection {
  readonly template: PodTemplate;
  readonly pod: Pod;
  readonly input: InjectManifestsInput;
  readonly notes: string[];
}

/**
 * @returns the injected pod; undefined if nothing changes
 */
function injectTemplate({ template, pod, input, notes }: TemplateInjection): Pod | undefined {
  const { title, namespace, owner } = template;
  const { settings, createToken } = input;
  const admission = admitPod({ pod, namespace, settings, createToken, ...(owner && { owner }) });
  switch (admission.kind) {
    case "refused":
      throw new InjectorError("invalid_manifest", `${input.file}: ${title}: ${admission.message}`);
    case "skipped":
      notes.push(`${title} is not injected: ${admission.message}`);
      return undefined;
    case "injected":
      notes.push(...admission.warnings.map((warning) => `${title}: ${warning}`));
      if (hasSidecar(pod) && admission.patch.length === 0) notes.push(`${title} already has its sidecar`);
      return admission.patch.length === 0 ? undefined : admission.pod;
  }
}

/** A copy of a value with the value at one path replaced. */
function setAt(value: unknown, [key, ...rest]: readonly (string | number)[], replacement: unknown): unknown {
  if (key === undefined) return replacement;
  if (Array.isArray(value)) return value.map((item, i) => (i === key ? setAt(item, rest, replacement) : item));
  return isRecord(value) ? { ...value, [key]: setAt(value[key], rest, replacement) } : value;
}
