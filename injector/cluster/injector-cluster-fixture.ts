/** For tests: a cluster with the namespaces and webhook configurations of an installation, and its API without a network. */
import { randomBytes, X509Certificate } from "node:crypto";
import { KINDS } from "../../kubernetes/kinds.ts";
import type { ApiKind, KubernetesObject, ObjectName } from "../../kubernetes/kubernetes-api.ts";
import { KubernetesApiError } from "../../kubernetes/kubernetes-api-error.ts";
import { InProcessApi } from "../../kubernetes/test-server/in-process-api.ts";
import { TestCluster } from "../../kubernetes/test-server/test-cluster.ts";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { splitCertificates } from "../../mesh/identity/pem-certificates.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import type { Clock } from "../../mesh/runtime.ts";
import type { ServingPair } from "../serving/serving-certificate.ts";
import type { IdentityNames } from "./identity-names.ts";
import { startWebhookIdentity, type WebhookIdentity } from "./webhook-identity.ts";

export const NAMES: IdentityNames = {
  namespace: "istio-system",
  service: "istio-sidecar-injector",
  secret: "istio-sidecar-injector-tls",
  configurations: { mutating: "istio-sidecar-injector", validating: "istio-validator-istio-system" },
};

export const SECRET = { namespace: "istio-system", name: NAMES.secret };
export const DAY_MS = 86_400_000;

const WRITES = ["create", "replace", "apply", "delete"];

export class InjectorCluster {
  readonly objects: TestCluster;
  readonly api: InProcessApi;
  /** Every call fails with this while it is set. */
  failure: Error | undefined;
  /** Runs before each write. */
  beforeWrite: () => Promise<void> = async () => undefined;
  /** `create secrets` and so on. */
  readonly writes: string[] = [];
  /** `get jobs` and so on. */
  readonly reads: string[] = [];

  constructor(clock: Pick<Clock, "now"> = { now: Date.now }) {
    this.objects = new TestCluster({ now: () => clock.now() });
    this.api = new InProcessApi(this.objects, {
      beforeCall: async ({ verb, resource }) => {
        if (this.failure !== undefined) throw this.failure;
        if (!WRITES.includes(verb)) return void this.reads.push(`${verb} ${resource}`);
        await this.beforeWrite();
        this.writes.push(`${verb} ${resource}`);
      },
    });
    for (const name of ["istio-system", "ns1"]) {
      this.objects.create(KINDS.namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
    }
  }

  /** As `kubectl apply --server-side` of an installation. */
  install(): this {
    const apply = (kind: ApiKind, name: string, webhooks: readonly object[]) =>
      this.objects.apply(
        kind,
        { apiVersion: "admissionregistration.k8s.io/v1", kind: kind.kind, metadata: { name }, webhooks },
        { fieldManager: "entente", force: true },
      );
    apply(KINDS.mutatingWebhooks, NAMES.configurations.mutating, [
      calling("a", NAMES.service, "Fail"),
      calling("foreign", "istiod", "Ignore"),
      calling("b", NAMES.service, "Fail"),
    ]);
    apply(KINDS.validatingWebhooks, NAMES.configurations.validating, [calling("v", NAMES.service, "Ignore")]);
    return this;
  }

  find(kind: ApiKind, name: ObjectName): KubernetesObject | undefined {
    return this.all(kind).find(({ metadata }) => metadata.name === name.name && metadata.namespace === name.namespace);
  }

  all(kind: ApiKind): readonly KubernetesObject[] {
    return this.objects.list(kind, {}).items;
  }

  /** A webhook of any of the configurations. */
  webhook(name: string): Readonly<Record<string, unknown>> {
    const all = [...this.all(KINDS.mutatingWebhooks), ...this.all(KINDS.validatingWebhooks)];
    return Object(all.flatMap(({ webhooks }) => webhooks).find((webhook) => Object(webhook).name === name));
  }

  /** The roots that API servers verify this webhook with, in PEM. */
  caBundle(name = "a"): string {
    return Buffer.from(Object(this.webhook(name)["clientConfig"]).caBundle ?? "", "base64").toString();
  }
}

/** One replica of the injector. */
export class Replica {
  readonly log = new RecordingLogger();
  readonly controller = new AbortController();
  readonly clock: FakeClock;
  readonly #cluster: InjectorCluster;

  constructor(cluster: InjectorCluster, clock = new FakeClock()) {
    this.#cluster = cluster;
    this.clock = clock;
  }

  /** Resolves when the first look at the cluster is over. */
  async start(): Promise<WebhookIdentity> {
    const { clock, log } = this;
    const identity = startWebhookIdentity({
      api: this.#cluster.api,
      names: NAMES,
      clock,
      log,
      random: () => 0.5,
      randomBytes,
      signal: this.controller.signal,
    });
    await clock.advance(0);
    return identity;
  }
}

/** Whether an API server with this clock and these roots would accept the pair, as crypto/x509 does. */
export function isAccepted({ cert }: ServingPair, bundle: string, nowMs: number): boolean {
  const leaf = new X509Certificate(cert);
  const isInTime = leaf.validFromDate.getTime() <= nowMs && nowMs < leaf.validToDate.getTime();
  const roots = splitCertificates(bundle).map((pem) => new X509Certificate(pem));
  const isTrusted = roots.some(
    (root) =>
      root.ca &&
      root.validFromDate.getTime() <= nowMs &&
      nowMs < root.validToDate.getTime() &&
      leaf.verify(root.publicKey),
  );
  return isInTime && isTrusted && leaf.checkHost("istio-sidecar-injector.istio-system.svc") !== undefined;
}

export function refused(status: number, reason: string): KubernetesApiError {
  return new KubernetesApiError("api_refused", `the server answered ${status} ${reason}`, { status, reason });
}

function calling(name: string, service: string, failurePolicy: string) {
  const clientConfig = { service: { namespace: "istio-system", name: service, path: "/inject", port: 443 } };
  return { name, clientConfig, failurePolicy };
}
