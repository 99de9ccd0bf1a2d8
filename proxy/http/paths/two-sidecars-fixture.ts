/** For tests: a raw application behind two sidecars. */
import type { Authorization } from "../../../mesh/policy/authorization/authorization.ts";
import type { HttpRoute } from "../../../mesh/policy/routing/http-route.ts";
import type { DeclaredProtocol, UpstreamHttpVersion } from "../../../mesh/policy/types.ts";
import { type Clock, systemClock } from "../../../mesh/runtime.ts";
import type { Cleanup } from "../../../net/cleanup-fixture.ts";
import { type LenientUpstream, type Reply, startLenientUpstream } from "../../../net/lenient-upstream-fixture.ts";
import { type InboundSide, startInboundSide } from "../../inbound-side-fixture.ts";
import { meshDestination } from "../../mesh-identities-fixture.ts";
import { type OutboundSide, startOutboundSide } from "../../outbound-side-fixture.ts";

/** Of the hop between the two sidecars. */
export const HOP_VERSIONS: readonly UpstreamHttpVersion[] = ["1.1", "2"];

export interface TwoSidecars {
  readonly upstream: LenientUpstream;
  readonly inbound: InboundSide;
  readonly outbound: OutboundSide;
  /** Where the client connects. */
  readonly port: number;
}

export interface TwoSidecarsOptions {
  /** Between the two sidecars. */
  readonly hopVersion: UpstreamHttpVersion;
  readonly reply?: Reply;
  /** @default http */
  readonly protocol?: DeclaredProtocol | "undeclared";
  readonly routes?: readonly HttpRoute[];
  /** Of the server. */
  readonly authorization?: Partial<Authorization>;
  /** Of both. @default the system's */
  readonly clock?: Clock;
}

export async function startTwoSidecars(cleanup: Cleanup, options: TwoSidecarsOptions): Promise<TwoSidecars> {
  const { clock = systemClock } = options;
  const upstream = await startLenientUpstream(cleanup, options.reply);
  const declared = options.protocol === "undeclared" ? undefined : (options.protocol ?? "http");
  const inbound = await startInboundSide(cleanup, {
    mode: "STRICT",
    applicationPort: upstream.port,
    authorization: options.authorization ?? {},
    clock,
    ...(declared === undefined ? {} : { protocol: declared }),
  });
  const destination = meshDestination([inbound.port], {
    overrides: {
      protocol: declared,
      routes: options.routes ?? [],
      connectionPool: { httpVersion: options.hopVersion },
    },
  });
  const outbound = await startOutboundSide(cleanup, { destination, clock });
  return { upstream, inbound, outbound, port: outbound.port };
}
