import { describe, expect, it } from "vitest";
import { carriesRequests, DECLARED_PROTOCOLS, httpVersionOf, speaksHttp2 } from "./declared-protocol.ts";

describe("a declared protocol", () => {
  it("carries requests over HTTP/1.1 or HTTP/2 only if it is HTTP or gRPC", () => {
    expect(DECLARED_PROTOCOLS.filter(carriesRequests)).toEqual(["http2", "grpc", "grpc-web", "http"]);
    expect(DECLARED_PROTOCOLS.filter(speaksHttp2)).toEqual(["http2", "grpc", "grpc-web"]);
  });

  it("that is missing promises neither: the application receives what its clients send", () => {
    expect([carriesRequests(undefined), speaksHttp2(undefined)]).toEqual([false, false]);
    expect([httpVersionOf(undefined), httpVersionOf("http"), httpVersionOf("grpc")]).toEqual(["client", "1.1", "2"]);
  });
});
