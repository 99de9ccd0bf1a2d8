/** For tests: the ways of an HTTP/2 client to an application, through one sidecar and through two. */
import { httpVersionOf } from "../../../mesh/policy/declared-protocol.ts";
import type { DeclaredProtocol } from "../../../mesh/policy/types.ts";
import type { Cleanup } from "../../../net/cleanup-fixture.ts";
import { type InboundSide, startInboundSide } from "../../inbound-side-fixture.ts";
import { meshDestination } from "../../mesh-identities-fixture.ts";
import { startOutboundSide } from "../../outbound-side-fixture.ts";
import { startMeshTunnel } from "./mesh-tunnel-fixture.ts";

/** What a test reads of a sidecar's side. */
export type AttackedSide = Pick<InboundSide, "recorder" | "registry" | "http">;

export interface OpenDoor {
  /** Where the attacker connects. */
  readonly port: number;
  readonly sides: readonly AttackedSide[];
}

export interface AttackDoor {
  readonly name: string;
  /** Whether the application receives an identity that a handshake proved. */
  readonly isVerified: boolean;
  /** @param protocol the declared protocol of the application's port; `undefined`: the first bytes decide. */
  readonly start: (
    cleanup: Cleanup,
    applicationPort: number,
    protocol: DeclaredProtocol | undefined,
  ) => Promise<OpenDoor>;
}

export const ATTACK_DOORS: readonly AttackDoor[] = [
  {
    name: "the server's sidecar, in plaintext",
    isVerified: false,
    start: async (cleanup, applicationPort, protocol) => {
      const side = await startInboundSide(cleanup, { mode: "PERMISSIVE", applicationPort, ...declared(protocol) });
      return { port: side.port, sides: [side] };
    },
  },
  {
    name: "the server's sidecar, as a verified peer",
    isVerified: true,
    start: async (cleanup, applicationPort, protocol) => {
      const side = await startInboundSide(cleanup, { mode: "STRICT", applicationPort, ...declared(protocol) });
      const port = await startMeshTunnel(cleanup, side.port, ["istio-h2", "istio-http/1.1", "istio"]);
      return { port, sides: [side] };
    },
  },
  {
    name: "the client's sidecar",
    isVerified: false,
    start: async (cleanup, applicationPort, protocol) => {
      const overrides = { protocol, connectionPool: { httpVersion: httpVersionOf(protocol) } };
      const destination = meshDestination([applicationPort], { mutualTls: false, overrides });
      const side = await startOutboundSide(cleanup, { destination });
      return { port: side.port, sides: [side] };
    },
  },
  {
    name: "two sidecars",
    isVerified: true,
    start: async (cleanup, applicationPort, protocol) => {
      const inbound = await startInboundSide(cleanup, { mode: "STRICT", applicationPort, ...declared(protocol) });
      const destination = meshDestination([inbound.port], { overrides: { protocol } });
      const outbound = await startOutboundSide(cleanup, { destination });
      return { port: outbound.port, sides: [inbound, outbound] };
    },
  },
];

function declared(protocol: DeclaredProtocol | undefined) {
  return protocol === undefined ? {} : { protocol };
}
