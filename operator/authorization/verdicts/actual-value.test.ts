import { describe, expect, it } from "vitest";
import { connectionOf, requestOf, tokenOf } from "../../../mesh/policy/authorization/authorization-fixture.ts";
import { actualValueOf, formatActualValue } from "./actual-value.ts";

const REQUEST = requestOf({
  method: "PUT",
  authority: "a.example:80",
  path: "/b?c",
  headers: { "x-role": ["user", "guest"] },
  token: tokenOf("i", "s", { aud: ["x", "y"], azp: "z", realm: { roles: ["r"], level: 3 } }),
});

const textOf = (key: string, request: typeof REQUEST | undefined = REQUEST, connection = connectionOf()) =>
  formatActualValue(key, actualValueOf(key, { connection, request }));

describe("what there is instead of a condition's value", () => {
  it.each([
    { key: "source.principal", text: "the client has cluster.local/ns/foo/sa/curl" },
    { key: "source.namespace", text: "the client has foo" },
    { key: "source.serviceAccount", text: "the client has foo/curl" },
    { key: "source.trustDomain", text: "the client has cluster.local" },
    { key: "source.ip", text: "the connection has 10.1.0.7" },
    { key: "destination.port", text: "the connection has 8080" },
    { key: "connection.sni", text: "the connection has no SNI" },
    { key: "request.method", text: "the request has PUT" },
    { key: "request.host", text: "the request has a.example:80" },
    { key: "request.path", text: "the request has /b?c" },
    { key: "request.headers[X-Role]", text: "the request has user or guest" },
    { key: "request.headers[x-none]", text: "the request has no header x-none" },
    { key: "request.headers[Host]", text: "the request has a.example:80" },
    { key: "request.auth.principal", text: "the token has i/s" },
    { key: "request.auth.audiences", text: "the token has x or y" },
    { key: "request.auth.presenter", text: "the token has z" },
    { key: "request.auth.claims[realm][roles]", text: "the token has r" },
    { key: "request.auth.claims[realm][level]", text: "the token has 3" },
    { key: "request.auth.claims[toString]", text: "the token has no claim toString" },
  ])("$key: $text", ({ key, text }) => {
    expect(textOf(key)).toBe(text);
  });

  it("is nothing for a client, a request or a token that is not there", () => {
    const plaintext = connectionOf({ peer: undefined, sourceIp: "" });
    expect(textOf("source.namespace", REQUEST, plaintext)).toBe("the client sends plaintext and has no identity");
    expect(textOf("source.ip", REQUEST, plaintext)).toBe("the IP is not known");
    expect(textOf("request.auth.claims[a]", requestOf())).toBe("the request has no verified token");
    const stream = { connection: connectionOf(), request: undefined };
    expect(formatActualValue("request.path", actualValueOf("request.path", stream))).toContain("carries a stream");
  });
});
