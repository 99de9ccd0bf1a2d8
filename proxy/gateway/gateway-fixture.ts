/** Shared by the gateway's tests: a gateway on loopback, and a dialler with a configurable target. */

import { once } from "node:events";
import { connect } from "node:net";
import { type Authorization, NO_AUTHORIZATION } from "../../mesh/policy/authorization/authorization.ts";
import type { HostTarget } from "../../mesh/policy/routing/host-target.ts";
import type { HttpRoute } from "../../mesh/policy/routing/http-route.ts";
import type { GatewayConfig, GatewayListener } from "../../mesh/policy/types.ts";
import { systemClock } from "../../mesh/runtime.ts";
import type { Cleanup } from "../../net/cleanup-fixture.ts";
import { createRecordedLog, type RecordedLog } from "../../net/http-fixture.ts";
import { type LenientUpstream, type Reply, startLenientUpstream } from "../../net/lenient-upstream-fixture.ts";
import type { UpstreamConnection, UpstreamDialer, UpstreamFailure } from "../connections/upstream-dialer.ts";
import { Deadlines } from "../http/deadlines.ts";
import { createNoMetrics, type ProxyMetrics, type ResponseOrigin } from "../telemetry/proxy-metrics.ts";
import type { GatewayOptions, RunningGateway } from "./gateway-options.ts";
import { startGateway } from "./start-gateway.ts";

export interface TestGateway {
  readonly gateway: RunningGateway;
  readonly port: number;
  readonly dialer: TestDialer;
  readonly log: RecordedLog;
  /** `origin status reason` of each response. */
  readonly answers: readonly string[];
  setConfig(listeners: readonly GatewayListener[]): Promise<void>;
  /** Other policies for the same listeners. */
  setAuthorization(authorization: Partial<Authorization>): void;
}

export interface TestDialer extends UpstreamDialer {
  readonly dials: readonly HostTarget[];
  /** Makes all connections dialled before no longer current. */
  rotate(): void;
  /** The next dials fail like this; `undefined`: they succeed. */
  failure: Omit<UpstreamFailure, "kind"> | undefined;
  /** While set, dials wait for it. */
  hold: Promise<void> | undefined;
}

/** Dials a port on loopback whatever the target. */
export function createTestDialer(port: number): TestDialer {
  const dials: HostTarget[] = [];
  let generation = 0;
  return {
    dials,
    failure: undefined,
    hold: undefined,
    rotate: () => {
      generation += 1;
    },
    async dial(target): Promise<UpstreamConnection | UpstreamFailure> {
      dials.push(target);
      await this.hold;
      if (this.failure !== undefined) return { kind: "failed", ...this.failure };
      const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
      await once(socket, "connect");
      socket.on("error", () => undefined);
      const madeAt = generation;
      return { kind: "connected", socket, isCurrent: () => madeAt === generation };
    },
  };
}

export const TARGET: HostTarget = { kind: "host", host: "hello.ns1.svc.cluster.local", port: 8080, subset: "" };

/** A route of everything to `TARGET`. */
export const ROUTE_ALL: HttpRoute = {
  name: "VirtualService/test.default[0]",
  matches: [],
  targets: [{ target: TARGET, weight: 100 }],
  refusal: "",
};

/** A listener for `shop.example`. */
export function listenerOf(port: number, routes: readonly HttpRoute[] = [ROUTE_ALL]): GatewayListener {
  return { port, virtualHosts: [{ hosts: ["shop.example"], routes }] };
}

export interface TestGatewayOptions extends Partial<GatewayOptions> {
  readonly listeners?: readonly GatewayListener[];
  /** Changes `ROUTE_ALL` of the only listener; instead of `listeners`. */
  readonly route?: Partial<HttpRoute> | undefined;
  readonly authorization?: Partial<Authorization> | undefined;
  /** @default none */
  readonly tokenRules?: GatewayConfig["tokenRules"] | undefined;
}

export interface LenientGateway extends TestGateway {
  readonly upstream: LenientUpstream;
}

/** A gateway in front of the upstream that an attacker would wish for. */
export async function startLenientGateway(
  cleanup: Cleanup,
  { reply, ...options }: TestGatewayOptions & { readonly reply?: Reply | undefined } = {},
): Promise<LenientGateway> {
  const upstream = await startLenientUpstream(cleanup, reply);
  return { upstream, ...(await startTestGateway(cleanup, upstream.port, options)) };
}

export interface RequestText {
  readonly method?: string;
  /** Each with its CRLF. */
  readonly headers?: string;
  readonly body?: string;
  readonly version?: string;
}

/** A request for `shop.example`, as bytes. */
export function formatRequest(path: string, options: RequestText = {}): string {
  const { method = "GET", headers = "", body = "", version = "1.1" } = options;
  return `${method} ${path} HTTP/${version}\r\nHost: shop.example\r\n${headers}\r\n${body}`;
}

export async function startTestGateway(
  cleanup: Cleanup,
  upstreamPort: number,
  { listeners: configured, route, authorization, tokenRules = [], ...options }: TestGatewayOptions = {},
): Promise<TestGateway> {
  const listeners = configured ?? [listenerOf(0, [{ ...ROUTE_ALL, ...route }])];
  const dialer = createTestDialer(upstreamPort);
  const log = createRecordedLog();
  const answers: string[] = [];
  let push: (config: GatewayConfig) => void = () => undefined;
  const gateway = await startGateway({
    watchConfig: (listener) => {
      push = listener;
      push({ ...configOf(listeners, authorization), tokenRules });
      return { close: () => undefined };
    },
    dialer,
    metrics: recordAnswers(answers),
    log,
    clock: systemClock,
    random: () => 0,
    bindAddress: "127.0.0.1",
    drainMs: 1000,
    // A separate clock, so that a test's clock only has the timers of requests.
    deadlines: new Deadlines(systemClock, 20),
    ...options,
  });
  cleanup.add(() => gateway.stop());
  await gateway.settled();
  const port = gateway.listeners()[0]?.port ?? 0;
  const setConfig = async (next: readonly GatewayListener[]): Promise<void> => {
    push(configOf(next));
    await gateway.settled();
  };
  const setAuthorization = (next: Partial<Authorization>): void => push(configOf(listeners, next));
  return { gateway, port, dialer, log, answers, setConfig, setAuthorization };
}

function configOf(listeners: readonly GatewayListener[], authorization: Partial<Authorization> = {}): GatewayConfig {
  const workload = {
    namespace: "istio-system",
    pod: "ingress-1",
    workload: "ingress",
    serviceAccount: "ingress",
    app: "",
    version: "",
    canonicalService: "",
    canonicalRevision: "",
  };
  return { workload, listeners, authorization: { ...NO_AUTHORIZATION, ...authorization }, tokenRules: [] };
}

function recordAnswers(answers: string[]): ProxyMetrics {
  return {
    ...createNoMetrics(),
    gatewayResponded: (origin: ResponseOrigin, status: number, reason: string) =>
      void answers.push(`${origin} ${status} ${reason}`.trim()),
  };
}
