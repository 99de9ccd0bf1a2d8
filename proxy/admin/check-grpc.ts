import type { Socket } from "node:net";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { Health } from "../../mesh/api/gen/health_pb.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { connectTcp } from "../../net/connect-tcp.ts";
import { formatSocketAddress } from "../../net/socket-address.ts";
import { withTimeLimit } from "../../net/time-limit.ts";

/** The target of a gRPC health check, and its source address. */
export interface GrpcCheckTarget {
  readonly ip: string;
  readonly port: number;
  /** Empty: the server as a whole. */
  readonly service: string;
  /** The source address, so that the check is not captured. */
  readonly sourceIp: string;
  readonly timeoutMs: number;
  readonly clock: Clock;
}

export type GrpcCheckResult = { readonly kind: "serving" } | { readonly kind: "failed"; readonly message: string };

const SERVING = 1;

/** Calls `grpc.health.v1.Health/Check` in plaintext on a connection of its own, as kubelet does. */
export async function checkGrpc(target: GrpcCheckTarget): Promise<GrpcCheckResult> {
  const { ip, port, sourceIp, timeoutMs, clock } = target;
  const startedMs = clock.monotonicMs();
  const connected = await connectTcp({ ip, port }, { clock, timeoutMs, localAddress: sourceIp });
  if (connected.kind === "failed") return connected;
  const { socket } = connected;
  try {
    const leftMs = Math.max(1, Math.ceil(timeoutMs - (clock.monotonicMs() - startedMs)));
    return await withTimeLimit(ask(target, socket, leftMs), { clock, limitMs: leftMs, what: "the health check" });
  } catch (caught) {
    return { kind: "failed", message: MeshError.from(caught).message };
  } finally {
    socket.destroy();
  }
}

async function ask(
  { ip, port, service }: GrpcCheckTarget,
  socket: Socket,
  timeoutMs: number,
): Promise<GrpcCheckResult> {
  const baseUrl = `http://${formatSocketAddress({ ip, port })}`;
  const session = new Http2SessionManager(baseUrl, undefined, { createConnection: () => socket });
  const client = createClient(Health, createGrpcTransport({ baseUrl, sessionManager: session }));
  try {
    const { status } = await client.check({ service }, { timeoutMs });
    return status === SERVING
      ? { kind: "serving" }
      : { kind: "failed", message: `the application's status is ${status}` };
  } finally {
    session.abort();
  }
}
