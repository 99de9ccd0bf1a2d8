import { randomUUID } from "node:crypto";
import type { Socket } from "node:net";
import type HttpProxy from "http-proxy";
import { MeshError } from "../../mesh/mesh-error.ts";
import { type CompiledListener, compileListener } from "../../mesh/policy/routing/compile-routes.ts";
import type { HostTarget } from "../../mesh/policy/routing/host-target.ts";
import type { GatewayConfig, GatewayListener } from "../../mesh/policy/types.ts";
import type { Timer } from "../../mesh/runtime.ts";
import { plainAddress } from "../../net/client-address.ts";
import { createLogLimiter } from "../../net/log-limiter.ts";
import { ConnectionCapacity } from "../connections/limits/connection-capacity.ts";
import { RequestAuthenticator } from "../http/authentication/request-authenticator.ts";
import { Deadlines } from "../http/deadlines.ts";
import { HTTP1_LIMITS } from "../http1/http1-limits.ts";
import type { RequestHead } from "../messages/message-head.ts";
import { GatewayPolicies } from "./authorization/gateway-policies.ts";
import { createFaultReport } from "./fault-guard.ts";
import { DEFAULT_LIMITS } from "./gateway-limits.ts";
import { type OpenListener, openGatewayListener } from "./gateway-listener.ts";
import type { GatewayOptions, RunningGateway } from "./gateway-options.ts";
import { type RoutingContext, serveRequest, serveUpgrade } from "./gateway-routes.ts";
import { loadHttpProxy } from "./load-http-proxy.ts";
import type { FramedClient } from "./requests/framed-client.ts";
import { type PreparedRequest, prepareRequest } from "./requests/prepared-request.ts";
import { createUpstreamPool } from "./upstream/upstream-pool.ts";

/** Retry interval for a port that cannot be opened. */
const RETRY_MS = 5000;

/** Log lines a second for each kind of failure. */
const LOG_LINES_PER_SECOND = 5;

/** Starts the ingress gateway: a listener for each port of the configuration, opened and drained as that changes. */
export async function startGateway(options: GatewayOptions): Promise<RunningGateway> {
  const HttpProxy = await loadHttpProxy();
  // `toProxy` keeps http-proxy from parsing the target again; the path is set by `captureRequest` in any case.
  return new Gateway(options, HttpProxy.createProxyServer({ xfwd: false, toProxy: true }));
}

interface Port {
  readonly rules: Rules;
  readonly open: OpenListener;
}

/** The current routes of a port; replaced as a whole, so that a request sees one configuration. */
interface Rules {
  current: CompiledListener;
}

class Gateway implements RunningGateway {
  readonly #options: GatewayOptions;
  readonly #context: RoutingContext;
  readonly #capacity: ConnectionCapacity<FramedClient>;
  readonly #deadlines: Deadlines;
  readonly #ports = new Map<number, Port>();
  /** Also those that drain. */
  readonly #opened = new Set<OpenListener>();
  readonly #draining = new Set<Promise<void>>();
  readonly #faults = new Map<number, string>();
  readonly #watch: { close(): void };
  #config: GatewayConfig | undefined;
  #reconciled: Promise<void> = Promise.resolve();
  #retry: Timer | undefined;
  #isDraining = false;
  #isStopped = false;

