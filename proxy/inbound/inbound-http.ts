import type { Socket } from "node:net";
import type { SpiffeId } from "../../mesh/identity/spiffe-id.ts";
import type { PathNormalization } from "../../mesh/policy/authorization/authorization.ts";
import type { ConnectionPool, ServiceInfo, WorkloadInfo } from "../../mesh/policy/types.ts";
import type { Random } from "../../mesh/runtime.ts";
import { formatSocketAddress, type SocketAddress } from "../../net/socket-address.ts";
import type { VerifiedPeer } from "../connections/handshake.ts";
import type { RequestAuthenticator } from "../http/authentication/request-authenticator.ts";
import type { ConnectionPolicies } from "../http/authorization/connection-policies.ts";
import type { JudgedClient } from "../http/authorization/report-verdict.ts";
import type { RequestFault } from "../http/downstream/downstream-options.ts";
import { type ServedClient, serveClient } from "../http/downstream/serve-client.ts";
import type { PlanRequest } from "../http/exchange/request-plan.ts";
import type { HttpContext } from "../http/http-context.ts";
import { idleMsOf } from "../http/http-limits.ts";
import { UpstreamPool } from "../http/pool/upstream-pool.ts";
import type { DialedUpstream } from "../http/upstream/upstream-connection.ts";
import type { HttpProtocol } from "../messages/http-version.ts";
import { lazyMeter } from "../telemetry/request-meter.ts";
import { connectApplication } from "./connect-application.ts";
import { CUT_PLAN, InboundPlanner } from "./inbound-planner.ts";

export interface InboundHttpOptions {
  readonly context: HttpContext;
  readonly random: Random;
  readonly connectTimeoutMs: number;
  /** Verifies the tokens of requests by this workload's rules. */
  readonly authenticator: RequestAuthenticator;
}

/** An admitted client of an HTTP port. */
export interface HttpClient {
  readonly socket: Socket;
  /** `ip:port`. */
  readonly client: string;
  readonly destination: SocketAddress;
  readonly peer: VerifiedPeer | undefined;
  /** This workload's identity; with a peer, the one that was presented to it. */
  readonly own: SpiffeId | undefined;
  readonly workload: WorkloadInfo;
  readonly service: ServiceInfo | undefined;
  /** What it speaks. */
  readonly protocol: HttpProtocol;
  readonly policies: ConnectionPolicies;
  readonly pathNormalization: () => PathNormalization;
  /** How the application receives its requests. */
  readonly settings: () => ConnectionPool;
  /** What has already been read from it. */
  readonly early: Buffer;
  /** Whether the current policy would serve this client the same way. */
  readonly isCurrent: () => boolean;
  /** Whether it may carry another request: its peer may have been revoked a moment ago. */
  readonly mayCarry: () => boolean;
  readonly onFault: (fault: RequestFault) => void;
}

/** A connection to the application that was opened before it was known to carry requests. */
export interface OpenedUpstream extends Pick<HttpClient, "destination" | "protocol" | "settings"> {}

/** The HTTP side of a pod's inbound traffic: requests of verified peers to the application's kept connections. */
export class InboundHttp {
  readonly context: HttpContext;
  readonly #options: InboundHttpOptions;
  readonly #pools = new Map<string, UpstreamPool>();

  constructor(options: InboundHttpOptions) {
    this.#options = options;
    this.context = options.context;
  }

  /** The fields in which applications receive what a token says, as returned by `foldHeaderName`. */
  get proxyFields(): ReadonlySet<string> {
    return this.#options.authenticator.outputNames;
  }

  /** Serves a client's requests until its connection ends. */
  serve(client: HttpClient): ServedClient {
    const { context } = this.#options;
    const { peer } = client;
    const destination = formatSocketAddress(client.destination);
    const judged = { client: client.client, destination, peer: peer?.identity ?? "" };
    return serveClient(client.socket, {
      protocol: client.protocol,
      facts: {
        direction: "inbound",
        ...judged,
        loggedPath: (path) => this.#options.authenticator.loggedPath(path),
        meter: lazyMeter(() =>
          context.meters.requestMeter({
            reporter: "destination",
            sourcePrincipal: peer?.identity,
            destination: client.workload,
            destinationPrincipal: peer === undefined ? undefined : client.own,
            service: client.service,
            security: peer === undefined ? "none" : "mutual_tls",
          }),
        ),
      },
      context,
      planRequest: this.#planFor(client, judged),
      pathNormalization: client.pathNormalization,
      early: client.early,
      isCurrent: client.isCurrent,
      onFault: client.onFault,
    });
  }

  /** Adopts a connection to the application that was opened before it was known to carry HTTP. */
  adopt(application: Socket, { destination, protocol, settings }: OpenedUpstream): void {
    const pool = this.#poolOf(destination, formatSocketAddress(destination), settings);
    const { ip, port } = destination;
    pool.adoptIdle(dialedApplication(application, destination, protocol), { ip, port, mutualTls: false });
  }

  /** No connection is kept for later requests. */
  closeIdle(): void {
    for (const pool of this.#pools.values()) pool.closeIdle();
  }

  #planFor(served: HttpClient, client: JudgedClient): PlanRequest {
    const { socket, destination, peer, own, settings, policies } = served;
    const { authenticator, context } = this.#options;
    const pool = (): UpstreamPool => this.#poolOf(destination, client.destination, settings);
    const planner = new InboundPlanner({
      ...{ socket, peer, own, port: destination.port, pool, policies, client, report: context },
    });
    return (head) => {
      if (!served.mayCarry()) return CUT_PLAN;
      const authentication = authenticator.authenticate(head, served);
      return authentication instanceof Promise
        ? authentication.then((late) => planner.plan(head, late))
        : planner.plan(head, authentication);
    };
  }

  #poolOf(address: SocketAddress, key: string, settings: HttpClient["settings"]): UpstreamPool {
    const known = this.#pools.get(key);
    if (known !== undefined) return known;
    this.#forgetUnused();
    const { context, random, connectTimeoutMs } = this.#options;
    const endpoints = [{ ip: address.ip, port: address.port, mutualTls: false }];
    const pool = new UpstreamPool({
      endpoints: () => endpoints,
      describe: () => "the application",
      settings,
      dial: async (_endpoint, protocol, signal) => {
        const options = { clock: context.clock, timeoutMs: connectTimeoutMs, signal };
        const result = await connectApplication(address, options);
        if (result.kind === "failed") return { kind: "failed", cause: "connect", message: result.message };
        return dialedApplication(result.socket, address, protocol);
      },
      messageLimits: context.messageLimits,
      deadlines: context.deadlines,
      idleQuota: context.idleQuota,
      closing: context.drain.closing,
      random,
    });
    this.#pools.set(key, pool);
    return pool;
  }

  /** Peers choose the port that they dial, so pools without a connection are not kept. */
  #forgetUnused(): void {
    for (const [key, pool] of this.#pools) if (pool.size === 0 && pool.active === 0) this.#pools.delete(key);
  }
}

function dialedApplication(socket: Socket, { ip, port }: SocketAddress, protocol: HttpProtocol): DialedUpstream {
  return {
    kind: "connected",
    socket,
    protocol,
    address: formatSocketAddress({ ip, port }),
    peer: "",
    idleMs: idleMsOf(protocol, false),
    isCurrent: () => true,
    meter: undefined,
  };
}
