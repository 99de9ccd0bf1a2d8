import { describe, expect, it } from "vitest";
import { decide, gateway, routes, toHello } from "./gateway-resources-fixture.ts";

function routesOf(...resources: readonly string[]) {
  return decide(...resources).listeners[0]?.virtualHosts[0]?.routes ?? [];
}

describe("a gateway's routes", () => {
  it("have the full host, the service's only port, the subset and a name for logs", () => {
    const http = [{ route: [{ destination: { host: "hello", subset: "v1-tls" } }] }];
    const found = routesOf(gateway({}, { namespace: "ns1" }), routes({ http }, { namespace: "ns1" }));
    expect(found).toEqual([
      {
        name: "VirtualService/vs.ns1[0]",
        matches: [],
        targets: [
          { target: { kind: "host", host: "hello.ns1.svc.cluster.local", port: 8080, subset: "v1-tls" }, weight: 100 },
        ],
        refusal: "",
      },
    ]);
  });

  it("have their matches, with header names in lower case", () => {
    const match = [
      {
        uri: { prefix: "/a" },
        method: { exact: "GET" },
        authority: { regex: ".*" },
        headers: { "X-A": { exact: "1" }, "X-B": {} },
        withoutHeaders: { "X-C": { prefix: "2" } },
        queryParams: { Debug: { exact: "" }, q: { regex: "*" } },
        scheme: { exact: "http" },
        ignoreUriCase: true,
      },
    ];
    expect(routesOf(gateway({}), routes({ http: [toHello({ match })] }))[0]?.matches).toEqual([
      {
        uri: { kind: "prefix", value: "/a" },
        method: { kind: "exact", value: "GET" },
        authority: { kind: "regex", value: ".*" },
        headers: [
          { name: "x-a", value: { kind: "exact", value: "1" } },
          { name: "x-b", value: { kind: "present" } },
        ],
        withoutHeaders: [{ name: "x-c", value: { kind: "prefix", value: "2" } }],
        queryParams: [
          { name: "Debug", value: { kind: "exact", value: "" } },
          { name: "q", value: { kind: "present" } },
        ],
        scheme: { kind: "exact", value: "http" },
        ignoreUriCase: true,
      },
    ]);
  });

  it("keep weights, without destinations of weight 0", () => {
    const destination = { host: "hello.ns1.svc.cluster.local", port: { number: 8080 } };
    const route = [
      { destination, weight: 0 },
      { destination, weight: 1 },
      { destination, weight: 3 },
    ];
    expect(routesOf(gateway({}), routes({ http: [{ route }] }))[0]?.targets.map(({ weight }) => weight)).toEqual([
      1, 3,
    ]);
  });

  it.each([
    { field: "rewrite.uriRegexRewrite", http: toHello({ rewrite: { uriRegexRewrite: { match: "a", rewrite: "b" } } }) },
    { field: "fault.abort.http2Error", http: toHello({ fault: { abort: { http2Error: "CANCEL" } } }) },
    { field: "directResponse", http: { directResponse: { status: 200 } } },
    { field: "delegate", http: { delegate: { name: "x" } } },
    { field: "mirror", http: toHello({ mirror: { host: "x" } }) },
    { field: "corsPolicy", http: toHello({ corsPolicy: {} }) },
    { field: "match[0].headers.x-a.suffix", http: toHello({ match: [{ headers: { "x-a": { suffix: "1" } } }] }) },
  ])("with $field are refused with the field's name, since ignoring it would be wrong", ({ field, http }) => {
    const [route] = routesOf(gateway({}), routes({ http: [http] }));
    expect(route?.refusal).toBe(`spec.http[0].${field} of VirtualService/vs.default is not supported`);
  });

  it("with a backoff are served without it", () => {
    const http = [toHello({ retries: { attempts: 3, backoff: "1s" } })];
    expect(routesOf(gateway({}), routes({ http }))[0]?.refusal).toBe("");
  });

  it.each([
    {
      name: "a variable in a header",
      more: { headers: { request: { set: { "x-ip": "%DOWNSTREAM_REMOTE_ADDRESS%" } } } },
      refusal: /has a variable/,
    },
    {
      name: "a variable in a header of a destination",
      more: {
        route: [
          { destination: { host: "hello.ns1.svc.cluster.local" }, headers: { response: { add: { a: "100%" } } } },
        ],
      },
      refusal: /has a variable/,
    },
    {
      name: "a match on a token claim",
      more: { match: [{ withoutHeaders: { "@request.auth.claims.group": { exact: "admin" } } }] },
      refusal: /a match on @request\.auth\.claims\.group is not supported/,
    },
  ])("with $name are refused", ({ more, refusal }) => {
    expect(routesOf(gateway({}), routes({ http: [toHello(more)] }))[0]?.refusal).toMatch(refusal);
  });

  it("do not affect other routes if one is refused", () => {
    const http = [toHello({ corsPolicy: {}, match: [{ uri: { exact: "/old" } }] }), toHello()];
    expect(routesOf(gateway({}), routes({ http })).map(({ refusal }) => refusal === "")).toEqual([false, true]);
  });

  it.each([
    { name: "no destination", route: [], refusal: /has no destination/ },
    {
      name: "an unknown service without a port",
      route: [{ destination: { host: "missing" } }],
      refusal: /no service missing\.default/,
    },
    {
      name: "no port, for a service with two ports that are not the listener's",
      route: [{ destination: { host: "two.ns1.svc.cluster.local" } }],
      refusal: /has 2 ports: name one/,
    },
  ])("with $name are refused", ({ route, refusal }) => {
    expect(routesOf(gateway({}), routes({ http: [{ route }] }))[0]?.refusal).toMatch(refusal);
  });

  it("are omitted if all their matches are for other gateways or ports", () => {
    const http = [
      toHello({ match: [{ gateways: ["other"] }] }),
      toHello({ match: [{ port: 81 }] }),
      toHello({ match: [{ gateways: ["gw"], port: 80, uri: { exact: "/" } }, { port: 81 }] }),
    ];
    const found = routesOf(gateway({}), routes({ http }));
    expect(found.map(({ name, matches }) => [name, matches.length])).toEqual([["VirtualService/vs.default[2]", 1]]);
  });

  it("of one VirtualService keep their order", () => {
    const narrow = toHello({ match: [{ uri: { prefix: "/x" } }] });
    const found = routesOf(gateway({}), routes({ http: [toHello(), narrow] }));
    expect(found.map(({ matches }) => matches.length)).toEqual([0, 1]);
  });

  it("of two VirtualServices for one host are ordered oldest first, with catch-all routes last", () => {
    const narrow = toHello({ match: [{ uri: { prefix: "/x" } }] });
    const found = routesOf(
      gateway({}),
      routes({ http: [narrow] }, { name: "new", creationTimestamp: "2026-01-02T00:00:00Z" }),
      routes({ http: [toHello(), narrow] }, { name: "old", creationTimestamp: "2026-01-01T00:00:00Z" }),
    );
    expect(found.map(({ name }) => name)).toEqual([
      "VirtualService/old.default[1]",
      "VirtualService/new.default[0]",
      "VirtualService/old.default[0]",
    ]);
  });

  it.each([
    { name: "the prefix /", match: [{ uri: { prefix: "/" } }], isLast: true },
    { name: "the regex .*", match: [{ uri: { regex: ".*" } }], isLast: true },
    { name: "the prefix / and a header", match: [{ uri: { prefix: "/" }, headers: { a: {} } }], isLast: false },
    { name: "the prefix / and a method", match: [{ uri: { prefix: "/" }, method: { exact: "GET" } }], isLast: false },
    {
      name: "the prefix / and another match",
      match: [{ uri: { prefix: "/" } }, { uri: { exact: "/a" } }],
      isLast: false,
    },
  ])("match everything by $name: $isLast", ({ match, isLast }) => {
    const narrow = toHello({ match: [{ uri: { prefix: "/x" } }] });
    const found = routesOf(
      gateway({}),
      routes({ http: [toHello({ match })] }, { name: "old" }),
      routes({ http: [narrow] }, { name: "young", creationTimestamp: "2026-01-01T00:00:00Z" }),
    );
    expect(found.at(-1)?.name).toBe(`VirtualService/${isLast ? "old" : "young"}.default[0]`);
  });
});
