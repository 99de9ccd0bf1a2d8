import { describe, expect, it } from "vitest";
import { testResource } from "../../resources/resource-set-fixture.ts";
import { decide, peer } from "./server-mode-fixture.ts";

const permissive = { mtls: { mode: "PERMISSIVE" } };
const unset = { mtls: { mode: "UNSET" } };
const legacy = { peers: [{ mtls: {} }] };

describe("decideServerMode with the legacy policies", () => {
  const mesh = testResource("MeshPolicy", "default", legacy);
  const policy = (name: string, spec: object, namespace = "ns1") => testResource("Policy", name, spec, { namespace });

  it.each([
    { name: "`mtls: {}` is STRICT", rules: [mesh], mode: "STRICT", rule: "MeshPolicy/default" },
    {
      name: "`mtls:` without a value is STRICT",
      rules: [testResource("MeshPolicy", "default", { peers: [{ mtls: null }] })],
      mode: "STRICT",
      rule: "MeshPolicy/default",
    },
    {
      name: "PERMISSIVE applies",
      rules: [testResource("MeshPolicy", "default", { peers: [{ mtls: { mode: "PERMISSIVE" } }] })],
      mode: "PERMISSIVE",
      rule: "MeshPolicy/default",
    },
    {
      name: "no peers turns mutual TLS off",
      rules: [testResource("MeshPolicy", "default", {})],
      mode: "DISABLE",
      rule: "MeshPolicy/default",
    },
    {
      name: "the first mtls applies",
      rules: [
        testResource("MeshPolicy", "default", { peers: [{ jwt: {} }, { mtls: { mode: "PERMISSIVE" } }, { mtls: {} }] }),
      ],
      mode: "PERMISSIVE",
      rule: "MeshPolicy/default",
    },
    {
      name: "the namespace's policy overrides the mesh's",
      rules: [mesh, policy("default", {})],
      mode: "DISABLE",
      rule: "Policy/default.ns1",
    },
    {
      name: "another namespace's policy does not apply",
      rules: [mesh, policy("default", {}, "ns2")],
      mode: "STRICT",
      rule: "MeshPolicy/default",
    },
    {
      name: "the service's policy overrides the namespace's",
      rules: [policy("default", {}), policy("w", { ...legacy, targets: [{ name: "world" }] })],
      mode: "STRICT",
      rule: "Policy/w.ns1",
    },
    {
      name: "a service policy replaces the others completely: no peers is DISABLE",
      rules: [mesh, policy("w", { targets: [{ name: "world" }] })],
      mode: "DISABLE",
      rule: "Policy/w.ns1",
    },
    {
      name: "a target's port is the service's port",
      rules: [policy("w", { ...legacy, targets: [{ name: "world", ports: [{ number: 80 }] }] })],
      mode: "STRICT",
      rule: "Policy/w.ns1",
    },
    {
      name: "a target's port is not the container's port",
      rules: [policy("w", { ...legacy, targets: [{ name: "world", ports: [{ number: 8080 }] }] })],
      mode: "PERMISSIVE",
      rule: "default",
    },
    {
      name: "a port by its name in the service",
      rules: [policy("w", { ...legacy, targets: [{ name: "world", ports: [{ name: "http" }] }] })],
      mode: "STRICT",
      rule: "Policy/w.ns1",
    },
    {
      name: "a target with the port overrides one for all ports",
      rules: [
        policy("a", { targets: [{ name: "world" }] }),
        policy("b", { ...legacy, targets: [{ name: "world", ports: [{ number: 80 }] }] }),
      ],
      mode: "STRICT",
      rule: "Policy/b.ns1",
    },
    {
      name: "a target of another service does not apply",
      rules: [policy("w", { ...legacy, targets: [{ name: "hello" }] })],
      mode: "PERMISSIVE",
      rule: "default",
    },
    {
      name: "PeerAuthentication overrides all of them",
      rules: [mesh, peer("default", "ns1", permissive)],
      mode: "PERMISSIVE",
      rule: "PeerAuthentication/default.ns1",
    },
    {
      name: "an UNSET PeerAuthentication does not override them",
      rules: [mesh, peer("default", "ns1", unset)],
      mode: "STRICT",
      rule: "MeshPolicy/default",
    },
  ])("$name", ({ rules, mode, rule }) => {
    expect(decide(rules)).toEqual({ mode, rule });
  });

  it("uses the namespace's policy for ports without a service", () => {
    const rules = [policy("default", {}), policy("w", { ...legacy, targets: [{ name: "world" }] })];
    expect(decide(rules, 9999)).toEqual({ mode: "DISABLE", rule: "Policy/default.ns1" });
  });
});
