/** For tests: streams of configuration as frames of HTTP/2, which a well-behaved client would not always send so. */
import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { messageFromSubscription, type ResourceName } from "../../mesh/api/convert-subscription.ts";
import { DiscoverRequestSchema, DiscoveryService } from "../../mesh/api/gen/discovery_pb.ts";

export const DISCOVER_HEADERS = {
  ":method": "POST",
  ":path": `/${DiscoveryService.typeName}/Discover`,
  "content-type": "application/grpc",
  te: "trailers",
};

/** Opens a stream with the first request of the sidecar of `hello-1`. */
export function openDiscoverStream(session: ClientHttp2Session, resource: ResourceName): ClientHttp2Stream {
  const stream = session.request(DISCOVER_HEADERS).on("error", () => undefined);
  const subscribe = [messageFromSubscription({ id: 1, resource, knownDigest: new Uint8Array() })];
  const proxy = { workload: { namespace: "ns1", name: "hello-1" }, version: "test" };
  const message = toBinary(DiscoverRequestSchema, create(DiscoverRequestSchema, { proxy, subscribe }));
  stream.write(Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]));
  return stream;
}

/** `open` once a stream has a message; the gRPC status of one that is refused; `closed` where there is none. */
export function outcomeOf(stream: ClientHttp2Stream): Promise<string> {
  return new Promise((resolve) => {
    stream.once("data", () => resolve("open"));
    stream.once("response", ({ "grpc-status": status }) => status !== undefined && resolve(String(status)));
    stream.once("close", () => resolve("closed"));
  });
}
