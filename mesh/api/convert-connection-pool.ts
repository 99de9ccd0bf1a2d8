import type { MessageInitShape } from "@bufbuild/protobuf";
import { httpVersionOf } from "../policy/declared-protocol.ts";
import type { ConnectionPool, DeclaredProtocol, UpstreamHttpVersion } from "../policy/types.ts";
import { parseDuration } from "./convert-parts.ts";
import type { ConnectionPool as ConnectionPoolMessage, ConnectionPoolSchema } from "./gen/discovery_pb.ts";

const VERSIONS: readonly UpstreamHttpVersion[] = ["1.1", "2", "client", "adaptive"];

export function messageFromConnectionPool(pool: ConnectionPool): MessageInitShape<typeof ConnectionPoolSchema> {
  return { ...pool };
}

/**
 * A missing message has no limits, and the version that the declared protocol implies. An unknown version is read as that
 * one, too: nothing is upgraded by mistake.
 */
export function connectionPoolFromMessage(
  message: ConnectionPoolMessage | undefined,
  protocol: DeclaredProtocol | undefined,
): ConnectionPool {
  const version = VERSIONS.find((candidate) => candidate === message?.httpVersion);
  return {
    httpVersion: version ?? httpVersionOf(protocol),
    ...(message === undefined ? {} : limitsFromMessage(message)),
  };
}

function limitsFromMessage(message: ConnectionPoolMessage): Omit<ConnectionPool, "httpVersion"> {
  const { maxRequests, maxRequestsPerConnection, maxConcurrentStreams, maxRetries, idleTimeoutMs } = message;
  return {
    ...(maxRequests === 0 ? {} : { maxRequests }),
    ...(maxRequestsPerConnection === 0 ? {} : { maxRequestsPerConnection }),
    ...(maxConcurrentStreams === 0 ? {} : { maxConcurrentStreams }),
    ...(maxRetries === 0 ? {} : { maxRetries }),
    ...(idleTimeoutMs === 0 ? {} : { idleTimeoutMs: parseDuration(idleTimeoutMs) }),
  };
}
