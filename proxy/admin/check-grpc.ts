import { connect as connectTcpSocket } from "node:net";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { Health } from "../../mesh/api/gen/health_pb.ts";
import { MeshError } from "../../mesh/mesh-error.ts";

/** What a gRPC health check asks, and from where. */
export interface GrpcCheckTarget {
  readonly ip: string;
  readonly port: number;
  /** Empty: the server as a whole. */
  readonly service: string;
  /** So that the question is not captured. */
  readonly sourceIp: string;
  readonly timeoutMs: number;
}

export type GrpcCheckResult = { readonly kind: "serving" } | { readonly kind: "failed"; readonly message: string };

const SERVING = 1;

/** Asks `grpc.health.v1.Health/Check` in clear on a connection of its own, as kubelet does. */
export async function checkGrpc(target: GrpcCheckTarget): Promise<GrpcCheckResult> {
  const { ip, port, sourceIp, timeoutMs } = target;
  const host = ip.includes(":") ? `[${ip}]` : ip;
  const baseUrl = `http://${host}:${port}`;
  const session = new Http2SessionManager(baseUrl, undefined, {
    createConnection: () => connectTcpSocket({ host: ip, port, localAddress: sourceIp }),
  });
  const client = createClient(Health, createGrpcTransport({ baseUrl, sessionManager: session }));
  try {
    const { status } = await client.check({ service: target.service }, { timeoutMs });
    return status === SERVING
      ? { kind: "serving" }
      : { kind: "failed", message: `the application's status is ${status}` };
  } catch (caught) {
    return { kind: "failed", message: MeshError.from(caught).message };
  } finally {
    session.abort();
  }
}
