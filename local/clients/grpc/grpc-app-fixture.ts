/** For tests: gRPC services with unary and streaming responses. */
import type { ConnectRouter, HandlerContext } from "@connectrpc/connect";
import { DiscoveryService } from "../../../mesh/api/gen/discovery_pb.ts";
import { Health } from "../../../mesh/api/gen/health_pb.ts";
import type { Report } from "../http-app-fixture.ts";

/** Number and length of a stream's messages: together larger than all buffers on the path. */
export const STREAMED = { messages: 40, characters: 50_000 } as const;

export function addGrpcServices(router: ConnectRouter, report: Report): void {
  router.service(Health, {
    check: ({ service }, context) => {
      reportCall(context, report);
      return { status: service === "known" ? 1 : 2 };
    },
  });
  router.service(DiscoveryService, {
    async *discover(_requests, context) {
      reportCall(context, report);
      for (let nonce = 0; nonce < STREAMED.messages; nonce += 1) {
        yield { nonce, updates: [{ result: { case: "fault", value: String(nonce).padEnd(STREAMED.characters) } }] };
      }
    },
  });
}

export function reportCall({ requestHeader, url, requestMethod }: HandlerContext, report: Report): void {
  const headers = Object.fromEntries(requestHeader);
  report({ method: requestMethod, path: new URL(url).pathname, version: "2.0", headers, bytes: 0, sha256: "" });
}
