import { describe, expect, it } from "vitest";
import { testService } from "../../resources/resource-set-fixture.ts";
import { decide, gateway, routes, server, toHello } from "./gateway-resources-fixture.ts";

/** `port host` for each virtual host. */
function hostsOf(...resources: readonly string[]): readonly string[] {
  return decide(...resources).listeners.flatMap(({ port, virtualHosts }) =>
    virtualHosts.flatMap(({ hosts }) => hosts.map((host) => `${port} ${host}`)),
  );
}

describe("the hosts that a gateway serves", () => {
  it.each([
    {
      name: "hosts with and without a trailing dot, in any case",
      resources: [
        gateway({ servers: [server(["*/Hello.Example."])] }),
        routes({ hosts: ["hello.EXAMPLE", "hello.example."] }),
      ],
      hosts: ["80 hello.example"],
    },
    {
      name: "a VirtualService's host on a server for all hosts",
      resources: [gateway({}), routes({})],
      hosts: ["80 hello.example"],
    },
    { name: "none without a Gateway", resources: [routes({})], hosts: [] },
    {
      name: "none of a Gateway for other pods",
      resources: [gateway({ selector: { istio: "other" } }), routes({})],
      hosts: [],
    },
    {
      name: "those of a Gateway without a selector",
      resources: [gateway({ selector: {} }), routes({})],
      hosts: ["80 hello.example"],
    },
    {
      name: "none of a VirtualService that does not name the Gateway",
      resources: [gateway({}), routes({ gateways: ["mesh"] })],
      hosts: [],
    },
    {
      name: "none if the short name belongs to another namespace",
      resources: [gateway({}, { namespace: "ns9" }), routes({})],
      hosts: [],
    },
    {
      name: "those of NAMESPACE/NAME",
      resources: [gateway({}, { namespace: "ns9" }), routes({ gateways: ["ns9/gw"] })],
      hosts: ["80 hello.example"],
    },
    {
      name: "the intersection of both",
      resources: [gateway({ servers: [server(["*.example"])] }), routes({ hosts: ["hello.example", "hello.other"] })],
      hosts: ["80 hello.example"],
    },
    {
      name: "the server's if the VirtualService's is wider",
      resources: [gateway({ servers: [server(["a.example", "b.example"])] }), routes({ hosts: ["*"] })],
      hosts: ["80 a.example", "80 b.example"],
    },
    {
      name: "none if the intersection is empty",
      resources: [gateway({ servers: [server(["other.example"])] }), routes({})],
      hosts: [],
    },
    {
      name: "those of the namespace that the server names",
      resources: [gateway({ servers: [server(["default/*"])] }), routes({})],
      hosts: ["80 hello.example"],
    },
    {
      name: "none of a namespace that the server does not name",
      resources: [gateway({ servers: [server(["ns5/*"])] }), routes({})],
      hosts: [],
    },
    {
      name: "those of the Gateway's own namespace for `./`",
      resources: [
        gateway({ servers: [server(["./*"])] }),
        routes({}),
        routes({ gateways: ["default/gw"], hosts: ["x.example"] }, { namespace: "ns5" }),
      ],
      hosts: ["80 hello.example"],
    },
    {
      name: "none of a VirtualService that is not exported to the gateway",
      resources: [gateway({}), routes({ exportTo: ["."] })],
      hosts: [],
    },
    {
      name: "hosts of several ports",
      resources: [gateway({ servers: [server(["*"], { number: 8081 }), server(["*"])] }), routes({})],
      hosts: ["80 hello.example", "8081 hello.example"],
    },
    {
      name: "a short host in the VirtualService's namespace",
      resources: [gateway({}), routes({ hosts: ["hello"] })],
      hosts: ["80 hello.default.svc.cluster.local"],
    },
    {
      name: "none of servers with TLS",
      resources: [
        gateway({
          servers: [
            server(["*"], { protocol: "HTTPS" }),
            { ...server(["*"], { number: 81 }), tls: { httpsRedirect: true } },
          ],
        }),
        routes({}),
      ],
      hosts: [],
    },
  ])("$name", ({ resources, hosts }) => {
    expect(hostsOf(...resources)).toEqual(hosts);
  });

  it("listens even without a VirtualService, so that unknown hosts get 404 instead of a refused connection", () => {
    expect(decide(gateway({})).listeners).toEqual([{ port: 80, virtualHosts: [] }]);
  });
});

describe("the pod's port that a server listens on", () => {
  const front = (ports: readonly object[], namespace = "istio-system"): string =>
    testService({
      name: "front",
      namespace,
      ports: ports.map((port) => ({ ...port })),
      spec: { selector: { istio: "ingressgateway" } },
    });

  it.each([
    {
      name: "is the target of the Service's port",
      service: front([{ name: "http", port: 80, targetPort: 8080 }]),
      ports: [8080],
    },
    {
      name: "is every target of that port",
      service: front([
        { name: "a", port: 80, targetPort: 8080 },
        { name: "b", port: 80, targetPort: 8081 },
      ]),
      ports: [8080, 8081],
    },
    {
      name: "is the server's own if the Service lacks the port",
      service: front([{ name: "http", port: 81, targetPort: 8080 }]),
      ports: [80],
    },
    {
      name: "ignores Services of other namespaces",
      service: front([{ name: "http", port: 80, targetPort: 8080 }], "ns1"),
      ports: [80],
    },
  ])("$name", ({ service, ports }) => {
    expect(decide(gateway({}), service).listeners.map(({ port }) => port)).toEqual(ports);
  });

  it("may be shared by two servers, whose hosts are both served there", () => {
    const service = front([
      { name: "a", port: 80, targetPort: 8080 },
      { name: "b", port: 81, targetPort: 8080 },
    ]);
    const resources = [
      gateway({ servers: [server(["a.example"]), server(["b.example"], { number: 81, name: "b" })] }),
      routes({ hosts: ["a.example"] }, { name: "a" }),
      routes({ hosts: ["b.example"] }, { name: "b" }),
    ];
    expect(hostsOf(service, ...resources)).toEqual(["8080 a.example", "8080 b.example"]);
  });

  it("does not change the port that a route matches on", () => {
    const service = front([{ name: "http", port: 80, targetPort: 8080 }]);
    const http = [{ ...toHello(), match: [{ port: 80 }] }];
    const [listener] = decide(gateway({}), service, routes({ http })).listeners;
    expect(listener?.virtualHosts[0]?.routes).toHaveLength(1);
  });
});
