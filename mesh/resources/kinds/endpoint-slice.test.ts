import { describe, expect, it } from "vitest";
import { parseResources } from "../parsing/parse-resources.ts";
import { testSlice } from "../resource-set-fixture.ts";

function parse(text: string): { readonly kinds: readonly string[]; readonly messages: readonly string[] } {
  const { resources, problems } = parseResources({ text, file: "test.yaml" });
  return { kinds: resources.map(({ kind }) => kind), messages: problems.map(({ message }) => message) };
}

describe("an EndpointSlice", () => {
  it("is parsed as Kubernetes writes it", () => {
    const text = `
addressType: IPv4
apiVersion: discovery.k8s.io/v1
endpoints:
- addresses: [10.244.0.7]
  conditions: {ready: true, serving: true, terminating: false}
  nodeName: node1
  targetRef: {kind: Pod, name: srv-1, namespace: bank, uid: 5f0e}
  zone: a
kind: EndpointSlice
metadata:
  generateName: db-
  generation: 4
  labels: {kubernetes.io/service-name: db}
  name: db-x7k2p
  namespace: bank
ports:
- {name: "", port: 8080, protocol: TCP}
`;
    const { resources, problems } = parseResources({ text, file: "test.yaml" });
    expect(problems).toEqual([]);
    expect(resources).toMatchObject([
      {
        kind: "EndpointSlice",
        addressType: "IPv4",
        endpoints: [{ addresses: ["10.244.0.7"], conditions: { ready: true }, targetRef: { name: "srv-1" } }],
        ports: [{ name: "", port: 8080 }],
      },
    ]);
  });

  it("may have neither endpoints nor ports", () => {
    const metadata = "{name: db, namespace: bank, labels: {kubernetes.io/service-name: db}}";
    const text = `{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: ${metadata}, addressType: IPv4, endpoints: null, ports: null}`;
    expect(parse(text)).toEqual({ kinds: ["EndpointSlice"], messages: [] });
  });

  it.each([
    { address: "127.0.0.1", reason: /loopback/ },
    { address: "0.0.0.0", reason: /unspecified/ },
    { address: "169.254.169.254", reason: /link-local/ },
    { address: "224.0.0.1", reason: /multicast/ },
    { address: "db.example.com", reason: /must be an IP address/ },
    { address: "fd00::1", reason: /must be an IPv4 address/ },
    { address: "::1", addressType: "IPv6", reason: /loopback/ },
    { address: "0:0:0:0:0:0:0:1", addressType: "IPv6", reason: /loopback/ },
    { address: "::", addressType: "IPv6", reason: /unspecified/ },
    { address: "::ffff:127.0.0.1", addressType: "IPv6", reason: /loopback/ },
    { address: "::ffff:7f00:1", addressType: "IPv6", reason: /loopback/ },
    { address: "fe80::1", addressType: "IPv6", reason: /link-local/ },
    { address: "ff02::1", addressType: "IPv6", reason: /multicast/ },
    { address: "10.0.0.7", addressType: "IPv6", reason: /must be an IPv6 address/ },
  ] as const)("with the address $address is refused, with the reason", ({ address, reason, ...type }) => {
    const { kinds, messages } = parse(testSlice({ service: "db", endpoints: [{ addresses: [address] }], ...type }));
    expect(kinds).toEqual([]);
    expect(messages.join("\n")).toMatch(reason);
  });

  it.each(["10.0.0.7", "192.0.2.1"])("with the address %s is accepted", (address) => {
    expect(parse(testSlice({ service: "db", endpoints: [{ addresses: [address] }] })).messages).toEqual([]);
  });

  it("of an unknown address type is refused", () => {
    const text = testSlice({ service: "db", endpoints: [] }).replace('"IPv4"', '"IPv5"');
    expect(parse(text)).toEqual({ kinds: [], messages: ["must be one of IPv4, IPv6, FQDN"] });
  });
});
