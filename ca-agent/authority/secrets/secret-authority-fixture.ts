/** For tests: control planes that share one cluster, in this process and under a fake clock. */
import { randomBytes } from "node:crypto";
import { KINDS } from "../../../kubernetes/kinds.ts";
import type { KubernetesObject } from "../../../kubernetes/kubernetes-api.ts";
import { KubernetesApiError } from "../../../kubernetes/kubernetes-api-error.ts";
import { InProcessApi, type InProcessCall } from "../../../kubernetes/test-server/in-process-api.ts";
import { TestCluster } from "../../../kubernetes/test-server/test-cluster.ts";
import { FakeClock, settlePromises } from "../../../mesh/fake-clock-fixture.ts";
import { parseTrustDomain } from "../../../mesh/identity/spiffe-id.ts";
import { RecordingLogger } from "../../../mesh/recording-logger-fixture.ts";
import type { Cleanup } from "../../../net/cleanup-fixture.ts";
import { formatRootConfigMap, ROOT_CONFIG_MAP } from "../../trust-distribution/root-config-map.ts";
import type { LiveAuthority } from "../live-authority.ts";
import { type SecretAuthority, startSecretAuthority } from "./start-secret-authority.ts";

export const NAMESPACE = "istio-system";

/** One control plane's part: its authority, its log, and its own connection to the API. */
export interface Replica {
  readonly log: RecordingLogger;
  readonly authority: LiveAuthority;
  readonly readings: SecretAuthority["readings"];
}

export class SecretHarness {
  readonly clock = new FakeClock();
  readonly cluster = new TestCluster({ now: () => this.clock.now() });
  /** Of the control plane that was started last. */
  log = new RecordingLogger();
  readonly waiting: string[] = [];
  /** Runs before each call of every control plane; what it throws is the call's error. */
  beforeCall: (call: InProcessCall) => void = () => undefined;
  /** How far the API server's clock is ahead of all control planes'. */
  serverAheadMs = 0;
  readonly #cleanup: Cleanup;
  #api: InProcessApi | undefined;

  constructor(cleanup: Cleanup) {
    this.#cleanup = cleanup;
    this.cluster.create(KINDS.namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } });
  }

  /** Resolves once the authority is open. */
  async start(): Promise<Replica> {
    const stop = new AbortController();
    this.#cleanup.add(() => stop.abort());
    const log = new RecordingLogger();
    this.log = log;
    const api = new InProcessApi(this.cluster, { beforeCall: (call) => this.beforeCall(call) });
    this.#api = api;
    const { clock } = this;
    const { authority, readings } = await startSecretAuthority({
      ...{ api, namespace: NAMESPACE, trustDomain: parseTrustDomain("cluster.local"), clock, log },
      ...{ random: () => 0.5, randomBytes, signal: stop.signal },
      onWaiting: (reason) => this.waiting.push(reason),
      compareClock: async () => this.serverAheadMs,
    });
    this.#cleanup.add(() => authority.stop());
    await settlePromises();
    return { authority, readings, log };
  }

  /** Ends the last control plane's watches, as an API server that goes away. */
  cutWatches(): void {
    for (const open of [...(this.#api?.watches ?? [])]) open.cut();
  }

  /** Time passes in steps until the log has a line: keys and signatures are made outside of it. */
  async follow(line: string, { log } = { log: this.log }): Promise<string> {
    for (;;) {
      const [found] = log.find(line);
      if (found !== undefined) return `${found.message} ${JSON.stringify(found.fields)}`;
      await this.pass(1000);
    }
  }

  /** Lets time pass, and all work be done that it has caused. */
  async pass(ms: number): Promise<void> {
    await this.clock.advance(ms);
    await new Promise((resolve) => setTimeout(resolve, 5));
    await settlePromises();
  }

  put(name: string, texts: Readonly<Record<string, string>>): void {
    const data = Object.entries(texts).map(([key, text]) => [key, Buffer.from(text).toString("base64")]);
    const object = {
      ...{ apiVersion: "v1", kind: "Secret", metadata: { name, namespace: NAMESPACE } },
      data: Object.fromEntries(data),
    };
    if (this.find(name) === undefined) this.cluster.create(KINDS.secrets, object);
    else this.cluster.replace(KINDS.secrets, object);
  }

  find(name: string): KubernetesObject | undefined {
    return this.cluster.list(KINDS.secrets, { fieldSelector: `metadata.name=${name}` }).items[0];
  }

  remove(name: string): void {
    this.cluster.delete(KINDS.secrets, { namespace: NAMESPACE, name });
  }

  /** What the workloads of a running mesh mount. */
  publish(...roots: readonly string[]): void {
    this.cluster.apply(KINDS.configMaps, formatRootConfigMap(NAMESPACE, roots, undefined), { force: true });
  }

  unpublish(): void {
    this.cluster.delete(KINDS.configMaps, { namespace: NAMESPACE, name: ROOT_CONFIG_MAP });
  }

  away = (): never => {
    throw new KubernetesApiError("api_unreachable", "connection refused");
  };
}

/** A value of a Secret, as text. */
export function readText(secret: KubernetesObject | undefined, key: string): string | undefined {
  const data = secret?.["data"];
  const value: unknown = typeof data === "object" && data !== null ? Reflect.get(data, key) : undefined;
  return typeof value === "string" ? Buffer.from(value, "base64").toString("utf8") : undefined;
}
