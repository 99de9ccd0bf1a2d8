/** For tests: a gRPC client in the client's pod: concurrent unary calls, then a stream. */
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { DiscoveryService } from "../../../mesh/api/gen/discovery_pb.ts";
import { Health } from "../../../mesh/api/gen/health_pb.ts";

export interface GrpcJob {
  readonly origin: string;
  /** The requested services, one call each. */
  readonly services: readonly string[];
}

export interface GrpcReport {
  readonly statuses: readonly number[];
  /** The messages of the stream: the beginning and length of each. */
  readonly streamed: readonly { readonly start: string; readonly characters: number }[];
}

const { origin, services }: GrpcJob = JSON.parse(process.argv[2] ?? "{}");
const sessionManager = new Http2SessionManager(origin);
const transport = createGrpcTransport({ baseUrl: origin, sessionManager });
const health = createClient(Health, transport);
const responses = await Promise.all(services.map((service) => health.check({ service })));
const streamed: GrpcReport["streamed"][number][] = [];
const requests = (async function* () {
  yield {};
})();
for await (const { updates } of createClient(DiscoveryService, transport).discover(requests)) {
  const [{ result } = { result: undefined }] = updates;
  const text = result?.case === "fault" ? result.value : "";
  streamed.push({ start: text.trimEnd(), characters: text.length });
}
sessionManager.abort();
const statuses = responses.map(({ status }) => status);
process.stdout.write(JSON.stringify({ statuses, streamed } satisfies GrpcReport));
