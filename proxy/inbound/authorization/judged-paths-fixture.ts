/** For tests: the paths of a request to an application whose sidecar enforces policies. */
import type { AuthorizationPolicyRules, PathNormalization } from "../../../mesh/policy/authorization/authorization.ts";
import type { TokenRule } from "../../../mesh/policy/request-authentication/token-rule.ts";
import type { DeclaredProtocol } from "../../../mesh/policy/types.ts";
import type { Cleanup } from "../../../net/cleanup-fixture.ts";
import { type LenientUpstream, type Reply, startLenientUpstream } from "../../../net/lenient-upstream-fixture.ts";
import { type InboundSide, startInboundSide } from "../../inbound-side-fixture.ts";
import { meshDestination } from "../../mesh-identities-fixture.ts";
import { startOutboundSide } from "../../outbound-side-fixture.ts";

export interface JudgedPath {
  readonly upstream: LenientUpstream;
  /** The side that judges. */
  readonly side: InboundSide;
  /** Where the client connects. */
  readonly port: number;
}

export interface JudgedPathOptions {
  readonly policies: readonly AuthorizationPolicyRules[];
  /** @default none */
  readonly tokenRules?: readonly TokenRule[];
  readonly reply?: Reply;
  readonly pathNormalization?: PathNormalization;
  /** @default http */
  readonly protocol?: DeclaredProtocol | "undeclared";
}

type StartPath = (cleanup: Cleanup, options: JudgedPathOptions) => Promise<JudgedPath>;

function startServer(
  cleanup: Cleanup,
  upstream: LenientUpstream,
  mode: "STRICT" | "PERMISSIVE",
  { policies, tokenRules = [], pathNormalization = "BASE", protocol = "http" }: JudgedPathOptions,
): Promise<InboundSide> {
  return startInboundSide(cleanup, {
    mode,
    applicationPort: upstream.port,
    authorization: { policies, pathNormalization },
    tokenRules,
    ...(protocol === "undeclared" ? {} : { protocol }),
  });
}

const inPlaintext: StartPath = async (cleanup, options) => {
  const upstream = await startLenientUpstream(cleanup, options.reply);
  const side = await startServer(cleanup, upstream, "PERMISSIVE", options);
  return { upstream, side, port: side.port };
};

function overMutualTls(httpVersion: "1.1" | "2"): StartPath {
  return async (cleanup, options) => {
    const upstream = await startLenientUpstream(cleanup, options.reply);
    const side = await startServer(cleanup, upstream, "STRICT", options);
    const protocol = options.protocol === "undeclared" ? undefined : (options.protocol ?? "http");
    const { port } = await startOutboundSide(cleanup, {
      destination: meshDestination([side.port], { overrides: { protocol, connectionPool: { httpVersion } } }),
      ...(options.pathNormalization === undefined ? {} : { pathNormalization: options.pathNormalization }),
    });
    return { upstream, side, port };
  };
}

/** A plaintext client, and clients of the mesh (`ns1/default`) behind their own sidecar. */
export const JUDGED_PATHS: readonly { readonly name: string; readonly start: StartPath }[] = [
  { name: "in plaintext, through one sidecar", start: inPlaintext },
  { name: "through two sidecars", start: overMutualTls("1.1") },
  { name: "through two sidecars with HTTP/2 between them", start: overMutualTls("2") },
];
