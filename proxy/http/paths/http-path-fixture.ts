/** For tests: the paths of a request through sidecars, to the upstream that an attacker would wish for. */
import type { Cleanup } from "../../../net/cleanup-fixture.ts";
import { type LenientUpstream, type Reply, startLenientUpstream } from "../../../net/lenient-upstream-fixture.ts";
import { type InboundSide, startInboundSide } from "../../inbound-side-fixture.ts";
import { meshDestination } from "../../mesh-identities-fixture.ts";
import { type OutboundSide, startOutboundSide } from "../../outbound-side-fixture.ts";

export interface OpenPath {
  readonly upstream: LenientUpstream;
  /** Where the client connects. */
  readonly port: number;
}

/** One or two proxies that forward HTTP from a client to an upstream. */
export interface HttpPath {
  readonly name: string;
  readonly start: (cleanup: Cleanup, reply?: Reply) => Promise<OpenPath>;
  /** Whether requests are forwarded as HTTP/1.1 whatever the client's version. */
  readonly raisesVersion: boolean;
  /** Whether a request without a host can be served: a gateway could not route it. */
  readonly needsHost: boolean;
}

/** The paths of a request: through the server's sidecar, through the client's, and through both. */
export const SIDECAR_PATHS: readonly HttpPath[] = [
  {
    name: "one proxy, inbound",
    ...{ raisesVersion: false, needsHost: false },
    start: async (cleanup, reply) => {
      const upstream = await startLenientUpstream(cleanup, reply);
      const side = await startInbound(cleanup, upstream, "PERMISSIVE");
      return { upstream, port: side.port };
    },
  },
  {
    name: "one proxy, outbound",
    ...{ raisesVersion: false, needsHost: false },
    start: async (cleanup, reply) => {
      const upstream = await startLenientUpstream(cleanup, reply);
      const side = await startOutbound(cleanup, upstream.port, false);
      return { upstream, port: side.port };
    },
  },
  {
    name: "two proxies",
    ...{ raisesVersion: false, needsHost: false },
    start: async (cleanup, reply) => {
      const upstream = await startLenientUpstream(cleanup, reply);
      const inbound = await startInbound(cleanup, upstream, "STRICT");
      const outbound = await startOutbound(cleanup, inbound.port, true);
      return { upstream, port: outbound.port };
    },
  },
  {
    name: "two proxies with HTTP/2 between them",
    ...{ raisesVersion: false, needsHost: false },
    start: async (cleanup, reply) => {
      const upstream = await startLenientUpstream(cleanup, reply);
      const inbound = await startInbound(cleanup, upstream, "STRICT");
      const overrides = { protocol: "http", connectionPool: { httpVersion: "2" } } as const;
      const outbound = await startOutboundSide(cleanup, {
        destination: meshDestination([inbound.port], { overrides }),
      });
      return { upstream, port: outbound.port };
    },
  },
];

function startInbound(
  cleanup: Cleanup,
  { port }: LenientUpstream,
  mode: "STRICT" | "PERMISSIVE",
): Promise<InboundSide> {
  return startInboundSide(cleanup, { mode, applicationPort: port, protocol: "http" });
}

function startOutbound(cleanup: Cleanup, port: number, mutualTls: boolean): Promise<OutboundSide> {
  // As the control plane decides for a port that is declared to be http.
  const overrides = { protocol: "http", connectionPool: { httpVersion: "adaptive" } } as const;
  const destination = meshDestination([port], { mutualTls, overrides });
  return startOutboundSide(cleanup, { destination });
}