  constructor(options: GatewayOptions, proxy: HttpProxy) {
    const { metrics, log, clock, random, dialer } = options;
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    const messageLimits = { ...HTTP1_LIMITS, ...options.messageLimits };
    this.#options = options;
    this.#capacity = new ConnectionCapacity({
      limit: limits.maxConnections,
      clock,
      displace: (client) => client.displace(),
    });
    this.#deadlines = options.deadlines ?? new Deadlines(clock);
    const limitLog = createLogLimiter(clock, LOG_LINES_PER_SECOND);
    const reportFault = createFaultReport({ metrics, log, limitLog });
    this.#context = {
      proxy,
      authenticator: new RequestAuthenticator({
        rules: () => this.#config?.tokenRules ?? [],
        clock,
        meter: metrics.tokens,
      }),
      policies: new GatewayPolicies({ meters: metrics, log, limitLog }),
      limits,
      messageLimits,
      metrics,
      log,
      clock,
      random,
      pool: createUpstreamPool({ ...options.pool, messageLimits, dialer, reportFault }),
      limitLog,
      reportFault,
    };
    this.#watch = options.watchConfig((config) => this.#apply(config));
  }

  listeners() {
    return [...this.#ports].map(([configuredPort, { open }]) => ({
      configuredPort,
      port: open.port,
      connections: open.connections,
    }));
  }

  fault(): string | undefined {
    if (this.#config === undefined) return "the gateway's configuration has not arrived yet";
    const [fault] = this.#faults.values();
    return fault;
  }

  settled(): Promise<void> {
    return this.#reconciled;
  }

  closeStaleUpstreams(): void {
    this.#context.pool.closeStale();
  }

  get connections(): number {
    return [...this.#opened].reduce((sum, { connections }) => sum + connections, 0);
  }

  startDraining(): void {
    this.#isDraining = true;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#watch.close();
    this.#retry?.cancel();
    await this.#reconciled;
    for (const port of this.#ports.keys()) this.#drain(port);
    await Promise.all(this.#draining);
    this.#context.pool.close();
  }

  #apply(config: GatewayConfig): void {
    this.#config = config;
    this.#context.policies.update(config.authorization);
    for (const routes of config.listeners) {
      const port = this.#ports.get(routes.port);
      if (port !== undefined) port.rules.current = compileListener(routes);
    }
    this.#context.pool.keepOnly(config.listeners.flatMap(targetsOf));
    this.#reconcileSoon();
  }

  #reconcileSoon(): void {
    this.#reconciled = this.#reconciled
      .then(() => this.#reconcile())
      .catch((caught: unknown) => this.#context.reportFault(caught, "its configuration"));
  }

  async #reconcile(): Promise<void> {
    if (this.#isStopped) return;
    this.#retry?.cancel();
    this.#faults.clear();
    const wanted = new Map((this.#config?.listeners ?? []).map((routes) => [routes.port, routes]));
    for (const port of this.#ports.keys()) if (!wanted.has(port)) this.#drain(port);
    for (const [port, routes] of wanted) if (!this.#ports.has(port)) await this.#open(port, routes);
    if (this.#faults.size > 0) this.#retry = this.#options.clock.setTimeout(() => this.#reconcileSoon(), RETRY_MS);
  }

  async #open(number: number, routes: GatewayListener): Promise<void> {
    const { log, bindAddress, metrics, clock, accessLog } = this.#options;
    const { limits, messageLimits, reportFault, authenticator } = this.#context;
    try {
      const rules: Rules = { current: compileListener(routes) };
      const open = await openGatewayListener({
        ...{ port: number, bindAddress, limits, messageLimits, metrics, log, reportFault },
        ...{ capacity: this.#capacity, deadlines: this.#deadlines },
        records: {
          ...{ clock, meters: metrics, accessLog, workload: () => this.#config?.workload },
          loggedPath: (path) => authenticator.loggedPath(path),
        },
        prepare: (received, socket) => this.#prepare(received, socket),
        onRequest: (exchange) => serveRequest(exchange, rules.current, this.#context),
        onUpgrade: (upgrade) => serveUpgrade(upgrade, rules.current, this.#context),
        isDraining: () => this.#isDraining,
      });
      this.#ports.set(number, { rules, open });
      this.#opened.add(open);
      log.info({ code: "listener_opened", port: number }, "the gateway listens on a port of its configuration");
    } catch (caught) {
      const { code, message } = MeshError.from(caught);
      this.#faults.set(number, message);
      log.error({ code, port: number }, `the gateway cannot open a port of its configuration: ${message}`);
    }
  }

  #prepare(received: RequestHead, socket: Socket): PreparedRequest {
    const settings = this.#context.policies.current;
    return prepareRequest(received, { settings, peerIp: plainAddress(socket), requestId: randomUUID() });
  }

  #drain(number: number): void {
    const port = this.#ports.get(number);
    if (port === undefined) return;
    this.#ports.delete(number);
    const { clock, drainMs = 30_000, log } = this.#options;
    const deadline = clock.setTimeout(() => port.open.destroy(), drainMs);
    const drained = port.open.drain().then(() => {
      deadline.cancel();
      this.#draining.delete(drained);
      this.#opened.delete(port.open);
      log.info({ code: "listener_closed", port: number }, "a port of the gateway has drained and is closed");
    });
    this.#draining.add(drained);
  }
}

function targetsOf({ virtualHosts }: GatewayListener): readonly HostTarget[] {
  return virtualHosts.flatMap(({ routes }) => routes.flatMap(({ targets }) => targets.map(({ target }) => target)));
}
