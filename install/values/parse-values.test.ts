import { describe, expect, it } from "vitest";
import { InstallError } from "../install-error.ts";
import { parseInstallValues, type ValuesInput } from "./parse-values.ts";

function messageOf(input: ValuesInput): string {
  try {
    parseInstallValues(input);
  } catch (caught) {
    if (caught instanceof InstallError) return caught.message;
    throw caught;
  }
  return "accepted";
}

describe("the values of an installation", () => {
  it("have a default for everything", () => {
    expect(parseInstallValues()).toMatchObject({
      namespace: "istio-system",
      revision: "default",
      trustDomain: "cluster.local",
      controlPlane: { replicas: 2 },
      gateway: { serviceType: "LoadBalancer" },
    });
  });

  it("come from files, of which later ones win, and from expressions, which win over files", () => {
    const files = [
      { name: "a.yaml", text: "trustDomain: a\ngateway: { replicas: 2, serviceType: NodePort }" },
      { name: "b.yaml", text: "gateway: { replicas: 3 }" },
      { name: "empty.yaml", text: "" },
    ];
    const values = parseInstallValues({ files, expressions: ["trustDomain=b", "image=registry.example/entente:1"] });
    expect(values).toMatchObject({
      trustDomain: "b",
      image: "registry.example/entente:1",
      gateway: { replicas: 3, serviceType: "NodePort" },
    });
  });

  it("keep the defaults of a resource part that is not given", () => {
    const { resources } = parseInstallValues({ expressions: ["injector.resources.limits.memory=1Gi"] }).injector;
    expect(resources).toEqual({ requests: { cpu: "50m", memory: "128Mi" }, limits: { memory: "1Gi" } });
  });

  it.each([
    { name: "a number for text", expression: "revision=1", value: "1" },
    { name: "a quantity that is a number", expression: "injector.resources.requests.cpu=2", value: "2" },
    { name: "a list", expression: "imagePullSecrets={one,two}", value: ["one", "two"] },
    { name: "an empty list", expression: "imagePullSecrets={}", value: [] },
    {
      name: "a name with dots",
      expression: "gateway.serviceAnnotations.a\\.example/b=c",
      value: { "a.example/b": "c" },
    },
    { name: "a value with an equals sign", expression: "image=a=b", value: "a=b" },
    { name: "null, which is the default", expression: "namespace=null", value: "istio-system" },
  ])("may be $name", ({ expression, value }) => {
    const names = expression
      .slice(0, expression.indexOf("="))
      .replace(/\.a\\.*/, "")
      .split(".");
    const values: unknown = parseInstallValues({ expressions: [expression] });
    const found = names.reduce<unknown>((tree, name) => Object(tree)[name], values);
    expect(found).toEqual(value);
  });
});

describe("an invalid value", () => {
  it.each([
    { expression: "controlplane.replicas=1", message: "no value controlplane; did you mean controlPlane?" },
    { expression: "gateway.replica=1", message: "no value gateway.replica; did you mean gateway.replicas?" },
    { expression: "injector.resources.limits.mem=1", message: "did you mean one of cpu, memory?" },
    { expression: "zzz=1", message: "there is no value zzz; did you mean one of namespace, revision, image" },
    { expression: "gateway.replicas=0", message: "gateway.replicas: Too small" },
    { expression: "gateway.serviceType=Loadbalancer", message: 'got "Loadbalancer"' },
    { expression: "namespace=Istio_System", message: "namespace: must be a DNS label" },
    { expression: "injector.resources.limits.memory=1gb", message: "must be a quantity such as 100m" },
    { expression: "accessLogFile=stdout", message: "must be a path such as /dev/stdout" },
    { expression: "certificates.maxLifetime=24", message: "certificates.maxLifetime: Invalid input: expected string" },
    { expression: "certificates.lifetime=0h", message: "must be a duration such as 30s" },
    { expression: "gateway.replicas", message: "--set must be NAME=VALUE" },
    { expression: "=1", message: "--set must be NAME=VALUE" },
    { expression: "__proto__.x=1", message: "--set must be NAME=VALUE" },
  ])("$expression is refused with the fix", ({ expression, message }) => {
    expect(messageOf({ expressions: [expression] })).toContain(message);
  });

  it.each([
    { text: "a: [", message: "my.yaml is not YAML" },
    { text: "- a", message: "my.yaml must be one YAML mapping" },
    { text: "a: 1\n---\nb: 2", message: "my.yaml must be one YAML mapping" },
    { text: "a: 1\na: 2", message: "my.yaml is not YAML" },
    {
      text: "trustDomainAliases: [b]\ncaCertificates: [{ spiffeBundleUrl: https://a.example/, trustDomains: [b] }]",
      message: "caCertificates[0].trustDomains[0]: b is a trust domain of this mesh",
    },
  ])("in a file names the file ($text)", ({ text, message }) => {
    expect(messageOf({ files: [{ name: "my.yaml", text }] })).toContain(message);
  });

  it("does not hide another one", () => {
    const message = messageOf({ expressions: ["gateway.replicas=0", "injectr.replicas=1"] });
    expect(message).toContain("gateway.replicas");
    expect(message).toContain("injectr");
  });
});
