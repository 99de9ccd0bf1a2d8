import { type Document, isAlias, parseAllDocuments, visit } from "yaml";
import { admitPod } from "./admission/admit-pod.ts";
import type { InjectionSettings } from "./admission/injection-settings.ts";
import { hasSidecar, type Pod, validatePod } from "./admission/pod.ts";
import { InjectorError } from "./injector-error.ts";
import { applyPatchToDocument } from "./patch-document.ts";
import { findPodTemplates, type PodTemplate } from "./pod-templates.ts";

export interface InjectManifestsInput {
  /** YAML of one or more documents, or JSON. */
  readonly text: string;
  /** For messages. */
  readonly file: string;
  readonly settings: InjectionSettings;
  /** For resources that name none. @default "default" */
  readonly namespace?: string;
}

export interface InjectedManifests {
  readonly text: string;
  /** What was left as it was and why, and the warnings; a sentence each. */
  readonly notes: readonly string[];
}

/**
 * Injects every pod of a file that does not opt out, as `istioctl kube-inject` does: labels of namespaces count for
 * nothing here, since whoever runs it asks for injection. All else comes out as it went in; comments stay in place, but
 * for documents with aliases, which are written anew.
 * @throws InjectorError `invalid_manifest`
 */
export function injectManifests(input: InjectManifestsInput): InjectedManifests {
  const notes: string[] = [];
  const documents = parseAllDocuments(input.text, { merge: true, prettyErrors: true });
  const pieces: string[] = [];
  let start = 0;
  for (const document of documents) {
    const [error] = document.errors;
    if (error !== undefined)
      throw new InjectorError("invalid_manifest", `${input.file}: ${error.message.split("\n")[0]}`);
    const isChanged = injectDocument(document, input, notes);
    // A document's own range begins after the comments that stand above it.
    const end = document.range?.[2] ?? input.text.length;
    pieces.push(isChanged ? document.toString({ lineWidth: 0 }) : input.text.slice(start, end));
    start = end;
  }
  return { text: joinDocuments(pieces), notes };
}

/** @returns whether the document was changed */
function injectDocument(document: Document, input: InjectManifestsInput, notes: string[]): boolean {
  const templates = findPodTemplates(document.toJS(), input.namespace ?? "default");
  let isChanged = false;
  for (const template of templates) {
    const validation = validatePod(template.value);
    if (validation.kind === "invalid") {
      throw new InjectorError("invalid_manifest", `${input.file}: ${template.title}: ${validation.message}`);
    }
    isChanged = injectTemplate({ document, template, pod: validation.pod, input, notes }) || isChanged;
  }
  return isChanged;
}

interface TemplateInjection {
  readonly document: Document;
  readonly template: PodTemplate;
  readonly pod: Pod;
  readonly input: InjectManifestsInput;
  readonly notes: string[];
}

function injectTemplate({ document, template, pod, input, notes }: TemplateInjection): boolean {
  const { title, namespace, owner } = template;
  const admission = admitPod({ pod, namespace, settings: input.settings, ...(owner && { owner }) });
  switch (admission.kind) {
    case "refused":
      throw new InjectorError("invalid_manifest", `${input.file}: ${title}: ${admission.message}`);
    case "skipped":
      notes.push(`${title} is left as it is: ${admission.message}`);
      return false;
    case "injected":
      notes.push(...admission.warnings.map((warning) => `${title}: ${warning}`));
      if (hasSidecar(pod) && admission.patch.length === 0) notes.push(`${title} has its sidecar already`);
      if (admission.patch.length === 0) return false;
      break;
  }
  if (hasAliases(document)) {
    // A patch in a shared node would change every place that shares it.
    document.contents = document.createNode(document.toJS(), { aliasDuplicateObjects: false });
  }
  applyPatchToDocument(document, template.path, admission.patch);
  return true;
}

function hasAliases(document: Document): boolean {
  let found = false;
  visit(document, {
    Node: (_key, node) => {
      found ||= isAlias(node);
      return found ? visit.BREAK : undefined;
    },
  });
  return found;
}

/** Each document in its own text, with one marker between two. */
function joinDocuments(pieces: readonly string[]): string {
  return pieces
    .map((piece) => piece.replace(/^---[ \t]*\n/, "").replace(/(?:^|\n)(?:---|\.\.\.)[ \t]*\s*$/, "\n"))
    .map((piece) => (piece === "" || piece.endsWith("\n") ? piece : `${piece}\n`))
    .join("---\n");
}
