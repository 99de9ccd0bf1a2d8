import { z } from "zod";
import type { Immutable } from "./immutable.ts";
import { workloadSelectorSchema } from "./metadata.ts";
import { quote } from "./quote.ts";

const MAX_TARGET_REFS = 16;

/** What Istio's policies can be attached to, beside workloads: `GROUP/KIND`, without a group for Kubernetes' core. */
const TARGET_KINDS: readonly string[] = [
  "gateway.networking.k8s.io/Gateway",
  "gateway.networking.k8s.io/GatewayClass",
  "Service",
  "networking.istio.io/ServiceEntry",
];

/** A `*` in a label is not a wildcard: such a policy would select nothing. */
const selectorSchema = workloadSelectorSchema.superRefine(({ matchLabels }, context) => {
  for (const [label, value] of Object.entries(matchLabels)) {
    const path = ["matchLabels", label];
    if (label === "") {
      context.addIssue({ code: "custom", path, message: `has a label without a name: name it, or remove the entry` });
    }
    if (`${label}${value}`.includes("*")) {
      const message = `must not contain \`*\`, is ${quote(`${label}: ${value}`)}: labels are compared exactly, so write one policy for each value`;
      context.addIssue({ code: "custom", path, message });
    }
  }
});

const targetRefSchema = z
  .strictObject({
    group: z.string().default(""),
    kind: z.string().min(1),
    name: z.string().min(1),
    namespace: z.string().default(""),
  })
  .superRefine(({ group, kind, namespace }, context) => {
    const target = group === "" || group === "core" ? kind : `${group}/${kind}`;
    if (!TARGET_KINDS.includes(target)) {
      const message = `names ${quote(target)}, to which no policy can be attached: use ${TARGET_KINDS.join(", ")}`;
      context.addIssue({ code: "custom", path: ["kind"], message });
    }
    if (namespace !== "") {
      const message = `must be absent, is ${quote(namespace)}: a policy is attached to objects of its own namespace`;
      context.addIssue({ code: "custom", path: ["namespace"], message });
    }
  });

/** What a policy applies to. Without any of the three: to its namespace, or from the root namespace to the mesh. */
export const policyTargetShape = {
  selector: selectorSchema.optional(),
  /** An older form of `targetRefs`. */
  targetRef: targetRefSchema.optional(),
  targetRefs: z.array(targetRefSchema).max(MAX_TARGET_REFS).default([]),
};

const policyTargetSchema = z.object(policyTargetShape);

export type PolicyTarget = Immutable<z.output<typeof policyTargetSchema>>;
export type PolicyTargetRef = PolicyTarget["targetRefs"][number];

/** The objects that a policy is attached to, whichever form names them. A sidecar ignores a policy that has any. */
export function targetRefsOf({ targetRef, targetRefs }: PolicyTarget): readonly PolicyTargetRef[] {
  return targetRef === undefined ? targetRefs : [targetRef];
}

/** Istio takes one of the three; to guess which one was meant could cover less than that. */
export function addTargetIssues(target: PolicyTarget, context: z.RefinementCtx): void {
  const given = [
    ...(target.selector === undefined ? [] : ["selector"]),
    ...(target.targetRef === undefined ? [] : ["targetRef"]),
    ...(target.targetRefs.length === 0 ? [] : ["targetRefs"]),
  ];
  if (given.length < 2) return;
  const message = `has ${given.join(" and ")}: keep one of them`;
  context.addIssue({ code: "custom", path: ["spec", given.at(-1) ?? ""], message });
}
