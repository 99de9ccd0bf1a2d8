import { z } from "zod";
import type { KubernetesObject } from "../../kubernetes/kubernetes-api.ts";

/** How far a Deployment, or a webhook configuration, is. */
export type Rollout =
  | { readonly kind: "available" }
  | { readonly kind: "waiting"; readonly reason: string }
  /** Waiting longer does not help. */
  | { readonly kind: "failed"; readonly reason: string };

const conditionSchema = z.looseObject({
  type: z.string(),
  status: z.string(),
  reason: z.string().default(""),
  message: z.string().default(""),
});
const conditionsSchema = z.array(conditionSchema).default([]);

const deploymentSchema = z.looseObject({
  spec: z.looseObject({ replicas: z.int().default(1) }),
  status: z
    .looseObject({
      observedGeneration: z.int().default(0),
      updatedReplicas: z.int().default(0),
      availableReplicas: z.int().default(0),
      conditions: conditionsSchema,
    })
    .prefault({}),
});

const reasonSchema = z.looseObject({ reason: z.string().default(""), message: z.string().default("") });
const containerStatusSchema = z.looseObject({
  restartCount: z.int().default(0),
  state: z.looseObject({ waiting: reasonSchema.optional() }).prefault({}),
  lastState: z
    .looseObject({ terminated: reasonSchema.extend({ exitCode: z.int().default(0) }).optional() })
    .prefault({}),
});
const podSchema = z.looseObject({
  metadata: z.looseObject({ name: z.string() }),
  status: z
    .looseObject({ conditions: conditionsSchema, containerStatuses: z.array(containerStatusSchema).default([]) })
    .prefault({}),
});

/** Reasons of a waiting container that need a change: of the image's name, of the image, or of the node. */
const HOPELESS: ReadonlySet<string> = new Set(["InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError"]);
/** Every container passes through these. */
const ORDINARY: ReadonlySet<string> = new Set(["ContainerCreating", "PodInitializing"]);
/** A container that ends this often in a row does not recover by itself. */
const MANY_RESTARTS = 3;

/** Judges a Deployment by its status and its pods'. */
export function describeRollout(deployment: KubernetesObject, pods: readonly KubernetesObject[]): Rollout {
  const { spec, status } = deploymentSchema.parse(deployment);
  const isObserved = status.observedGeneration >= (deployment.metadata.generation ?? 0);
  const ready = Math.min(status.availableReplicas, status.updatedReplicas);
  if (isObserved && ready >= spec.replicas) return { kind: "available" };
  const problem = pods.map((pod) => findPodProblem(pod)).find((found) => found !== undefined);
  if (problem?.kind === "failed") return problem;
  const refused = status.conditions.find(({ type, status: is }) => type === "ReplicaFailure" && is === "True");
  const stuck = status.conditions.find(({ type, status: is }) => type === "Progressing" && is === "False");
  const count = `${ready} of ${spec.replicas} pods available`;
  const reason = problem?.reason ?? refused?.message ?? stuck?.message;
  return { kind: "waiting", reason: reason === undefined ? count : `${count}: ${reason}` };
}

const webhooksSchema = z.looseObject({
  webhooks: z.array(z.looseObject({ clientConfig: z.looseObject({ caBundle: z.string().default("") }) })).default([]),
});

/** A webhook configuration is ready when the injector has written its roots: before, the API server trusts no one. */
export function describeWebhooks(configuration: KubernetesObject): Rollout {
  const { webhooks } = webhooksSchema.parse(configuration);
  if (webhooks.every(({ clientConfig }) => clientConfig.caBundle !== "")) return { kind: "available" };
  return { kind: "waiting", reason: "the injector has not written its root certificates yet" };
}

type Problem = Exclude<Rollout, { kind: "available" }>;

function findPodProblem(object: KubernetesObject): Problem | undefined {
  const { metadata, status } = podSchema.parse(object);
  const name = `pod ${metadata.name}`;
  const ofContainers = status.containerStatuses.map((container) => findContainerProblem(name, container));
  const unscheduled = status.conditions.find(({ type, status: is }) => type === "PodScheduled" && is === "False");
  const ofPod: Problem | undefined = unscheduled && {
    kind: "waiting",
    reason: `${name} has no node (${unscheduled.message})`,
  };
  return ofContainers.find((problem) => problem !== undefined) ?? ofPod;
}

function findContainerProblem(pod: string, container: z.output<typeof containerStatusSchema>): Problem | undefined {
  const { waiting } = container.state;
  const { terminated } = container.lastState;
  if (terminated !== undefined && waiting?.reason === "CrashLoopBackOff") {
    const ended = terminated.message.trim() || terminated.reason;
    const reason = `${pod} ended with status ${terminated.exitCode} (${ended}); see kubectl logs --previous`;
    return { kind: container.restartCount >= MANY_RESTARTS ? "failed" : "waiting", reason };
  }
  if (waiting === undefined || ORDINARY.has(waiting.reason)) return undefined;
  const detail = waiting.message === "" ? "" : `: ${waiting.message}`;
  return {
    kind: HOPELESS.has(waiting.reason) ? "failed" : "waiting",
    reason: `${pod} waits (${waiting.reason}${detail})`,
  };
}
