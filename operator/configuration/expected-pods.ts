import { type Admission, admitPod } from "../../injector/admission/admit-pod.ts";
import { DEFAULT_INJECTION_SETTINGS } from "../../injector/admission/injection-settings.ts";
import { type Pod as InjectedPod, validatePod } from "../../injector/admission/pod.ts";
import { decideInjection } from "../../injector/admission/selection/decide-injection.ts";
import type { ManifestFile } from "../../injector/manifests/manifest-files.ts";
import { findPodTemplates, type PodTemplate } from "../../injector/manifests/pod-templates.ts";
import type { ConfigProblem } from "../../mesh/resources/config-problem.ts";
import { formatResourceKey } from "../../mesh/resources/fields/resource-names.ts";
import { parseYamlDocuments } from "../../mesh/resources/parsing/yaml-document.ts";
import type { Resource } from "../../mesh/resources/resource.ts";
import { RESOURCE_KINDS } from "../../mesh/resources/resource-kinds.ts";
import type { ResourceSet } from "../../mesh/resources/resource-set.ts";
import type { PodInjection } from "./configuration.ts";

/** The pods that manifests would create, one for each workload, after injection. */
export interface ExpectedPods {
  readonly pods: readonly Resource[];
  readonly injections: ReadonlyMap<string, PodInjection>;
  readonly problems: readonly ConfigProblem[];
}

/** Pods of manifests have no address yet. This block (RFC 1112) is never used, and no report shows it. */
const PLACEHOLDER_BLOCK = 240;

/** Namespaces' labels are those of the set, as if everything were applied. */
export function expectPods(files: readonly ManifestFile[], set: ResourceSet): ExpectedPods {
  const pods = new Map<string, Resource>();
  const injections = new Map<string, PodInjection>();
  const problems: ConfigProblem[] = [];
  for (const located of files.flatMap(templatesIn)) {
    const expected = expectPod(located, set, pods);
    if (expected.kind === "invalid") {
      problems.push(expected.problem);
      continue;
    }
    pods.set(expected.key, expected.pod);
    injections.set(expected.key, expected.injection);
  }
  return { pods: [...pods.values()], injections, problems };
}

interface LocatedTemplate {
  readonly template: PodTemplate;
  readonly file: string;
  readonly line: number;
}

function templatesIn({ file, text }: ManifestFile): readonly LocatedTemplate[] {
  return parseYamlDocuments(text).flatMap(({ content, locate }) => {
    if (content.kind !== "value") return [];
    return findPodTemplates(content.value, "default").map((template) => ({
      template,
      file,
      line: locate(template.path).line,
    }));
  });
}

type ExpectedPod =
  | { readonly kind: "expected"; readonly key: string; readonly pod: Resource; readonly injection: PodInjection }
  | { readonly kind: "invalid"; readonly problem: ConfigProblem };

function expectPod(located: LocatedTemplate, set: ResourceSet, others: ReadonlyMap<string, Resource>): ExpectedPod {
  const { template } = located;
  const validation = validatePod(template.value);
  if (validation.kind === "invalid") return invalid(located, validation.message);
  const admission = admitTemplate(template, validation.pod, set);
  const key = freeKey(template, others);
  const parsed = RESOURCE_KINDS.find(({ kind }) => kind === "Pod")?.parse(
    podObject(admission.kind === "injected" ? admission.pod : validation.pod, template, { key, index: others.size }),
    { apiVersion: "v1", absent: [] },
  );
  if (parsed?.kind !== "resource") {
    const issue = parsed?.issues[0];
    return invalid(located, `${issue?.path.join(".") ?? "the pod"} ${issue?.message ?? "is not valid"}`);
  }
  const origin = { file: located.file, line: located.line };
  return { kind: "expected", key, pod: { ...parsed.resource, origin }, injection: admission };
}

function admitTemplate(template: PodTemplate, pod: InjectedPod, set: ResourceSet): Admission {
  const { namespace, owner } = template;
  const settings = DEFAULT_INJECTION_SETTINGS;
  const labels = set.namespaces.get(namespace)?.metadata.labels ?? {};
  const decision = decideInjection({ namespace: { name: namespace, labels }, pod, settings });
  // The pod is only reported about: its hooks need no secret path.
  return admitPod({ pod, namespace, settings, decision, createToken: () => "unused", ...(owner && { owner }) });
}

/** The pod has its workload's name; a second workload of that name gets its kind appended. */
function freeKey({ namespace, title, owner }: PodTemplate, others: ReadonlyMap<string, Resource>): string {
  const name = owner?.name ?? title.slice(title.indexOf("/") + 1, title.length - namespace.length - 1);
  const key = formatResourceKey(namespace, name);
  return others.has(key) ? `${key}-${(owner?.kind ?? "pod").toLowerCase()}` : key;
}

function podObject(
  pod: InjectedPod,
  { namespace, owner }: PodTemplate,
  { key, index }: { readonly key: string; readonly index: number },
): object {
  const ip = [PLACEHOLDER_BLOCK, index >> 16, (index >> 8) & 255, index & 255].join(".");
  return {
    metadata: {
      name: key.slice(namespace.length + 1),
      namespace,
      labels: pod.metadata?.labels ?? {},
      annotations: pod.metadata?.annotations ?? {},
      ownerReferences: owner === undefined ? [] : [{ kind: owner.kind, name: owner.name }],
    },
    spec: pod.spec,
    status: { podIP: ip, phase: "Running", conditions: [{ type: "Ready", status: "True" }] },
  };
}

function invalid({ template, file, line }: LocatedTemplate, message: string): ExpectedPod {
  const { title } = template;
  return {
    kind: "invalid",
    problem: { severity: "error", finding: "SchemaValidationError", file, line, resource: title, message },
  };
}
