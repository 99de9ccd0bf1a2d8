/** For tests: the claims of `clients.netns.test.ts` on gRPC clients and servers, through the same two sidecars. */
import { describe, expect, it } from "vitest";
import type { ClientMesh } from "../mesh-fixture.ts";
import { originOf, PORTS } from "../ports-fixture.ts";
import { CALLS, type EchoJob, type EchoReport, EXPECTED } from "./echo-calls-fixture.ts";

const CLIENTS = [
  { client: "@grpc/grpc-js", program: "grpc/grpc-js-program-fixture.ts" },
  { client: "@connectrpc/connect-node", program: "grpc/connect-program-fixture.ts" },
] as const;

const SERVERS = [
  { server: "connect-node, on a port named grpc-…", port: PORTS.grpc },
  { server: "@grpc/grpc-js, on a port named grpc-…", port: PORTS.grpcJs },
  { server: "connect-node, on a port without a declaration", port: PORTS.http2Undeclared },
] as const;

const PAIRS = SERVERS.flatMap((server) => CLIENTS.map((client) => ({ ...server, ...client })));

/** @param forged an identity that the client sends and that must not arrive */
export function describeGrpcClients(mesh: () => ClientMesh, forged: Readonly<Record<string, string>>): void {
  describe("gRPC through two sidecars", () => {
    it.each(PAIRS)("$client calls $server: all kinds of calls, on one connection", async ({ port, program }) => {
      const job: EchoJob = { origin: originOf(port), metadata: forged };
      const { result, requests, streams } = await mesh().watch(() => mesh().runProgram<EchoReport>(program, job));
      expect(result).toEqual(EXPECTED);
      expect({ requests, streams: streams.sent }).toEqual({ requests: { sent: CALLS, received: CALLS }, streams: 0 });
    });
  });
}
