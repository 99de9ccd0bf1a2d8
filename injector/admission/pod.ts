import { z } from "zod";
import type { Immutable } from "../../mesh/resources/fields/immutable.ts";
import { faultFromIssue } from "../../mesh/resources/parsing/schema-issue.ts";
import { ownerReferenceSchema } from "../review/owner-reference.ts";

/**
 * A pod as the API server sends it, checked only as deep as injection reads it. All objects are loose and no defaults
 * are filled in: unknown fields, and `null` where Kubernetes writes it, must come out unchanged.
 */
const securityContextSchema = z.looseObject({
  runAsUser: z.number().nullish(),
  runAsGroup: z.number().nullish(),
  /** This field and the next exist only at pod level. */
  fsGroup: z.number().nullish(),
  supplementalGroups: z.array(z.number()).nullish(),
  privileged: z.boolean().nullish(),
  allowPrivilegeEscalation: z.boolean().nullish(),
  capabilities: z.looseObject({ add: z.array(z.string()).nullish(), drop: z.array(z.string()).nullish() }).nullish(),
});

const portReferenceSchema = z.union([z.number(), z.string()]);

const networkHandlerSchema = z.looseObject({ host: z.string().nullish(), port: portReferenceSchema });

const probeSchema = z.looseObject({
  httpGet: networkHandlerSchema.nullish(),
  tcpSocket: networkHandlerSchema.nullish(),
  grpc: z.looseObject({ port: z.number() }).nullish(),
  timeoutSeconds: z.number().nullish(),
});

const lifecycleHandlerSchema = z.looseObject({
  httpGet: networkHandlerSchema.nullish(),
  tcpSocket: networkHandlerSchema.nullish(),
});

const containerSchema = z.looseObject({
  name: z.string().min(1),
  image: z.string().nullish(),
  ports: z.array(z.looseObject({ name: z.string().nullish(), containerPort: z.number() })).nullish(),
  env: z.array(z.looseObject({ name: z.string(), value: z.string().nullish() })).nullish(),
  volumeMounts: z.array(z.looseObject({ name: z.string(), mountPath: z.string() })).nullish(),
  readinessProbe: probeSchema.nullish(),
  livenessProbe: probeSchema.nullish(),
  startupProbe: probeSchema.nullish(),
  lifecycle: z
    .looseObject({ preStop: lifecycleHandlerSchema.nullish(), postStart: lifecycleHandlerSchema.nullish() })
    .nullish(),
  securityContext: securityContextSchema.nullish(),
});

const nodeExpressionSchema = z.looseObject({
  key: z.string(),
  operator: z.string(),
  values: z.array(z.string()).nullish(),
});

const nodeTermsSchema = z.looseObject({
  nodeSelectorTerms: z.array(z.looseObject({ matchExpressions: z.array(nodeExpressionSchema).nullish() })).nullish(),
});

const affinitySchema = z.looseObject({
  nodeAffinity: z.looseObject({ requiredDuringSchedulingIgnoredDuringExecution: nodeTermsSchema.nullish() }).nullish(),
});

const podSchema = z.looseObject({
  metadata: z
    .looseObject({
      name: z.string().nullish(),
      generateName: z.string().nullish(),
      namespace: z.string().nullish(),
      labels: z.record(z.string(), z.string()).nullish(),
      annotations: z.record(z.string(), z.string()).nullish(),
      ownerReferences: z.array(ownerReferenceSchema).nullish(),
    })
    .nullish(),
  spec: z.looseObject({
    containers: z.array(containerSchema).min(1),
    initContainers: z.array(containerSchema).nullish(),
    ephemeralContainers: z.array(containerSchema).nullish(),
    volumes: z.array(z.looseObject({ name: z.string() })).nullish(),
    imagePullSecrets: z.array(z.looseObject({ name: z.string().nullish() })).nullish(),
    hostNetwork: z.boolean().nullish(),
    os: z.looseObject({ name: z.string() }).nullish(),
    nodeSelector: z.record(z.string(), z.string()).nullish(),
    affinity: affinitySchema.nullish(),
    dnsPolicy: z.string().nullish(),
    terminationGracePeriodSeconds: z.number().nullish(),
    securityContext: securityContextSchema.nullish(),
  }),
});

export type Pod = Immutable<z.output<typeof podSchema>>;
export type PodMetadata = NonNullable<Pod["metadata"]>;
export type PodSpec = Pod["spec"];
export type Container = Immutable<z.output<typeof containerSchema>>;
export type Probe = Immutable<z.output<typeof probeSchema>>;
export type LifecycleHandler = Immutable<z.output<typeof lifecycleHandlerSchema>>;
export type EnvVar = NonNullable<Container["env"]>[number];
export type Volume = NonNullable<PodSpec["volumes"]>[number];

export type PodValidation =
  | { readonly kind: "valid"; readonly pod: Pod }
  /** `message` names the first invalid field. */
  | { readonly kind: "invalid"; readonly message: string };

/** All keys and values of an object together. The API server checks it too, but behind its webhooks. */
const MAX_ANNOTATION_BYTES = 256 * 1024;

function annotationBytes(pod: Pod): number {
  let bytes = 0;
  for (const [key, value] of Object.entries(annotationsOf(pod))) {
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  return bytes;
}

/** Checks what injection reads of a pod or a pod template. Returns the same object, not a copy. */
export function validatePod(value: unknown): PodValidation {
  const result = podSchema.safeParse(value, { reportInput: true });
  if (result.success) {
    const pod = value as Pod;
    if (annotationBytes(pod) <= MAX_ANNOTATION_BYTES) return { kind: "valid", pod };
    const message = `metadata.annotations has more than ${MAX_ANNOTATION_BYTES} bytes, the limit of Kubernetes`;
    return { kind: "invalid", message };
  }
  const [issue] = result.error.issues;
  if (issue === undefined) return { kind: "invalid", message: "the pod is not valid" };
  const { path, message } = faultFromIssue(issue);
  return { kind: "invalid", message: `${path.length === 0 ? "the pod" : path.join(".")} ${message}` };
}

/** The pod's labels; empty if it has none. */
export function labelsOf(pod: Pod): Readonly<Record<string, string>> {
  return pod.metadata?.labels ?? {};
}

/** The pod's annotations; empty if it has none. */
export function annotationsOf(pod: Pod): Readonly<Record<string, string>> {
  return pod.metadata?.annotations ?? {};
}

export const SIDECAR_NAME = "istio-proxy";
export const INIT_NAME = "istio-init";

/** The application's containers and init containers: all except those that injection adds or replaces. */
export function applicationContainers(pod: Pod): readonly Container[] {
  const inits = (pod.spec.initContainers ?? []).filter(({ name }) => !isInjected(name));
  return [...inits, ...pod.spec.containers.filter(({ name }) => name !== SIDECAR_NAME)];
}

/** Ephemeral containers. Injection replaces none of them, whatever their names are. */
export function ephemeralContainers(pod: Pod): readonly Container[] {
  return pod.spec.ephemeralContainers ?? [];
}

export function isInjected(name: string): boolean {
  return name === SIDECAR_NAME || name === INIT_NAME;
}

/** Decided by the containers themselves: any user can write annotations. */
export function hasSidecar({ spec }: Pod): boolean {
  return [...(spec.initContainers ?? []), ...spec.containers].some(({ name }) => name === SIDECAR_NAME);
}
